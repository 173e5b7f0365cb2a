//! Memory that may not be used: `/reserved-memory` and the memory reservation block (devicetree
//! specification v0.4, sections 3.5 and 5.3).
//!
//! A reservation is never dropped for being odd: what cannot be read is an error, and what runs
//! past the address space is cut there.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::{PlatformError, Reserved, Warnings, warn};
use crate::fdt::{ADDRESS_END, AddressError, CellCounts, Node, Properties, Tree, Window, reg};
use crate::memory::Range;

const MEMRESERVE: &str = "/memreserve/";

/// The node whose children name memory.
pub const RESERVED_MEMORY: &str = "reserved-memory";

pub(in crate::platform) fn reserved(
    tree: &Tree<'_>,
    warnings: &mut Warnings,
) -> Result<Vec<Reserved>, PlatformError> {
    let mut all = Vec::new();
    for (address, size) in tree.reservations() {
        let range = cut(MEMRESERVE, Window { address, size }, warnings);
        add(&mut all, range, MEMRESERVE.into(), false);
    }
    let parent = tree.root().child(RESERVED_MEMORY);
    if let Some(Err(why)) = parent.map(CellCounts::of) {
        let so =
            "nothing can be reserved there for a next kernel, so a kexec is going to be refused";
        warn(warnings, RESERVED_MEMORY, format!("{why}; {so}"));
    }
    let nodes = parent.into_iter().flat_map(Node::children);
    for node in nodes.filter(|n| reserves(*n)) {
        let windows =
            windows(node).map_err(|why| PlatformError::Reserved { node: node.path(), why })?;
        for window in windows {
            let range = cut(&node.path(), window, warnings);
            add(&mut all, range, node.name(), node.has("no-map"));
        }
    }
    Ok(all)
}

/// True if this child of [`RESERVED_MEMORY`] names memory. A node without reg asks for memory
/// anywhere: nothing is there yet that must be kept.
pub(super) fn reserves<'t>(node: impl Properties<'t>) -> bool {
    node.has("reg") && node.is_available()
}

/// The node's ranges. Without cells for sizes all ranges would be empty, and nothing reserved.
pub fn windows<'t, N: Properties<'t>>(
    node: N,
) -> Result<impl Iterator<Item = Window> + use<'t, N>, AddressError> {
    let windows = reg(node)?;
    match node.parent() {
        Some(bus) if CellCounts::of(bus)?.size == 0 => {
            Err(AddressError::Cells { bus: bus.path(), name: "#size-cells" })
        }
        _ => Ok(windows),
    }
}

fn add(all: &mut Vec<Reserved>, range: Range, name: String, no_map: bool) {
    if !range.is_empty() {
        all.push(Reserved { range, name, no_map });
    }
}

/// The range of a window, as far as inside the address space.
fn cut(name: &str, window: Window, warnings: &mut Warnings) -> Range {
    let end = window.address.saturating_add(window.size);
    if end > ADDRESS_END {
        warn(warnings, name, format!("{window} are cut at {ADDRESS_END:#x}"));
    }
    Range::new(window.address, end.min(ADDRESS_END))
}
