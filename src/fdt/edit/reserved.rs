//! Reservations of the next kernel's tree.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use dtoolkit::memreserve::MemoryReservation;
use dtoolkit::model::DeviceTreeNode;
use dtoolkit::{Node as _, Property as _};

use super::{Changes, EditError, child_or_new, not_empty, number, set};
use crate::config::PAGE;
use crate::memory::Range;

/// What the names of our nodes below `/reserved-memory` start with.
const OURS: &str = "baton-";

/// What the names of reservations start with in which CPUs are parked.
pub const QUARANTINE: &str = "baton-quarantine";

/// True if a memory reservation is there for `gone` and nothing else: the reservation lies in the
/// pages of `gone`.
pub(super) fn is_for(reservation: &MemoryReservation, gone: &Range) -> bool {
    let range = Range::sized(reservation.address(), reservation.size());
    match (range, gone.grow_to(PAGE)) {
        (Some(range), Some(pages)) => range.overlaps(gone) && pages.covers(&range),
        _ => false,
    }
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
