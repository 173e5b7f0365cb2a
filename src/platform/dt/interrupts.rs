//! From a node's interrupt specifiers to interrupts of the GIC (devicetree specification v0.4,
//! section 2.4; Linux `Documentation/devicetree/bindings/interrupt-controller/arm,gic-v3.yaml`).

use alloc::vec::Vec;

use super::nexus::{Line, arrives_at, interrupt_parent, specifier_cells};
use crate::fdt::{Node, Properties};
use crate::interrupt::{Interrupt, Trigger};

/// A node's interrupts, in order; `None` for one that does not end at the GIC or is out of its
/// range. A list that cannot be followed ends early.
pub(super) fn interrupts(node: Node<'_>, gic: Node<'_>) -> Vec<Option<Interrupt>> {
    match node.property("interrupts-extended") {
        Some(list) => extended(node, list, gic),
        None => plain(node, gic),
    }
}

fn plain<'t>(node: Node<'t>, gic: Node<'t>) -> Vec<Option<Interrupt>> {
    let list = node.property("interrupts").unwrap_or_default();
    let Some(parent) = interrupt_parent(node) else { return Vec::new() };
    let Some(cells) = specifier_cells(parent) else { return Vec::new() };
    let specifiers = list.chunks_exact(cells * 4);
    specifiers.map(|specifier| at_gic(node, parent, specifier, gic)).collect()
}

/// Each entry names its own controller, and that one says how long the entry is.
fn extended<'t>(node: Node<'t>, mut list: &'t [u8], gic: Node<'t>) -> Vec<Option<Interrupt>> {
    let mut found = Vec::new();
    while let Some((phandle, rest)) = list.split_first_chunk::<4>() {
        let Some(controller) = node.tree().by_phandle(u32::from_be_bytes(*phandle)) else { break };
        let cells = specifier_cells(controller);
        let Some((specifier, rest)) = cells.and_then(|c| rest.split_at_checked(c * 4)) else {
            break;
        };
        found.push(at_gic(node, controller, specifier, gic));
        list = rest;
    }
    found
}

/// One interrupt of a node, which goes to `controller` first.
fn at_gic<'t>(
    node: Node<'t>,
    controller: Node<'t>,
    specifier: &'t [u8],
    gic: Node<'t>,
) -> Option<Interrupt> {
    let unit = node.property("reg").unwrap_or_default();
    interrupt(arrives_at(gic, Line { controller, unit, specifier })?)
}

/// The interrupt of a GIC specifier: kind, number, flags, and with four cells a set of CPUs.
fn interrupt(specifier: &[u8]) -> Option<Interrupt> {
    let word = |i: usize| specifier.get(i * 4..).and_then(|s| s.first_chunk::<4>());
    let kind = u32::from_be_bytes(*word(0)?);
    let number = u32::from_be_bytes(*word(1)?);
    let trigger = trigger(u32::from_be_bytes(*word(2)?));
    let (first, count) = match kind {
        0 => (32, 988),    // SPI
        1 => (16, 16),     // PPI
        2 => (4096, 1024), // extended SPI
        3 => (1056, 64),   // extended PPI
        _ => return None,
    };
    (number < count).then(|| Interrupt { intid: first + number, trigger })
}

/// The trigger of a specifier's flags. Bits 3 to 0: 1 is a rising edge, 2 a falling one, 4 a high
/// level, 8 a low one. A GIC knows edge and level only, so what is between the device and the GIC
/// has to turn falling and low round. Bits above say something else (8 to 15 are the CPUs of a
/// private interrupt of a GICv2). Where none of the four is set, or edge and level are, nothing has
/// been said that could be relied on: level, so that a line that is up is not overlooked.
fn trigger(flags: u32) -> Trigger {
    const EDGES: u32 = 1 | 2;
    const LEVELS: u32 = 4 | 8;
    let edge = flags & EDGES != 0 && flags & LEVELS == 0;
    if edge { Trigger::Edge } else { Trigger::Level }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specifier(cells: &[u32]) -> Vec<u8> {
        cells.iter().flat_map(|c| c.to_be_bytes()).collect()
    }

    #[test]
    fn each_kind_of_interrupt_has_its_own_numbers() {
        let of = |cells: &[u32]| interrupt(&specifier(cells)).map(|i| i.intid);
        assert_eq!(of(&[0, 1, 4]), Some(33));
        assert_eq!(of(&[1, 11, 4, 0]), Some(27));
        assert_eq!(of(&[2, 0, 4]), Some(4096));
        assert_eq!(of(&[3, 63, 4]), Some(1119));
    }

    #[test]
    fn numbers_out_of_range_and_short_specifiers_are_none() {
        let of = |cells: &[u32]| interrupt(&specifier(cells));
        assert_eq!(of(&[0, 988, 4]), None);
        assert_eq!(of(&[1, 16, 4]), None);
        assert_eq!(of(&[4, 0, 4]), None);
        assert_eq!(of(&[0, 1]), None);
    }

    #[test]
    fn flags_say_edge_or_level_and_the_rest_of_them_is_ignored() {
        let of = |flags| interrupt(&specifier(&[0, 16, flags])).unwrap().trigger;
        for edge in [1, 2, 3, 0xf01, 0xffff_fff2] {
            assert_eq!(of(edge), Trigger::Edge, "{edge:#x}");
        }
        for level in [0, 4, 8, 0xf04, 0xf08, 0xffff_fff0] {
            assert_eq!(of(level), Trigger::Level, "{level:#x}");
        }
        for both in [5, 9, 0xf, 0xffff_ffff] {
            assert_eq!(of(both), Trigger::Level, "both were said: {both:#x}");
        }
    }
}
