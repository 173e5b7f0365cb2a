//! Cache maintenance by address. Never by set and way: in a guest that guarantees nothing.
//!
//! Only the boot CPU cleans, so the line size is that of the boot CPU, read once: KVM may trap the
//! read of CTR_EL0 (HCR_EL2.TID2).

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use super::regs;

/// Bytes of the smallest data cache line; 0 until read from CTR_EL0.
static LINE: AtomicU64 = AtomicU64::new(0);

/// Writes every dirty line of `bytes` at the virtual address `start` back to the point of
/// coherency, where a CPU with its MMU off, or a kernel that has just been entered, reads; and
/// drops the lines, so that what is read back afterwards has come from there. (DC CVAC alone does
/// not clean reliably on the first Cortex-A53: errata 819472, 824069, 826319 and 827319.)
///
/// The DSB completes the cleaning before any later instruction: CPU_ON in `Board::cpu_on`, or the
/// jump.
pub fn clean_to_poc(start: u64, bytes: u64) {
    let line = line();
    let mut at = start & !(line - 1);
    while at < start + bytes {
        // SAFETY: DC CIVAC writes back and changes no contents; the range is mapped.
        unsafe { asm!("dc civac, {0}", in(reg) at) };
        at += line;
    }
    regs::dsb_sy();
}

/// Drops the lines of `bytes` at the virtual address `start`, so that what is read afterwards comes
/// from the point of coherency. Boot CPU.
///
/// # Safety
/// No cache has a dirty line of the range, nor gets one until this returns.
pub unsafe fn drop_lines(start: u64, bytes: u64) {
    let line = line();
    let mut at = start & !(line - 1);
    while at < start + bytes {
        // SAFETY: the lines are clean, says the caller, so no store is lost.
        unsafe { asm!("dc ivac, {0}", in(reg) at) };
        at += line;
    }
    regs::dsb_sy();
}

fn line() -> u64 {
    let known = LINE.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    let read = regs::dcache_line();
    LINE.store(read, Ordering::Relaxed);
    read
}
