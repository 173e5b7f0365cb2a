//! Placing a kernel at the base that the caller asked for, although that place is in use until the
//! jump.
//!
//! The kernel is written to a staging place at load time, and the copier moves it in the jump. The
//! copier and its page tables must survive the copy, and must not be copied over: so `work`, `from`
//! and `to` overlap neither each other nor initrd and tree.

use super::{Ask, Initrd, LoadPart, Placement, place_rest, without};
use crate::{
    config::{COPIER_BYTES, IMAGE_ALIGN},
    machine::Relocation,
    memory::{Map, MapError, Owner, Range, Region},
};

/// Places all other parts around a kernel whose place the caller chose.
pub(super) fn place_at(
    map: &Map,
    free: &[Range],
    kernel: Range,
    ask: &Ask<'_>,
) -> Result<Placement, LoadPart> {
    let layout = place_rest(free, kernel, ask)?;
    if map.require(kernel, Owner::Free).is_ok() {
        return Ok(layout);
    }
    let taken = [Some(kernel), layout.initrd, Some(layout.dtb)].into_iter().flatten();
    let left = taken.fold(free.to_vec(), |free, part| without(&free, part));
    let work = highest(&left, COPIER_BYTES).ok_or(LoadPart::Copier)?;
    let from = highest(&without(&left, work), kernel.size()).ok_or(LoadPart::Kernel)?;
    Ok(Placement { copy: Some(Relocation { from, to: kernel, work }), ..layout })
}

/// The highest `size` bytes, in whole blocks if there are any: those can be protected.
fn highest(free: &[Range], size: u64) -> Option<Range> {
    let blocks = free.iter().rev().map(|range| range.shrink_to(IMAGE_ALIGN));
    blocks.chain(free.iter().rev().copied()).find_map(|range| top(range, size))
}

/// The highest `size` bytes.
fn top(free: Range, size: u64) -> Option<Range> {
    let start = free.end.checked_sub(size)?;
    Range::sized(start, size).filter(|found| free.covers(found))
}

/// An owner of memory in the kernel's place is acceptable only if that owner ends with the running
/// kernel.
pub(super) fn yields(
    map: &Map,
    kernel: Range,
    ask: &Ask<'_>,
    error: MapError,
) -> Result<(), MapError> {
    let kept = |region: &Region| matches!(ask.initrd, Initrd::Keep(r) if r.overlaps(&region.range));
    let stays = |region: &Region| !region.owner.ends_with_kernel() || kept(region);
    let here = map.regions().filter(|region| region.range.overlaps(&kernel));
    match here.clone().find(stays) {
        Some(Region { range, owner }) => Err(MapError::InUse { asked: kernel, range, owner }),
        None if here.count() == 0 => Err(error),
        None => Ok(()),
    }
}
