//! `reg` and `ranges`: from what a node writes to physical addresses (devicetree specification
//! v0.4, sections 2.3.5 to 2.3.8).

use alloc::string::String;
use core::fmt;

use super::properties::Properties;
use super::words::be;
use crate::config::PHYSICAL_END;
use crate::memory::Range;

/// First address that no page table of 48-bit addresses can map.
pub const ADDRESS_END: u64 = 1 << 48;

/// An address and a size as written in a tree, in the address space of one bus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// First address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
}

/// Why an address cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AddressError {
    /// There is no `reg`, or not as many entries as were asked for.
    NoReg,
    /// A bus counts its cells in a way that fits no 64-bit address.
    Cells {
        /// The bus.
        bus: String,
        /// `#address-cells` or `#size-cells`.
        name: &'static str,
    },
    /// The length of `reg` or `ranges` is no whole number of entries.
    Length {
        /// Which of the two.
        name: &'static str,
        /// Bytes of the property.
        bytes: usize,
        /// Bytes of one entry.
        entry: usize,
    },
    /// The range ends past [`PHYSICAL_END`].
    TooHigh(Window),
    /// A bus on the way up does not map the range.
    NotMapped {
        /// The bus.
        bus: String,
        /// The range in its address space.
        window: Window,
    },
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x} bytes at {:#x}", self.size, self.address)
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoReg => f.write_str("reg is missing or has too few entries"),
            Self::Cells { bus, name } => write!(f, "{name} of {bus} is not 1 or 2"),
            Self::Length { name, bytes, entry } => {
                write!(f, "{name} has {bytes} bytes, but its entries have {entry}")
            }
            Self::TooHigh(window) => {
                write!(
                    f,
                    "{window} end past {PHYSICAL_END:#x}, where the kernel's map of memory ends"
                )
            }
            Self::NotMapped { bus, window } => write!(f, "{bus} does not map {window}"),
        }
    }
}

/// How many cells addresses and sizes below a bus have; one or two for an address, also none for
/// a size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CellCounts {
    /// `#address-cells`, 2 if missing.
    pub address: usize,
    /// `#size-cells`, 1 if missing.
    pub size: usize,
}

impl CellCounts {
    /// Reads the counts for the children of `bus`.
    ///
    /// # Errors
    /// [`AddressError::Cells`] if a count is not one that is supported.
    pub fn of<'t>(bus: impl Properties<'t>) -> Result<Self, AddressError> {
        let count = |name, missing, least| {
            let Some(cells) = bus.property(name) else { return Ok(missing) };
            let cells = cells.try_into().ok().map(u32::from_be_bytes);
            let count = cells.filter(|n| (least..=2).contains(n));
            count.map(|n| n as usize).ok_or_else(|| AddressError::Cells { bus: bus.path(), name })
        };
        Ok(Self { address: count("#address-cells", 2, 1)?, size: count("#size-cells", 1, 0)? })
    }
}

/// The number in a few cells: the first `count` words, 0 for none.
fn cells(words: &[u8], count: usize) -> u64 {
    let (cells, _) = words.as_chunks::<4>();
    cells.iter().take(count).fold(0, |value, cell| value << 32 | u64::from(be(cell)))
}

fn entries<'t>(
    name: &'static str,
    value: &'t [u8],
    words: usize,
) -> Result<core::slice::ChunksExact<'t, u8>, AddressError> {
    let entry = words * 4;
    if entry == 0 || !value.len().is_multiple_of(entry) {
        return Err(AddressError::Length { name, bytes: value.len(), entry });
    }
    Ok(value.chunks_exact(entry))
}

/// The entries of a node's `reg`, in the address space of the node's bus.
///
/// # Errors
/// [`AddressError`] if there is no `reg` or its form is wrong.
pub fn reg<'t, N: Properties<'t>>(
    node: N,
) -> Result<impl Iterator<Item = Window> + use<'t, N>, AddressError> {
    like_reg(node, "reg")
}

/// The same for another property of that form.
fn like_reg<'t, N: Properties<'t>>(
    node: N,
    name: &'static str,
) -> Result<impl Iterator<Item = Window> + use<'t, N>, AddressError> {
    let value = node.property(name).ok_or(AddressError::NoReg)?;
    let bus = node.parent().unwrap_or(node);
    let counts = bus.cells()?;
    let window = move |entry: &[u8]| Window {
        address: cells(entry, counts.address),
        size: cells(&entry[counts.address * 4..], counts.size),
    };
    Ok(entries(name, value, counts.address + counts.size)?.map(window))
}

/// The entries of a node's `reg` as physical addresses. An entry that has none is an error in its
/// place, so that the others can still be used.
///
/// # Errors
/// [`AddressError`] if there is no `reg` or its form is wrong.
pub fn regions<'t, N: Properties<'t>>(
    node: N,
) -> Result<impl Iterator<Item = Result<Range, AddressError>> + use<'t, N>, AddressError> {
    regions_in(node, "reg")
}

/// The entries of a property that has the form of `reg`, as physical addresses.
///
/// # Errors
/// [`AddressError`] if there is no such property or its form is wrong.
pub fn regions_in<'t, N: Properties<'t>>(
    node: N,
    name: &'static str,
) -> Result<impl Iterator<Item = Result<Range, AddressError>> + use<'t, N>, AddressError> {
    Ok(like_reg(node, name)?.map(move |window| physical(node, window)))
}

/// Entry `index` of a node's `reg` as physical addresses.
///
/// # Errors
/// [`AddressError`] if `reg` lacks that entry, has the wrong form, or is not mapped to the CPU's
/// addresses.
pub fn region<'t>(node: impl Properties<'t>, index: usize) -> Result<Range, AddressError> {
    let window = reg(node)?.nth(index).ok_or(AddressError::NoReg)?;
    physical(node, window)
}

fn physical<'t>(node: impl Properties<'t>, window: Window) -> Result<Range, AddressError> {
    let buses = node.upwards().skip(1);
    let window = buses.into_iter().try_fold(window, |window, bus| through(bus, window))?;
    match Range::sized(window.address, window.size) {
        Some(range) if range.end <= PHYSICAL_END => Ok(range),
        _ => Err(AddressError::TooHigh(window)),
    }
}

/// From the address space of `bus` to that of its parent bus.
fn through<'t>(bus: impl Properties<'t>, window: Window) -> Result<Window, AddressError> {
    let Some(outer) = bus.parent() else { return Ok(window) };
    let not_mapped = || AddressError::NotMapped { bus: bus.path(), window };
    let ranges = bus.property("ranges").ok_or_else(not_mapped)?;
    if ranges.is_empty() {
        return Ok(window);
    }
    let (inner, outer) = (bus.cells()?, outer.cells()?);
    let words = inner.address + outer.address + inner.size;
    let mut found = entries("ranges", ranges, words)?.filter_map(|entry| {
        let (child, rest) = entry.split_at(inner.address * 4);
        let (parent, size) = rest.split_at(outer.address * 4);
        let (child, parent) = (cells(child, inner.address), cells(parent, outer.address));
        moved(window, child, parent, cells(size, inner.size))
    });
    found.next().ok_or_else(not_mapped)
}

/// `window` moved from `child..child + size` to `parent`, if the window lies in that range.
fn moved(window: Window, child: u64, parent: u64, size: u64) -> Option<Window> {
    let offset = window.address.checked_sub(child)?;
    let fits = offset.checked_add(window.size)? <= size;
    let address = parent.checked_add(offset)?;
    fits.then_some(Window { address, size: window.size })
}
