//! The boot CPU from its first Rust instruction to the first line of logic, in stages that are
//! values. Each stage takes the one before, so that their order is a matter of types, and each runs
//! once:
//!
//! ```text
//! Entry    what head.S found in registers
//!   |  find      without a heap: the tree is checked, RAM and reservations are looked at;
//!   |            LPIs are turned off, or their tables are reserved; RAM for the heap.
//!   |            With a heap: what the kernel before left in registers is read, then
//!   |            cleared; the tree is read; devices are mapped, so that each driver
//!   |            gets its registers
//! Found    the machine, the boot's parameters, the devices' registers
//!   |  lay_out   every page of RAM gets its owner
//! Laid     the map, and what this kernel has claimed for itself
//!   |  map       RAM is mapped, without what must not be reached
//! Mapped   memory that can be used
//!   |  board     PSCI, handover area, distributor; the board is published, TPIDR_EL1 set, and
//!   |            only then SErrors and IRQs are unmasked, because handlers need both
//! Board    and a `Boot` for logic
//! ```

mod found;
mod laid;
mod mapped;
mod registers;
mod window;

pub use found::Found;
pub use registers::Places;
pub use window::console_of_last_resort;

use super::inherited::AtEntry;

/// What `head.S` hands over: MMU on with the first tables, bss zero, interrupts masked.
pub struct Entry {
    /// Physical address of the device tree.
    pub dtb: u64,
    /// First counter read of this kernel, ticks.
    pub at: u64,
    /// Exception level of entry, 1 or 2.
    pub level: u32,
    /// Registers that `head.S` had to overwrite.
    pub registers: AtEntry,
}
