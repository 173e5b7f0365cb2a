//! What the boot loader or the kernel before this one says in `/chosen` (devicetree specification
//! v0.4, section 3.6).

use alloc::format;
use alloc::string::{String, ToString};

use super::dt::Memory;
use super::{BootParams, Warnings, warn};
use crate::config::MAX_BOOTARGS;
use crate::fdt::edit::HANDOVER;
use crate::fdt::{Node, Properties, Tree};
use crate::memory::Range;

/// The node's contents. What lies outside of the memory that may be used is left out with a warning.
pub(super) fn boot_params(tree: &Tree<'_>, memory: &Memory, warnings: &mut Warnings) -> BootParams {
    let Some(node) = tree.find("/chosen") else { return BootParams::default() };
    BootParams {
        bootargs: bootargs(node, warnings),
        initrd: usable("initrd", initrd(node, warnings), memory, warnings),
        handover: usable(HANDOVER, handover(node, warnings), memory, warnings),
        rng_seed: node.property("rng-seed").filter(|s| !s.is_empty()).map(<[u8]>::to_vec),
    }
}

fn bootargs(node: Node<'_>, warnings: &mut Warnings) -> String {
    if !node.has("bootargs") {
        return String::new();
    }
    let Some(text) = node.string("bootargs") else {
        warn(warnings, "/chosen", "bootargs are not UTF-8 and are ignored");
        return String::new();
    };
    if text.len() > MAX_BOOTARGS {
        warn(warnings, "/chosen", format!("bootargs are cut at {MAX_BOOTARGS} bytes"));
    }
    let end = (0..=text.len().min(MAX_BOOTARGS)).rev().find(|&at| text.is_char_boundary(at));
    text[..end.unwrap_or(0)].to_string()
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
        warn(warnings, "/chosen", format!("{HANDOVER} ignored: it is no address and size"));
    }
    range
}

/// Where an earlier kernel is said to have left a handover: address and size, two cells each.
pub(super) fn handover_range<'t>(node: impl Properties<'t>) -> Option<Range> {
    let (start, size) = node.property(HANDOVER)?.split_first_chunk::<8>()?;
    Range::sized(u64::from_be_bytes(*start), u64::from_be_bytes(size.try_into().ok()?))
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
