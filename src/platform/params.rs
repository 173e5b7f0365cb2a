//! What the boot loader or the kernel before this one says in `/chosen` (devicetree specification
//! v0.4, section 3.6).

use alloc::format;
use alloc::vec::Vec;

use super::dt::Memory;
use super::{BootParams, Warnings, warn};
use crate::config::{MAX_HANDOVER, PAGE};
use crate::fdt::edit::HANDOVER;
use crate::fdt::{Node, Properties, Tree};
use crate::memory::Range;
use crate::options::CommandLine;

/// The node's contents. What lies outside of the memory that may be used is left out with a warning.
pub(super) fn boot_params(tree: &Tree<'_>, memory: &Memory, warnings: &mut Warnings) -> BootParams {
    let Some(node) = tree.find("/chosen") else { return BootParams::default() };
    BootParams {
        bootargs: bootargs(tree),
        initrd: usable("initrd", initrd(node, warnings), memory, warnings),
        handover: usable(HANDOVER, handover(node, warnings), memory, warnings),
        rng_seed: node.property("rng-seed").filter(|s| !s.is_empty()).map(<[u8]>::to_vec),
    }
}

/// The command line, of all nodes that could be taken for `/chosen`: where a tree has several, it is
/// unknown which one was meant.
fn bootargs(tree: &Tree<'_>) -> CommandLine {
    let chosen = tree.root().children().filter(|node| node.has_base_name("chosen"));
    let properties = chosen.flat_map(|node| node.properties());
    let values = properties.filter(|(name, _)| *name == "bootargs").map(|(_, value)| value);
    CommandLine::of_tree(&values.collect::<Vec<_>>())
}

const INITRD: [&str; 2] = ["linux,initrd-start", "linux,initrd-end"];

fn initrd(node: Node<'_>, warnings: &mut Warnings) -> Option<Range> {
    let range = initrd_range(node);
    if range.is_none() && INITRD.iter().any(|name| node.has(name)) {
        warn(warnings, "/chosen", "initrd ignored: its start or end cannot be read");
    }
    range
}

/// Where the initrd is said to be.
pub(super) fn initrd_range<'t>(node: impl Properties<'t>) -> Option<Range> {
    let [start, end] = INITRD.map(|name| node.number(name));
    Some(Range::new(start?, end?))
}

fn handover(node: Node<'_>, warnings: &mut Warnings) -> Option<Range> {
    let range = handover_range(node);
    if range.is_none() && node.has(HANDOVER) {
        let why = "it is no page-aligned address and a size from a page to 4 MiB";
        warn(warnings, "/chosen", format!("{HANDOVER} ignored: {why}"));
    }
    range
}

/// Where an earlier kernel is said to have left a handover: address and size, two cells each. `None`
/// also for a range that no kernel gives: before it is known to be one, the heap is kept off it.
pub(super) fn handover_range<'t>(node: impl Properties<'t>) -> Option<Range> {
    let (start, size) = node.property(HANDOVER)?.split_first_chunk::<8>()?;
    let (start, size) = (u64::from_be_bytes(*start), u64::from_be_bytes(size.try_into().ok()?));
    let may_be = start.is_multiple_of(PAGE) && (PAGE..=MAX_HANDOVER).contains(&size);
    Range::sized(start, size).filter(|_| may_be)
}

/// Keeps a range only if all of the range is RAM that may be used.
fn usable(
    what: &str,
    range: Option<Range>,
    memory: &Memory,
    warnings: &mut Warnings,
) -> Option<Range> {
    let range = range?;
    match fault(&range, memory) {
        Some(why) => warn(warnings, "/chosen", format!("{what} at {range} ignored: {why}")),
        None => return Some(range),
    }
    None
}

/// Why a range can't be used; `None` if it can.
fn fault(range: &Range, Memory { ram, usable }: &Memory) -> Option<&'static str> {
    if range.start > range.end {
        Some("it ends below its start")
    } else if range.is_empty() {
        Some("it is empty")
    } else if usable.iter().any(|part| part.covers(range)) {
        None
    } else if ram.iter().any(|bank| bank.covers(range)) {
        Some("that RAM may not be used")
    } else if ram.iter().any(|bank| bank.overlaps(range)) {
        Some("a part of it is not in RAM")
    } else {
        Some("it is not in RAM")
    }
}
