//! From a node to the interrupt controller that its interrupts end at: up the interrupt tree, and
//! through nexus nodes, whose `interrupt-map` turns the interrupts of a bus into those of a parent
//! (devicetree specification v0.4, sections 2.4.1 and 2.4.3). Where the specification is silent the
//! reading is that of Linux (`drivers/of/irq.c`).

use crate::fdt::{MAX_CELLS, Node, Properties, specifier_cells};

/// Most steps on the way to a controller. Nodes can name each other in a circle.
const MAX_STEPS: usize = 16;

/// An interrupt as it leaves a node: where it goes, the node's unit address, and the specifier.
#[derive(Clone, Copy)]
pub(super) struct Line<'t> {
    pub controller: Node<'t>,
    pub unit: &'t [u8],
    pub specifier: &'t [u8],
}

/// The specifier with which an interrupt arrives at `root`; `None` if it goes somewhere else.
pub(super) fn arrives_at<'t>(root: Node<'t>, line: Line<'t>) -> Option<&'t [u8]> {
    let mut line = line;
    for _ in 0..MAX_STEPS {
        if line.controller == root {
            return Some(line.specifier);
        }
        line = through(line)?;
    }
    None
}

/// The line behind a nexus; `None` at another controller, which has a driver of its own or none, and
/// where the map has no such line.
fn through(line: Line<'_>) -> Option<Line<'_>> {
    let nexus = line.controller;
    let units = nexus_unit_cells(nexus)? * 4;
    let specifiers = specifier_cells(nexus)? * 4;
    let (ours_unit, ours_specifier) = (line.unit, line.specifier.get(..specifiers)?);
    let mask = match nexus.property("interrupt-map-mask") {
        Some(mask) if mask.len() == units + specifiers => Some(mask),
        Some(_) => return None,
        None => None,
    };
    let mut rest = nexus.property("interrupt-map")?;
    while !rest.is_empty() {
        let (unit, after) = rest.split_at_checked(units)?;
        let (specifier, after) = after.split_at_checked(specifiers)?;
        let (parent, after) = parent(nexus, after)?;
        let agrees = agree(ours_unit, unit, mask.map(|m| &m[..units]))
            && agree(ours_specifier, specifier, mask.map(|m| &m[units..]));
        if agrees && parent.controller.is_available() {
            return Some(parent);
        }
        rest = after;
    }
    None
}

/// The parent's half of an entry, and what follows. How long it is, the parent says; one that does
/// not count its addresses has none.
fn parent<'t>(nexus: Node<'t>, entry: &'t [u8]) -> Option<(Line<'t>, &'t [u8])> {
    let (phandle, rest) = entry.split_first_chunk::<4>()?;
    let controller = nexus.tree().by_phandle(u32::from_be_bytes(*phandle))?;
    let units = if controller.has("#address-cells") { unit_cells(controller)? } else { 0 };
    let (unit, rest) = rest.split_at_checked(units * 4)?;
    let (specifier, rest) = rest.split_at_checked(specifier_cells(controller)? * 4)?;
    Some((Line { controller, unit, specifier }, rest))
}

fn unit_cells(node: Node<'_>) -> Option<usize> {
    node.u32("#address-cells").filter(|&n| n <= MAX_CELLS).map(|n| n as usize)
}

/// Cells of a unit address below a nexus: as the nexus says, or else the nearest node above; two if
/// none does.
fn nexus_unit_cells(nexus: Node<'_>) -> Option<usize> {
    match nexus.upwards().find(|node| node.has("#address-cells")) {
        Some(node) => unit_cells(node),
        None => Some(2),
    }
}

/// True if `ours` is what an entry of the map is for, where the mask looks. What is missing of
/// `ours`, the unit address of a node without `reg`, agrees only where the mask does not look.
fn agree(ours: &[u8], entry: &[u8], mask: Option<&[u8]>) -> bool {
    let mask = |at: usize| mask.map_or(0xff, |mask| mask[at]);
    entry.iter().enumerate().all(|(at, theirs)| match ours.get(at) {
        Some(byte) => (byte ^ theirs) & mask(at) == 0,
        None => mask(at) == 0,
    })
}
