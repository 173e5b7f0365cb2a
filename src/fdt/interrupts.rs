//! Where the interrupts of a node go first (devicetree specification v0.4, section 2.4.1). Where the
//! specification is silent the reading is that of Linux (`drivers/of/irq.c`).

use super::node::Node;
use super::properties::Properties;

/// Most steps to an interrupt parent: a tree is at most 64 deep.
const MAX_PARENTS: usize = 80;

/// Most cells of a specifier, and of a unit address of an interrupt.
pub const MAX_CELLS: u32 = 16;

/// Where the interrupts of the children of a bus go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inherited {
    /// The row of the bus.
    bus: usize,
    /// Row and cells of the controller or nexus.
    parent: Option<(usize, usize)>,
}

/// The node to which a node's `interrupts` go, and its [`specifier_cells`]: the first with
/// `#interrupt-cells` on the way by `interrupt-parent`, where that is there, and to the parent, where
/// not.
pub fn interrupt_parent(node: Node<'_>) -> Option<(Node<'_>, usize)> {
    let Some(bus) = node.parent().filter(|_| !node.has("interrupt-parent")) else {
        return search(node);
    };
    let tree = node.tree;
    let parent = match tree.inherited.get() {
        Some(inherited) if inherited.bus == bus.index => inherited.parent,
        _ => {
            let parent = search(node).map(|(parent, cells)| (parent.index, cells));
            tree.inherited.set(Some(Inherited { bus: bus.index, parent }));
            parent
        }
    };
    parent.map(|(index, cells)| (Node { tree, index }, cells))
}

fn search(node: Node<'_>) -> Option<(Node<'_>, usize)> {
    let mut at = node;
    for _ in 0..MAX_PARENTS {
        at = match at.u32("interrupt-parent") {
            Some(phandle) => at.tree().by_phandle(phandle)?,
            None => at.parent()?,
        };
        if at.has("#interrupt-cells") {
            return Some((at, specifier_cells(at)?));
        }
    }
    None
}

/// `#interrupt-cells` of a controller or nexus, if within 1 to [`MAX_CELLS`].
pub fn specifier_cells(controller: Node<'_>) -> Option<usize> {
    let cells = controller.u32("#interrupt-cells");
    cells.filter(|n| (1..=MAX_CELLS).contains(n)).map(|n| n as usize)
}
