//! What the boot loader or the kernel before this one says in `/chosen` (devicetree specification
//! v0.4, section 3.6).

use alloc::format;
use alloc::string::{String, ToString};

use super::{BootParams, Warnings, warn};
use crate::config::MAX_BOOTARGS;
use crate::fdt::edit::HANDOVER;
use crate::fdt::{Node, Tree};
use crate::memory::Range;

/// The node's contents. What lies outside of `memory` is left out with a warning.
pub(super) fn boot_params(
    tree: &Tree<'_>,
    memory: &[Range],
    warnings: &mut Warnings,
) -> BootParams {
    let Some(node) = tree.find("/chosen") else { return BootParams::default() };
    BootParams {
        bootargs: bootargs(node, warnings),
        initrd: in_ram("initrd", initrd(node, warnings), memory, warnings),
        handover: in_ram(HANDOVER, handover(node, warnings), memory, warnings),
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

fn initrd(node: Node<'_>, warnings: &mut Warnings) -> Option<Range> {
    let (start, end) = ("linux,initrd-start", "linux,initrd-end");
    if !node.has(start) && !node.has(end) {
        return None;
    }
    let range = node.number(start).zip(node.number(end)).map(|(s, e)| Range::new(s, e));
    if range.is_none() {
        warn(warnings, "/chosen", "initrd ignored: its start or end cannot be read");
    }
    range
}

fn handover(node: Node<'_>, warnings: &mut Warnings) -> Option<Range> {
    let value = node.property(HANDOVER)?;
    let range = value.split_first_chunk::<8>().and_then(|(start, size)| {
        let size = u64::from_be_bytes(size.try_into().ok()?);
        Range::sized(u64::from_be_bytes(*start), size)
    });
    if range.is_none() {
        warn(warnings, "/chosen", format!("{HANDOVER} ignored: it is no address and size"));
    }
    range
}

/// Keeps a range only if all of the range is RAM.
fn in_ram(
    what: &str,
    range: Option<Range>,
    memory: &[Range],
    warnings: &mut Warnings,
) -> Option<Range> {
    let range = range?;
    if range.is_empty() || !memory.iter().any(|ram| ram.covers(&range)) {
        warn(warnings, "/chosen", format!("{what} at {range} ignored: it is not in RAM"));
        return None;
    }
    Some(range)
}
