//! The tree as nodes that can be changed, with nothing lost.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

use dtoolkit::Node as _;
use dtoolkit::memreserve::MemoryReservation;
use dtoolkit::model::{DeviceTree, DeviceTreeNode};

use super::set;
use crate::fdt::{Node, Tree};

/// A copy of `tree`. Names have to be unique in the copy, but not in `tree`: of properties with the
/// same name the first is kept, which readers find too, and nodes with the same name are numbered,
/// as Linux does for its own view of the tree.
pub(super) fn model(tree: &Tree<'_>) -> DeviceTree {
    let mut model = DeviceTree::new();
    model.root = node(tree.root(), "");
    let reservations = tree.reservations();
    model.memory_reservations =
        reservations.map(|(at, size)| MemoryReservation::new(at, size)).collect();
    model
}

fn node(from: Node<'_>, name: &str) -> DeviceTreeNode {
    let mut made = DeviceTreeNode::new_unchecked(name);
    for (name, value) in from.properties() {
        if made.property(name).is_none() {
            set(&mut made, name, value.to_vec());
        }
    }
    let mut twins = BTreeMap::new();
    for child in from.children() {
        let name = unused(&mut made, child.name(), &mut twins);
        made.add_child(node(child, &name));
    }
    made
}

/// `name`, with a number if a child of that name exists. `twins` are the numbers that were given.
fn unused(parent: &mut DeviceTreeNode, name: String, twins: &mut BTreeMap<String, u32>) -> String {
    let mut free = name.clone();
    while parent.child_mut(&free).is_some() {
        let number = twins.entry(name.clone()).or_default();
        *number += 1;
        free = format!("{name}#{number}");
    }
    free
}
