//! Reservations of the next kernel's tree.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use dtoolkit::memreserve::MemoryReservation;
use dtoolkit::model::{DeviceTree, DeviceTreeNode};
use dtoolkit::{Node as _, Property as _};

use super::{Changes, EditError, child_or_new, not_empty, number, set};
use crate::config::PAGE;
use crate::memory::{Range, join};

/// What the names of our nodes below `/reserved-memory` start with.
const OURS: &str = "baton-";

/// What the names of reservations start with in which CPUs are parked.
pub const QUARANTINE: &str = "baton-quarantine";

/// What was handed to the kernel that runs and goes with that kernel: its initrd and its tree, in whole
/// pages, sorted.
pub(super) struct Gone(Vec<Range>);

impl Gone {
    pub(super) fn new(ranges: impl IntoIterator<Item = Range>) -> Self {
        let ranges = ranges.into_iter().filter(|range| !range.is_empty());
        Self(join(ranges.filter_map(|range| range.grow_to(PAGE)).collect()))
    }

    /// True if a reservation is there for these and nothing else: all of the reservation lies in
    /// their pages.
    fn has(&self, reserved: Range) -> bool {
        !reserved.is_empty() && self.0.iter().any(|gone| gone.covers(&reserved))
    }

    /// Drops what was reserved for these alone: entries of the memory reservation block, and nodes
    /// that say no more than where. A reservation that covers more, or that has another meaning,
    /// stays.
    pub(super) fn drop_from(&self, tree: &mut DeviceTree) {
        let for_these = |r: &MemoryReservation| {
            Range::sized(r.address(), r.size()).is_some_and(|range| self.has(range))
        };
        tree.memory_reservations.retain(|r| !for_these(r));
        let Some(parent) = tree.root.child("reserved-memory") else { return };
        let nodes = parent.children().filter(|node| self.is_for(node, parent));
        let nodes: Vec<String> = nodes.map(|node| node.name().into()).collect();
        let parent = child_or_new(&mut tree.root, "reserved-memory");
        for name in &nodes {
            parent.remove_child(name);
        }
    }

    /// True if a node has `reg` and nothing else, and all of it lies in these.
    fn is_for(&self, node: &DeviceTreeNode, parent: &DeviceTreeNode) -> bool {
        let bare = node.children().next().is_none() && node.properties().all(|p| p.name() == "reg");
        let ranges = node.property("reg").and_then(|reg| windows(reg.value(), parent));
        bare && ranges.is_some_and(|all| !all.is_empty() && all.iter().all(|&r| self.has(r)))
    }
}

/// The ranges of a `reg` below `parent`; `None` if the form is another one than usual.
fn windows(reg: &[u8], parent: &DeviceTreeNode) -> Option<Vec<Range>> {
    let cells = |name, missing| match parent.property(name) {
        Some(p) => number(p.value()).filter(|n| matches!(n, 1 | 2)).map(|n| n as usize * 4),
        None => Some(missing),
    };
    let (address, size) = (cells("#address-cells", 8)?, cells("#size-cells", 4)?);
    let mut windows = Vec::new();
    for entry in reg.chunks(address + size) {
        let (start, size) = entry.split_at_checked(address)?;
        windows.push(Range::sized(number(start)?, number(size)?)?);
    }
    Some(windows)
}

/// Replaces our nodes below `/reserved-memory` by those for the next jump.
pub(super) fn renew(root: &mut DeviceTreeNode, changes: &Changes<'_>) -> Result<(), EditError> {
    let handover = changes.handover.iter().map(|r| ("a handover", "handover", r));
    // In order, so that of two that start at one place, and so have one name, the longer stays.
    let mut quarantine = changes.quarantine.to_vec();
    quarantine.sort_unstable();
    let quarantine = quarantine.iter().map(|r| ("a quarantine", "quarantine", r));
    let nothing = changes.handover.is_none() && changes.quarantine.is_empty();
    if nothing && root.child("reserved-memory").is_none() {
        return Ok(());
    }
    let parent = reserved_memory(root);
    let ours: Vec<String> = parent
        .children()
        .map(|c| c.name().into())
        .filter(|n: &String| n.starts_with(OURS))
        .collect();
    for name in &ours {
        parent.remove_child(name);
    }
    for (what, kind, range) in handover.chain(quarantine) {
        not_empty(what, range)?;
        let reg = reserved_reg(parent, what, range)?;
        let mut node = DeviceTreeNode::new_unchecked(format!("{OURS}{kind}@{:x}", range.start));
        set(&mut node, "reg", reg);
        parent.add_child(node);
    }
    Ok(())
}

/// Reserves by the memory reservation block, for a tree that may have no other node: what Linux reads
/// with firmware's tables, too. What earlier kernels have reserved stays, but for the handover that the
/// running kernel got: in the block nothing says what an entry is for, and parked CPUs and tables of
/// LPIs keep their memory for good.
pub(super) fn renew_entries(tree: &mut DeviceTree, changes: &Changes<'_>) -> Result<(), EditError> {
    let range = |r: &MemoryReservation| Range::saturating(r.address(), r.size());
    let old = super::chosen::old_handover(tree);
    tree.memory_reservations.retain(|entry| Some(range(entry)) != old);
    let handover = changes.handover.iter().map(|range| ("a handover", range));
    let quarantine = changes.quarantine.iter().map(|range| ("a quarantine", range));
    for (what, wanted) in handover.chain(quarantine) {
        not_empty(what, wanted)?;
        let mut reserved = tree.memory_reservations.iter().map(range);
        if !reserved.any(|reserved| reserved.covers(wanted)) {
            tree.memory_reservations.push(MemoryReservation::new(wanted.start, wanted.size()));
        }
    }
    Ok(())
}

/// `/reserved-memory`, made if there is none.
fn reserved_memory(root: &mut DeviceTreeNode) -> &mut DeviceTreeNode {
    let is_new = root.child("reserved-memory").is_none();
    let node = child_or_new(root, "reserved-memory");
    if is_new {
        set(node, "#address-cells", 2u32);
        set(node, "#size-cells", 2u32);
        set(node, "ranges", Vec::<u8>::new());
    }
    node
}

fn reserved_reg(
    parent: &DeviceTreeNode,
    what: &'static str,
    range: &Range,
) -> Result<Vec<u8>, EditError> {
    let mut reg = Vec::new();
    let fields = [("#address-cells", 2, range.start), ("#size-cells", 1, range.size())];
    for (name, missing, value) in fields {
        let cells = parent.property(name).map_or(Some(missing), |p| number(p.value()));
        match (cells, u32::try_from(value)) {
            (Some(1), Ok(value)) => reg.extend_from_slice(&value.to_be_bytes()),
            (Some(2), _) => reg.extend_from_slice(&value.to_be_bytes()),
            (Some(1), Err(_)) => return Err(EditError::Range { what, range: *range }),
            _ => return Err(EditError::Cells),
        }
    }
    Ok(reg)
}
