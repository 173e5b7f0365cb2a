//! RAM: all ranges of all memory nodes (devicetree specification v0.4, section 3.4), and what of that
//! may be used.

use alloc::format;
use alloc::vec::Vec;

use super::super::{PlatformError, Warnings, warn};
use super::limits::{LimitError, Limits};
use crate::fdt::{AddressError, CellCounts, Node, Properties, Tree, regions};
use crate::memory::Range;

/// The RAM of a machine; both sorted and joined.
pub struct Memory {
    /// What is RAM, so that no device can be there.
    pub ram: Vec<Range>,
    /// What of it may be used.
    pub usable: Vec<Range>,
}

pub(super) fn memory(tree: &Tree<'_>, warnings: &mut Warnings) -> Result<Memory, PlatformError> {
    root_cells(tree.root())?;
    let limits = tree.find("/chosen").map_or(Ok(None), Limits::of_all);
    let limits = limits.map_err(PlatformError::Usable)?;
    let (mut ram, mut usable) = (Vec::new(), Vec::new());
    for node in tree.root().children().filter(|n| is_memory(*n)) {
        add(node, &mut ram, &mut usable, warnings);
    }
    let (ram, usable) = (join(ram, warnings), crate::memory::join(usable));
    let usable: Vec<Range> = match &limits {
        Some(limits) => usable.iter().flat_map(|range| limits.parts(*range)).collect(),
        None => usable,
    };
    match (&limits, usable.is_empty()) {
        (_, false) => Ok(Memory { ram, usable }),
        (Some(_), true) if !ram.is_empty() => Err(PlatformError::Usable(LimitError::Nothing)),
        _ => Err(PlatformError::NoMemory),
    }
}

/// Checks that addresses of nodes below the root can be read.
pub fn root_cells<'t>(root: impl Properties<'t>) -> Result<(), PlatformError> {
    match CellCounts::of(root) {
        Err(AddressError::Cells { name, .. }) => Err(PlatformError::RootCells(name)),
        _ => Ok(()),
    }
}

/// True for a node that names RAM, if it is a child of the root.
pub fn is_memory<'t>(node: impl Properties<'t>) -> bool {
    node.says("device_type", "memory") && node.is_available()
}

/// The RAM that such a node names; an entry that has no address is an error in its place.
pub fn ram_of<'t, N: Properties<'t>>(
    node: N,
) -> Result<impl Iterator<Item = Result<Range, AddressError>> + use<'t, N>, AddressError> {
    Ok(regions(node)?.filter(|range| range.as_ref().map_or(true, |range| !range.is_empty())))
}

/// Adds what a memory node names to `ram`, and what of that the node lets be used to `usable`.
fn add(node: Node<'_>, ram: &mut Vec<Range>, usable: &mut Vec<Range>, warnings: &mut Warnings) {
    let found = match ram_of(node) {
        Ok(found) => found,
        Err(why) => return warn(warnings, &node.path(), format!("left out: {why}")),
    };
    let first = ram.len();
    for range in found {
        match range {
            Ok(range) => ram.push(range),
            Err(why) => warn(warnings, &node.path(), format!("range left out: {why}")),
        }
    }
    let added = ram[first..].iter().copied();
    match Limits::of_node(node) {
        Ok(None) => usable.extend(added),
        Ok(Some(limits)) => added.for_each(|range| usable.extend(limits.parts(range))),
        Err(why) => warn(warnings, &node.path(), format!("not used: linux,usable-memory: {why}")),
    }
}

/// Sorts and makes one range of those that touch or overlap; overlapping is worth a warning.
fn join(mut ranges: Vec<Range>, warnings: &mut Warnings) -> Vec<Range> {
    ranges.sort_unstable();
    let mut joined: Vec<Range> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => {
                if range.start < last.end {
                    warn(warnings, "memory", format!("{last} and {range} overlap and are joined"));
                }
                last.end = last.end.max(range.end);
            }
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec;

    use super::*;

    #[test]
    fn neighbours_are_joined_silently_and_overlaps_with_a_warning() {
        let mut warnings = Warnings::new();
        let given = vec![Range::new(30, 40), Range::new(0, 10), Range::new(10, 20)];
        assert_eq!(join(given, &mut warnings), [Range::new(0, 20), Range::new(30, 40)]);
        assert!(warnings.is_empty());
        let given = vec![Range::new(0, 10), Range::new(2, 5), Range::new(9, 12)];
        assert_eq!(join(given, &mut warnings), [Range::new(0, 12)]);
        assert_eq!(warnings[0], "memory: 0x0..0xa and 0x2..0x5 overlap and are joined");
        assert_eq!(warnings.len(), 2);
    }
}
