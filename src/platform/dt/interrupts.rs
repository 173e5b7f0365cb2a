//! From a node's interrupt specifiers to interrupts of the GIC (devicetree specification v0.4,
//! section 2.4; Linux `Documentation/devicetree/bindings/interrupt-controller/arm,gic-v3.yaml`).

use super::nexus::{Line, arrives_at};
use crate::fdt::{Node, Properties, interrupt_parent, specifier_cells};
use crate::interrupt::{Interrupt, Trigger};

/// A node's interrupts, in order; `None` for one that does not end at the GIC or is out of its
/// range. A list that cannot be followed ends early.
pub(super) fn interrupts<'t>(node: Node<'t>, gic: Node<'t>) -> Interrupts<'t> {
    match node.property("interrupts-extended") {
        Some(rest) => Interrupts { node, gic, rest, parent: None },
        None => plain(node, gic),
    }
}

fn plain<'t>(node: Node<'t>, gic: Node<'t>) -> Interrupts<'t> {
    let list = node.property("interrupts").unwrap_or_default();
    let parent = interrupt_parent(node);
    let rest = if parent.is_some() { list } else { &[] };
    Interrupts { node, gic, rest, parent }
}

/// What [`interrupts`] finds.
pub(super) struct Interrupts<'t> {
    node: Node<'t>,
    gic: Node<'t>,
    /// Of the list.
    rest: &'t [u8],
    /// The controller of all interrupts and the cells of a specifier. If there is none, each entry names
    /// a controller, and that controller says how long the entry is.
    parent: Option<(Node<'t>, usize)>,
}

impl<'t> Interrupts<'t> {
    fn entry(&mut self) -> Option<(Node<'t>, &'t [u8])> {
        let ((controller, cells), rest) = match self.parent {
            Some(parent) => (parent, self.rest),
            None => {
                let (phandle, rest) = self.rest.split_first_chunk::<4>()?;
                let controller = self.node.tree().by_phandle(u32::from_be_bytes(*phandle))?;
                ((controller, specifier_cells(controller)?), rest)
            }
        };
        let (specifier, rest) = rest.split_at_checked(cells * 4)?;
        self.rest = rest;
        Some((controller, specifier))
    }
}

impl Iterator for Interrupts<'_> {
    type Item = Option<Interrupt>;

    fn next(&mut self) -> Option<Option<Interrupt>> {
        let Some((controller, specifier)) = self.entry() else {
            self.rest = &[];
            return None;
        };
        Some(at_gic(self.node, controller, specifier, self.gic))
    }
}

/// One interrupt of a node, which goes to `controller` first.
fn at_gic<'t>(
    node: Node<'t>,
    controller: Node<'t>,
    specifier: &'t [u8],
    gic: Node<'t>,
) -> Option<Interrupt> {
    if controller == gic {
        return interrupt(specifier);
    }
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
    use alloc::vec::Vec;

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
