//! The device tree: validated reading, and editing of the tree that the next kernel gets.
//!
//! A tree comes from firmware, a boot loader or another kernel, so nothing in a tree is trusted.
//! Its form is checked once ([`Checked`]): from then on it can be gone through without memory
//! ([`Checked::tokens`]), or read into a table that everything else searches ([`Tree`]). The crate
//! `fdt` finds the blocks of a tree; its own walk ends at depth 16. The crate `dtoolkit` adds memory
//! reservations and writing ([`edit`]).

mod address;
mod carry;
mod check;
pub mod edit;
mod error;
mod interrupts;
mod node;
mod properties;
mod rows;
mod seeds;
mod source;
mod tokens;
mod tree;
mod walk;
mod words;

use alloc::vec::Vec;

pub use address::{
    ADDRESS_END, AddressError, CellCounts, Window, reg, region, regions, regions_in,
};
pub use carry::{carried, carry};
pub use check::{HEADER_BYTES, MAX_DEPTH, claimed_size, total_size};
pub use error::{Fault, FdtError};
pub use interrupts::{MAX_CELLS, interrupt_parent, specifier_cells};
pub use node::Node;
pub use properties::{Properties, value_says};
pub use rows::Row;
pub use seeds::seeds;
pub use source::{describes, describes_machine};
pub use tokens::{Blocks, Checked, Name, Token, Tokens};
pub use tree::Tree;
pub use walk::Spot;

/// Bytes of a tree up to the end of its last block. Boot loaders leave room after the tree: of
/// QEMU's 1 MiB a few KiB are used.
///
/// # Errors
/// [`FdtError`] if the tree is not well-formed.
pub fn used_size(dtb: &[u8]) -> Result<usize, FdtError> {
    check::check(dtb, &mut [], |_| {}).map(|(layout, _)| layout.used())
}

/// A copy of a tree without the room behind the last block.
///
/// # Errors
/// [`FdtError`] if the tree is not well-formed.
pub fn compact(dtb: &[u8]) -> Result<Vec<u8>, FdtError> {
    let used = used_size(dtb)?;
    let mut copy = dtb[..used].to_vec();
    copy[4..8].copy_from_slice(&(used as u32).to_be_bytes());
    Ok(copy)
}

#[cfg(test)]
mod tests;
