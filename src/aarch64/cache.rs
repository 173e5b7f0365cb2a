//! Cache maintenance by address. Never by set and way: in a guest that guarantees nothing.

use core::arch::asm;

use super::regs;
use crate::memory::Range;

/// Writes every dirty line of the range back to the point of coherency, where a CPU with its MMU
/// off, or a kernel that has just been entered, reads.
pub fn clean_to_poc(range: Range) {
    let line = regs::dcache_line();
    let mut at = range.start & !(line - 1);
    while at < range.end {
        // SAFETY: DC CVAC writes back and changes no contents; the range is mapped.
        unsafe { asm!("dc cvac, {0}", in(reg) at) };
        at += line;
    }
    regs::dsb_sy();
}
