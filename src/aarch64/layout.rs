//! Every symbol that `linker/kernel.ld` exports, as addresses. No other module declares linker
//! symbols.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::config;
use crate::memory::Range;

pub use crate::config::{KERNEL_BASE, LINEAR_BASE};

/// Entry of a level 0 table, each of 512 GiB, that maps the image.
pub const IMAGE_ENTRY: usize = (KERNEL_BASE >> 39 & 0x1ff) as usize;

/// Level 2 entries of the image, and level 3 tables.
pub const SPAN_BLOCKS: usize = (config::IMAGE_SPAN / config::IMAGE_ALIGN) as usize;

/// Where the 2 or 4 MiB around the device tree are mapped, read-only.
pub const DTB_WINDOW: u64 = KERNEL_BASE + config::IMAGE_SPAN;

macro_rules! symbols {
    ($($(#[$doc:meta])* $name:ident = $symbol:ident;)+) => {
        unsafe extern "C" {
            $(static $symbol: u8;)+
        }
        $(
            $(#[$doc])*
            pub fn $name() -> u64 {
                (&raw const $symbol) as u64
            }
        )+
    };
}

symbols! {
    /// First byte of the image.
    image_start = _image_start;
    /// First byte after the image, bss and stacks included.
    image_end = _image_end;
    /// The boot CPU's stack guard page.
    boot_guard = _boot_guard;
    /// The guard page of the boot CPU's exception stack.
    boot_exception_guard = _boot_exception_guard;
    /// Level 0 table of the upper half: the linear map and the image.
    ttbr1 = _ttbr1_l0;
    /// Level 0 table of the identity page.
    ttbr0 = _ttbr0_l0;
    /// Level 2 table behind KERNEL_BASE: the image, then the device tree.
    ttbr1_l2 = _ttbr1_l2;
    /// Where secondaries enter.
    secondary_entry = _secondary_entry;
    /// Where CPUs without a kernel enter.
    bare_entry = _bare_entry;
    /// Code that leaves this kernel.
    jump_idmap = _jump_idmap;
    /// The page of code that copies a kernel.
    copier_start = _copier_start;
    /// Its end.
    copier_end = _copier_end;
    /// Code that goes there.
    enter_copier = _enter_copier;
    /// Code in which a CPU sleeps for good.
    park_idmap = _park_idmap;
}

/// Physical address of the image, once the boot CPU has set it.
static BASE: AtomicU64 = AtomicU64::new(0);

/// Tells where the image lies. Boot CPU, first of all.
///
/// # Safety
/// `base` is the physical address to which `head.S` has mapped [`KERNEL_BASE`].
pub unsafe fn set_base(base: u64) {
    BASE.store(base, Ordering::Relaxed); // no other CPU runs
}

/// The physical address of the image.
pub fn base() -> u64 {
    BASE.load(Ordering::Relaxed)
}

/// The physical memory of the image, bss and the boot CPU's stacks included.
pub fn image() -> Range {
    Range::new(base(), physical(image_end()))
}

/// The physical address of a virtual one, in the linear map or in the image.
pub fn physical(address: u64) -> u64 {
    if address < KERNEL_BASE { address - LINEAR_BASE } else { address - KERNEL_BASE + base() }
}

/// The virtual address at which a physical one is in the linear map.
pub const fn linear(physical: u64) -> u64 {
    LINEAR_BASE + physical
}
