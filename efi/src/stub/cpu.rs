//! The CPU: exception level, caches, and the way out.

use core::arch::asm;

unsafe extern "C" {
    fn efi_leave(entry: u64, tree: u64) -> !;
    static _stub_start: u8;
    static _stub_end: u8;
}

/// The exception level, 1 or 2.
pub fn level() -> u64 {
    let level: u64;
    // SAFETY: reads a register that is always there.
    unsafe { asm!("mrs {}, CurrentEL", out(reg) level, options(nomem, nostack)) };
    level >> 2
}

/// Masks all interrupts.
pub fn mask() {
    // SAFETY: boot services are gone, so no handler is needed any more.
    unsafe { asm!("msr daifset, #0xf", options(nostack)) };
}

/// Cleans the lines of a range to the PoC and invalidates them, so that the bytes are there with the
/// MMU off.
pub fn clean(start: u64, bytes: u64) {
    let ctr: u64;
    // SAFETY: reads a register that firmware never traps.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) ctr, options(nomem, nostack)) };
    let line = 4u64 << ((ctr >> 16) & 0xf);
    let mut at = start & !(line - 1);
    while at < start + bytes {
        // SAFETY: cache maintenance of memory that is mapped; its bytes stay.
        unsafe { asm!("dc civac, {}", in(reg) at, options(nostack)) };
        at += line;
    }
    // SAFETY: a barrier.
    unsafe { asm!("dsb sy", options(nostack)) };
}

/// Cleans this program: its last instructions run with the MMU off.
pub fn clean_own() {
    let (start, end) = (&raw const _stub_start as u64, &raw const _stub_end as u64);
    clean(start, end - start);
}

/// Turns the MMU off and enters the kernel.
///
/// # Safety
/// Boot services are gone, interrupts are masked, this program's code and the kernel are clean to the
/// PoC, and `entry` is the kernel's first byte.
pub unsafe fn leave(entry: u64, tree: u64) -> ! {
    // SAFETY: as the caller vouches.
    unsafe { efi_leave(entry, tree) }
}
