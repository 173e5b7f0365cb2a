//! Whether a tree describes the machine, or only passes on where firmware's tables are.

use super::{Properties, Tree};

/// True for a node at the root that describes a part of the machine: with one such node a tree is the
/// machine's description, as Linux decides (`dt_scan_depth1_nodes` of arch/arm64/kernel/acpi.c).
pub fn describes<'t>(node: impl Properties<'t>, is_chosen: bool) -> bool {
    !is_chosen && !node.is_compatible(&[b"xen,xen"])
}

/// True if a tree has such a node.
pub fn describes_machine(tree: &Tree<'_>) -> bool {
    tree.root().children().any(|node| describes(node, node.has_base_name("chosen")))
}
