//! The tree for the next kernel: the current one with `/chosen` rebuilt and its reservations
//! renewed. Everything that the next kernel can use stays; everything that only described this
//! boot goes (arm64 boot protocol; Linux `Documentation/devicetree/bindings/chosen.txt`).

mod chosen;
mod model;
mod reserved;

use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;

use dtoolkit::Node as _;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};

pub use chosen::HANDOVER;
pub use reserved::QUARANTINE;

use super::error::FdtError;
use super::tree::Tree;
use super::{check, check::Layout};
use crate::config::{MAX_BOOTARGS, MAX_DTB};
use crate::memory::Range;

/// What is different in the next kernel's tree.
#[derive(Clone, Copy, Default, Debug)]
pub struct Changes<'a> {
    /// The command line; none if empty.
    pub bootargs: &'a [u8],
    /// Where the initrd will be.
    pub initrd: Option<Range>,
    /// What this kernel hands over. Announced in `/chosen` and reserved.
    pub handover: Option<Range>,
    /// What this run has measured, for a next kernel whose user reads it there.
    pub results: Option<&'a [u8]>,
    /// Fresh entropy. `None` gives the next kernel no entropy: a seed must not be used twice.
    pub rng_seed: Option<[u8; 32]>,
    /// Fresh randomness for where the next kernel puts itself: Linux uses the seed and wipes it;
    /// without a seed Linux stays at its link address.
    pub kaslr_seed: Option<u64>,
    /// Memory in which CPUs that did not leave still run. Reserved. Has to be given each time.
    pub quarantine: &'a [Range],
    /// Where the current tree lies, if that is known: a reservation for that range alone is dropped.
    pub old_tree: Option<Range>,
}

/// Why there is no next tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EditError {
    /// The current tree is not well-formed.
    Current(FdtError),
    /// The command line is too long or contains a NUL.
    Bootargs(usize),
    /// A range is empty or does not fit the cells of `/reserved-memory`.
    Range {
        /// What the range is for.
        what: &'static str,
        /// The range.
        range: Range,
    },
    /// `/reserved-memory` has cell counts other than 1 and 2.
    Cells,
    /// The result has more bytes than the boot protocol allows.
    TooLarge(usize),
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current(e) => write!(f, "the current device tree cannot be edited: {e}"),
            Self::Bootargs(n) => write!(
                f,
                "the command line has {n} bytes; up to {MAX_BOOTARGS} without a NUL can be passed"
            ),
            Self::Range { what, range } => {
                write!(f, "{what} at {range} cannot be written into the device tree")
            }
            Self::Cells => {
                f.write_str("/reserved-memory has #address-cells or #size-cells other than 1 and 2")
            }
            Self::TooLarge(n) => {
                write!(f, "the next device tree has {n} bytes; {MAX_DTB} are allowed")
            }
        }
    }
}

/// Writes the next kernel's tree over `out` and returns its size.
///
/// Editing the result again with the same changes gives a tree of the same size.
///
/// # Errors
/// [`EditError`] if the current tree is malformed or a change cannot be written; `out` is then
/// unchanged.
pub fn next_tree(
    current: &[u8],
    changes: &Changes<'_>,
    out: &mut Vec<u8>,
) -> Result<usize, EditError> {
    let (layout, _) = check::check(current, &mut [], |_| {}).map_err(EditError::Current)?;
    check_bootargs(changes.bootargs)?;
    let read = Tree::read(current).map_err(EditError::Current)?;
    let tables = chosen::is_all(&read);
    let mut tree = model::model(&read);
    let gone = [chosen::old_initrd(&tree), changes.old_tree];
    reserved::Gone::new(gone.into_iter().flatten()).drop_from(&mut tree);
    if tables {
        reserved::renew_entries(&mut tree, changes)?;
    } else {
        reserved::renew(&mut tree.root, changes)?;
    }
    chosen::rebuild(&mut tree.root, changes)?;
    finish(&tree, &layout, out)
}

fn check_bootargs(bootargs: &[u8]) -> Result<(), EditError> {
    if bootargs.len() > MAX_BOOTARGS || bootargs.contains(&0) {
        return Err(EditError::Bootargs(bootargs.len()));
    }
    Ok(())
}

fn finish(tree: &DeviceTree, layout: &Layout, out: &mut Vec<u8>) -> Result<usize, EditError> {
    let mut bytes = tree.to_dtb();
    if bytes.len() > MAX_DTB {
        return Err(EditError::TooLarge(bytes.len()));
    }
    bytes[28..32].copy_from_slice(&layout.boot_cpu.to_be_bytes());
    *out = bytes;
    Ok(out.len())
}

fn number(value: &[u8]) -> Option<u64> {
    match value.len() {
        4 => Some(u64::from(u32::from_be_bytes(value.try_into().ok()?))),
        _ => Some(u64::from_be_bytes(value.try_into().ok()?)),
    }
}

fn not_empty(what: &'static str, range: &Range) -> Result<(), EditError> {
    if range.is_empty() {
        return Err(EditError::Range { what, range: *range });
    }
    Ok(())
}

/// The child that readers find by this name, which has no unit address, or a new one.
fn child_or_new<'n>(parent: &'n mut DeviceTreeNode, name: &str) -> &'n mut DeviceTreeNode {
    let found = parent.child(name).map_or(name, |child| child.name()).to_string();
    parent.add_child_mut(DeviceTreeNode::new_unchecked(found))
}

fn set<T: dtoolkit::ToPropertyValue>(node: &mut DeviceTreeNode, name: &str, value: T) {
    node.add_property(DeviceTreeProperty::new_unchecked(name, value));
}

#[cfg(test)]
mod tests;
