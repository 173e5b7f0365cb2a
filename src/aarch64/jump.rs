//! Out of this kernel, or out of this CPU. Nothing here comes back.

use core::mem;

use super::{heap, layout, mmu, regs};
use crate::hotplug::ap::LastWord;

/// Enters the next kernel at the exception level at which this one was entered.
///
/// # Safety
/// A kernel is at `entry` and its device tree at `dtb`, clean to the point of coherency; every
/// other CPU is off, and everything is quiet.
pub unsafe fn jump(entry: u64, dtb: u64, entry_level: u32) -> ! {
    heap::close();
    regs::mask_all();
    // Every store, the handover's seal among them, is complete before `_jump_idmap` turns the MMU
    // off.
    regs::dsb_sy();
    mmu::enter_identity();
    let address = layout::physical(layout::jump_idmap()) as usize;
    // SAFETY: `jump_idmap` in head.S takes these three and does not return; its physical address is
    // mapped executable at that same address.
    let leave: extern "C" fn(u64, u64, u64) -> ! = unsafe { mem::transmute(address) };
    leave(entry, dtb, u64::from(entry_level == 2))
}

/// Sleeps for good, MMU off, in this image. The CPU's last store, in `park_idmap`, writes `last`:
/// it tells the boot CPU that this CPU has parked.
pub fn park(last: LastWord<'_>) -> ! {
    regs::mask_all();
    mmu::enter_identity();
    let address = layout::physical(layout::park_idmap()) as usize;
    // SAFETY: `park_idmap` in head.S takes these two and does not return; its physical address is
    // mapped executable at that same address.
    let park: extern "C" fn(*mut u64, u64) -> ! = unsafe { mem::transmute(address) };
    park(last.word.as_ptr(), last.value)
}
