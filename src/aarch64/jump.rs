//! Out of this kernel, or out of this CPU. Nothing here comes back.

use core::mem;

use super::{heap, layout, psci, regs};
use crate::machine::PsciError;

/// Enters the next kernel at the exception level at which this one was entered. Every other CPU is
/// off, everything is quiet, the segments are clean to the point of coherency.
pub fn jump(entry: u64, dtb: u64, entry_level: u32, base: u64) -> ! {
    heap::close();
    regs::mask_all();
    regs::dsb_sy();
    let address = layout::physical(layout::jump_idmap(), base) as usize;
    // SAFETY: `jump_idmap` in head.S takes these three and does not return; it runs at its
    // physical address, which is mapped executable there.
    let leave: extern "C" fn(u64, u64, u64) -> ! = unsafe { mem::transmute(address) };
    leave(entry, dtb, u64::from(entry_level == 2))
}

/// CPU_OFF of this CPU; `denied` is run if firmware does not let it go, and then it is parked.
pub fn turn_off(base: u64, denied: impl FnOnce(PsciError)) -> ! {
    denied(psci::cpu_off());
    park(base)
}

/// Sleeps for good, MMU off, in one page that is known.
pub fn park(base: u64) -> ! {
    regs::mask_all();
    let address = layout::physical(layout::park_idmap(), base) as usize;
    // SAFETY: `park_idmap` in head.S takes nothing and does not return; it runs at its physical
    // address, which is mapped executable there.
    let park: extern "C" fn() -> ! = unsafe { mem::transmute(address) };
    park()
}
