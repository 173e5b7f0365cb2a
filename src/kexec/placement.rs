//! Where the next kernel, its initrd and its device tree go, so that each can be written to its
//! place at once and the jump copies nothing (`Documentation/arch/arm64/booting.rst`, sections 2
//! and 4).
//!
//! The kernel goes as low as everything else allows: a kernel that cannot use memory below itself
//! loses least there, and for all others a low place keeps free memory in one piece. The device
//! tree goes high within 512 MiB of the kernel where it can, which kernels before Linux 4.2 need;
//! that of a flat binary lies above its kernel always.
//!
//! The search is exhaustive where that matters. Kernel bases are tried from below, 2 MiB at a time;
//! for each base the ends of every free range are tried for the initrd, and for each of these the
//! highest place for the tree. The first layout that fits is taken. Nothing is claimed here: the
//! map is only read, and a refused load has changed nothing.
//!
//! A placement keeps these rules of the boot protocol:
//!
//! - the kernel lies `text_offset` above a multiple of 2 MiB, and all of `image_size` is free, now
//!   or once the running kernel has ended;
//! - kernel and initrd lie in one window of 32 GiB that begins at a multiple of 1 GiB;
//! - the tree crosses no multiple of 2 MiB, and has at most 2 MiB.

mod error;
mod relocate;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::fmt;

pub use error::PlaceError;

use super::image::{ADDRESSABLE, Header};
use crate::{
    config::{COPIER_BYTES, IMAGE_ALIGN, MAX_DTB, PAGE},
    machine::Relocation,
    memory::{Map, MapError, Owner, Range},
};
use relocate::{place_at, yields};

/// No device tree crosses a multiple of this.
const DTB_BLOCK: u64 = 2 << 20;
/// How far from the kernel's base old kernels look for their device tree.
const DTB_NEAR: u64 = 512 << 20;
/// Kernel and initrd lie within this many bytes of a multiple of [`WINDOW_ALIGN`].
const WINDOW: u64 = 32 << 30;
const WINDOW_ALIGN: u64 = 1 << 30;

/// What has to be placed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LoadPart {
    /// The kernel, with all of its `image_size`.
    Kernel,
    /// The initrd.
    Initrd,
    /// The device tree.
    Dtb,
    /// A copy of the device tree, where flat binaries may look for it.
    DtbCopy,
    /// The code that copies the kernel in the jump, with its page tables.
    Copier,
}

impl LoadPart {
    /// The name that the console prints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Initrd => "initrd",
            Self::Dtb => "dtb",
            Self::DtbCopy => "dtb copy",
            Self::Copier => "copier",
        }
    }

    /// True for the device tree and its copy, which have the same contents.
    pub const fn is_tree(self) -> bool {
        matches!(self, Self::Dtb | Self::DtbCopy)
    }
}

impl fmt::Display for LoadPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The initrd that the next kernel gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Initrd {
    /// None.
    None,
    /// The running kernel's initrd, which stays in place.
    Keep(Range),
    /// A new one of this many bytes.
    Place(u64),
}

/// What to place, and where the caller wants each part.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The kernel's demands.
    pub header: &'a Header,
    /// Its initrd.
    pub initrd: Initrd,
    /// Bytes to keep for its device tree.
    pub dtb: u64,
    /// True if the device tree must lie above the kernel: flat binaries were written for loaders
    /// that put it there.
    pub dtb_above: bool,
    /// Where a copy of the device tree should be, if that is free.
    pub dtb_copy_at: Option<u64>,
    /// The 2 MiB-aligned base that the kernel must have, `text_offset` below its first byte; `None`
    /// to choose. If that place is in use by memory whose owner ends with the running kernel, the
    /// next kernel is copied there in the jump.
    pub at: Option<u64>,
}

/// A place for each part, in whole pages. Nothing overlaps, and all but a kept initrd is free, and
/// the kernel's place if there is a copy to be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placement {
    /// The kernel with all of its `image_size`; entered at its start.
    pub kernel: Range,
    /// The initrd.
    pub initrd: Option<Range>,
    /// The device tree.
    pub dtb: Range,
    /// The copy of the device tree, if one was asked for and its place is free.
    pub dtb_copy: Option<Range>,
    /// Set if the kernel's place is in use until the jump: where the kernel waits, and where the
    /// copier will move it.
    pub copy: Option<Relocation>,
}

/// Finds a place for every part; if a layout exists, the search finds one. One exception: if the
/// kernel must be copied in the jump, staging room and copier are placed last, and may be refused
/// although another order would have had room.
///
/// # Errors
/// [`PlaceError`] names the part that has no place and why.
pub fn place(map: &Map, ask: &Ask<'_>) -> Result<Placement, PlaceError> {
    check_sizes(map, ask)?;
    let kernel = ask.at.map(|base| kernel_at(map, base, ask)).transpose()?;
    let parts = |free: &[Range]| match kernel {
        Some(kernel) => place_at(map, free, kernel, ask),
        None => place_lowest(map, free, ask),
    };
    let free: Vec<Range> = map.free_ranges().collect();
    // The copy of the tree keeps its place if all else can do without.
    if let Some(copy) = copy_range(&free, kernel, ask)
        && let Ok(placed) = parts(&without(&free, copy))
    {
        return Ok(Placement { dtb_copy: Some(copy), ..placed });
    }
    parts(&free).map_err(|what| no_room(map, ask, what))
}

/// The place for the copy of the device tree, if the place is free, in one block, and not the
/// kernel's.
fn copy_range(free: &[Range], kernel: Option<Range>, ask: &Ask<'_>) -> Option<Range> {
    let copy = Range::sized(ask.dtb_copy_at?, pages(ask.dtb))?;
    let block = |at| at & !(DTB_BLOCK - 1);
    let good = block(copy.start) == block(copy.end - 1)
        && free.iter().any(|range| range.covers(&copy))
        && kernel.is_none_or(|kernel| !kernel.overlaps(&copy));
    good.then_some(copy)
}

fn check_sizes(map: &Map, ask: &Ask<'_>) -> Result<(), PlaceError> {
    if ask.dtb == 0 || ask.dtb > MAX_DTB as u64 {
        return Err(PlaceError::DtbSize { size: ask.dtb });
    }
    match ask.initrd {
        Initrd::None => Ok(()),
        Initrd::Place(0) => Err(PlaceError::NoInitrd),
        // Also cuts a search short that is bound to fail: no free range has room, so every base
        // would be tried in vain.
        Initrd::Place(size) if size > WINDOW.min(map.largest_free()) => {
            Err(no_room(map, ask, LoadPart::Initrd))
        }
        Initrd::Place(_) => Ok(()),
        Initrd::Keep(range) if range.is_empty() => Err(PlaceError::NoInitrd),
        Initrd::Keep(range) => map
            .require(range, Owner::Initrd)
            .map_err(|error| PlaceError::Taken { what: LoadPart::Initrd, error }),
    }
}

/// Tries every 2 MiB from below. An error names the part that found no place in the attempt that
/// got furthest.
fn place_lowest(map: &Map, free: &[Range], ask: &Ask<'_>) -> Result<Placement, LoadPart> {
    let bases = free.iter().flat_map(|range| bases(*range, ask.header));
    // The base itself has to lie in RAM too, even if in use by another owner.
    let in_ram = bases.filter(|base| map.owner_of(*base).is_some());
    let mut missing = LoadPart::Kernel;
    for kernel in in_ram.filter_map(|base| kernel_range(base, ask.header)) {
        match place_rest(free, kernel, ask) {
            Ok(layout) => return Ok(layout),
            Err(what) => missing = missing.max(what),
        }
    }
    Err(missing)
}

/// The kernel's range at the base that the caller asked for. The range is free, or in use by owners
/// that end with the running kernel: then the copier moves the kernel there in the jump.
fn kernel_at(map: &Map, base: u64, ask: &Ask<'_>) -> Result<Range, PlaceError> {
    let header = ask.header;
    if !base.is_multiple_of(IMAGE_ALIGN) {
        return Err(PlaceError::NotAligned { base });
    }
    let kernel = kernel_range(base, header)
        .filter(|kernel| kernel.end <= ADDRESSABLE)
        .ok_or(PlaceError::TooHigh { base })?;
    let taken = |error| PlaceError::Taken { what: LoadPart::Kernel, error };
    match map.require(kernel, Owner::Free) {
        Err(error @ MapError::InUse { .. }) => yields(map, kernel, ask, error).map_err(taken)?,
        other => other.map_err(taken)?,
    }
    // The base lies below the kernel if `text_offset` is not 0, and must be RAM as well.
    match map.owner_of(base) {
        Some(_) => Ok(kernel),
        None => Err(taken(MapError::NotRam { asked: Range::new(base, kernel.end), at: base })),
    }
}

/// All that a kernel with this base takes; `None` past the end of the address space.
fn kernel_range(base: u64, header: &Header) -> Option<Range> {
    Range::sized(base.checked_add(header.text_offset)?, header.image_size)
}

/// The bases with which the kernel lies inside `free`.
fn bases(free: Range, header: &Header) -> impl Iterator<Item = u64> {
    let lowest =
        free.start.saturating_sub(header.text_offset).checked_next_multiple_of(IMAGE_ALIGN);
    let highest = free
        .end
        .min(ADDRESSABLE)
        .checked_sub(header.image_size)
        .and_then(|start| start.checked_sub(header.text_offset));
    let bounds = lowest.zip(highest);
    bounds.into_iter().flat_map(|(low, high)| (low..=high).step_by(IMAGE_ALIGN as usize))
}

/// Places initrd and device tree around a kernel, or names the one that has no place.
fn place_rest(free: &[Range], kernel: Range, ask: &Ask<'_>) -> Result<Placement, LoadPart> {
    let window = window(kernel);
    // A kept initrd stays where it is: only the kernel can come nearer.
    if matches!(ask.initrd, Initrd::Keep(range) if !window.covers(&range)) {
        return Err(LoadPart::Initrd);
    }
    let free = without(free, kernel);
    let done = |initrd, dtb| Placement { kernel, initrd, dtb, dtb_copy: None, copy: None };
    match ask.initrd {
        Initrd::Place(size) => {
            // Which part an error names: the tree if some place for the initrd was found.
            let mut missing = LoadPart::Initrd;
            for initrd in ends(&free, window, pages(size)) {
                missing = LoadPart::Dtb;
                if let Some(dtb) = place_dtb(&without(&free, initrd), kernel, ask) {
                    return Ok(done(Some(initrd), dtb));
                }
            }
            Err(missing)
        }
        Initrd::Keep(range) => {
            let dtb = place_dtb(&free, kernel, ask).ok_or(LoadPart::Dtb)?;
            Ok(done(range.grow_to(PAGE), dtb))
        }
        Initrd::None => Ok(done(None, place_dtb(&free, kernel, ask).ok_or(LoadPart::Dtb)?)),
    }
}

/// Where an initrd may lie so that one window of [`WINDOW`] bytes, which starts at a multiple of
/// [`WINDOW_ALIGN`], covers both the initrd and the kernel.
fn window(kernel: Range) -> Range {
    let below = kernel.end.saturating_sub(WINDOW).next_multiple_of(WINDOW_ALIGN);
    let above = (kernel.start & !(WINDOW_ALIGN - 1)).saturating_add(WINDOW);
    Range::new(below, above)
}

/// The low and the high end of each free range in the window. If the initrd fits anywhere beside a
/// device tree, one of these ends fits too: moving the initrd away from the tree towards an end
/// never makes the two overlap.
fn ends(free: &[Range], window: Range, size: u64) -> impl Iterator<Item = Range> {
    free.iter().flat_map(move |range| {
        let range = Range::new(range.start.max(window.start), range.end.min(window.end));
        let low = Range::sized(range.start, size);
        let high = range.end.checked_sub(size).and_then(|start| Range::sized(start, size));
        [low, high].into_iter().flatten().filter(move |found| range.covers(found))
    })
}

/// The highest place for a device tree, near the kernel if there is one.
fn place_dtb(free: &[Range], kernel: Range, ask: &Ask<'_>) -> Option<Range> {
    let size = ask.dtb;
    let base = kernel.start & !(IMAGE_ALIGN - 1);
    let near = Range::new(kernel.end, base.saturating_add(DTB_NEAR));
    let highest = |area: Range| {
        let parts = free.iter().rev();
        parts
            .map(|range| Range::new(range.start.max(area.start), range.end.min(area.end)))
            .find_map(|range| highest_block(range, pages(size)))
    };
    let lowest = if ask.dtb_above { kernel.end } else { 0 };
    highest(near).or_else(|| highest(Range::new(lowest, u64::MAX)))
}

/// The highest `size` bytes in `free` that cross no multiple of [`DTB_BLOCK`].
fn highest_block(free: Range, size: u64) -> Option<Range> {
    let start = free.end.checked_sub(size)?;
    let block = free.end & !(DTB_BLOCK - 1);
    let start = if start < block { block.checked_sub(size)? } else { start };
    Range::sized(start, size).filter(|found| free.covers(found))
}

/// `free` without `taken`.
fn without(free: &[Range], taken: Range) -> Vec<Range> {
    let cut = |range: &Range| {
        let below = Range::new(range.start, range.end.min(taken.start));
        let above = Range::new(range.start.max(taken.end), range.end);
        [below, above].into_iter().filter(|part| !part.is_empty())
    };
    free.iter().flat_map(cut).collect()
}

/// Rounds up to pages; sizes are known to be far below 2^64 here.
const fn pages(size: u64) -> u64 {
    size.next_multiple_of(PAGE)
}

/// The error for a part that has no place, with its size and the largest free range.
fn no_room(map: &Map, ask: &Ask<'_>, what: LoadPart) -> PlaceError {
    let size = match (what, ask.initrd) {
        (LoadPart::Initrd, Initrd::Keep(initrd)) => return PlaceError::InitrdTooFar { initrd },
        (LoadPart::Initrd, Initrd::Place(size)) => size,
        (LoadPart::Initrd, Initrd::None) => 0,
        (LoadPart::Kernel, _) => ask.header.image_size,
        (LoadPart::Dtb, _) if ask.dtb_above => return PlaceError::NoRoomAbove { size: ask.dtb },
        (LoadPart::Dtb | LoadPart::DtbCopy, _) => ask.dtb,
        (LoadPart::Copier, _) => COPIER_BYTES,
    };
    PlaceError::NoRoom { what, size, largest: map.largest_free() }
}
