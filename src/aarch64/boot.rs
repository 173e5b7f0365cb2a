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
//!
//! # Why in this order
//!
//! - A heap needs RAM that has no other user. Which RAM is free follows from the tree (banks,
//!   reservations, initrd, handover), from where image and tree lie, and from the tables of LPIs
//!   that redistributors still write to. So all of these are looked at before anything can be
//!   allocated: the tree by a walk without memory, the redistributors by their registers.
//! - The redistributors' registers, and the heap, are mapped by tables from a small pool in the
//!   image; later tables come from the heap.
//! - Owners are given out before RAM is mapped, because what must not be mapped depends on them:
//!   the pages under the stacks.
//! - RAM is mapped before the board, because handover and stacks are reached through the map.
//! - Handlers need the board and TPIDR_EL1, so interrupts are unmasked last.
//!
//! # When something is wrong
//!
//! A stage panics if the kernel could not run, for instance without a tree, without RAM or without
//! an interrupt controller, and if registers would lie in RAM. Until the tree has been read as a
//! whole, a panic looks for a console in the tree by itself ([`console_of_last_resort`]). What else
//! makes no sense is left out, and becomes a warning that is printed when the console is up.

mod found;
mod laid;
mod mapped;
mod registers;
mod window;

pub use found::Found;
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
