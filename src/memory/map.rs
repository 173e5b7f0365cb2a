//! The owner of every page of physical memory. Every page of RAM has exactly one owner; an address
//! that no region covers is not RAM.
//!
//! Regions are kept in address order, and neighbours with the same owner are one region. So a range
//! may be freed in other pieces than those claimed.

mod error;
#[cfg(all(test, not(loom)))]
mod tests;

use alloc::vec::Vec;
use core::fmt;

pub use error::MapError;

use super::{Range, join};
use crate::config::PAGE;

/// The owner of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// No owner.
    Free,
    /// Reserved by the device tree; not ours.
    Firmware,
    /// The running kernel's image.
    Image,
    /// The device tree that the running kernel was given.
    Dtb,
    /// The initrd that the running kernel was given.
    Initrd,
    /// The kernel's heap.
    Heap,
    /// CPU stacks.
    Stacks,
    /// Per-CPU areas.
    PerCpu,
    /// Page tables.
    Tables,
    /// Trace rings, which survive a jump.
    Trace,
    /// A segment of the kernel that is loaded for kexec.
    Segment,
    /// Where a CPU sits that will not leave.
    Quarantine,
}

impl Owner {
    /// True if the memory is not needed any more once the running kernel has jumped.
    pub const fn ends_with_kernel(self) -> bool {
        match self {
            Self::Firmware | Self::Trace | Self::Quarantine | Self::Segment => false,
            Self::Free
            | Self::Image
            | Self::Dtb
            | Self::Initrd
            | Self::Heap
            | Self::Stacks
            | Self::PerCpu
            | Self::Tables => true,
        }
    }

    /// The owner's name as printed on the console.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Firmware => "firmware",
            Self::Image => "image",
            Self::Dtb => "dtb",
            Self::Initrd => "initrd",
            Self::Heap => "heap",
            Self::Stacks => "stacks",
            Self::PerCpu => "percpu",
            Self::Tables => "tables",
            Self::Trace => "trace",
            Self::Segment => "kexec segment",
            Self::Quarantine => "quarantine",
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Neighbouring pages that have one owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    /// The pages of the region.
    pub range: Range,
    /// Their owner.
    pub owner: Owner,
}

/// From which end of memory to allocate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The lowest address that fits.
    Low,
    /// The highest address that fits.
    High,
}

/// The owners of all RAM.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Map {
    regions: Vec<Region>,
}

impl Map {
    /// All of `ram` is free. The ranges may come in any order and may overlap; pages that are
    /// covered only in part are left out.
    pub fn new(ram: &[Range]) -> Self {
        let mut regions = Vec::new();
        for range in join(ram.iter().copied().filter(|r| !r.is_empty()).collect()) {
            push(&mut regions, range.shrink_to(PAGE), Owner::Free);
        }
        Self { regions }
    }

    /// Gives the pages that `range` touches to `owner`.
    ///
    /// # Errors
    /// [`MapError::NotRam`] or [`MapError::InUse`] unless all pages are RAM and free.
    pub fn claim(&mut self, range: Range, owner: Owner) -> Result<(), MapError> {
        let range = pages(range)?;
        self.require(range, Owner::Free)?;
        self.set(range, owner);
        Ok(())
    }

    /// Gives the free pages that `range` touches to [`Owner::Firmware`]: a reservation. Pages that
    /// are no RAM or have an owner already are skipped, so reservations may overlap anything.
    pub fn reserve(&mut self, range: Range) {
        let end = range.end.checked_next_multiple_of(PAGE).unwrap_or(u64::MAX);
        let range = Range::new(range.start & !(PAGE - 1), end);
        let free = self.touched(range).filter(|region| region.owner == Owner::Free);
        let free: Vec<Range> = free.map(|region| common(region.range, range)).collect();
        free.into_iter().for_each(|part| self.set(part, Owner::Firmware));
    }

    /// The regions that have a part of a range.
    fn touched(&self, range: Range) -> impl Iterator<Item = &Region> {
        let from = self.regions.partition_point(|region| region.range.end <= range.start);
        self.regions[from..].iter().take_while(move |region| region.range.start < range.end)
    }

    /// Finds free pages, whole and contiguous, and gives these to `owner`. `size` is rounded up to
    /// pages, `align` is a power of two (a page at least), and the end does not go above `below`.
    ///
    /// # Errors
    /// [`MapError::NoRoom`] if no free range fits, [`MapError::BadSize`] if none ever could.
    pub fn allocate(
        &mut self,
        size: u64,
        align: u64,
        owner: Owner,
        from: Side,
        below: Option<u64>,
    ) -> Result<Range, MapError> {
        let bad = MapError::BadSize { size, align };
        let pages = size.checked_next_multiple_of(PAGE).filter(|pages| *pages > 0).ok_or(bad)?;
        if !align.is_power_of_two() {
            return Err(bad);
        }
        let top = below.unwrap_or(u64::MAX);
        let place =
            |free: Range| fit(common(free, Range::new(0, top)), pages, align.max(PAGE), from);
        let found = match from {
            Side::Low => self.free_ranges().find_map(place),
            Side::High => self.free_ranges().rev().find_map(place),
        };
        let found = found.ok_or(MapError::NoRoom { size, align, largest: self.largest_free() })?;
        self.set(found, owner);
        Ok(found)
    }

    /// Makes the pages that `range` touches free again, whatever their owner.
    ///
    /// # Errors
    /// [`MapError::AlreadyFree`] if a page is free already, [`MapError::NotRam`] if one is no RAM.
    pub fn free(&mut self, range: Range) -> Result<(), MapError> {
        let range = pages(range)?;
        let free = self.parts(range)?.find(|part| part.owner == Owner::Free);
        match free {
            Some(part) => Err(MapError::AlreadyFree { asked: range, range: part.range }),
            None => {
                self.set(range, Owner::Free);
                Ok(())
            }
        }
    }

    /// Checks that all pages that `range` touches belong to `owner`.
    ///
    /// # Errors
    /// [`MapError::NotRam`] or [`MapError::InUse`], which names the first other owner.
    pub fn require(&self, range: Range, owner: Owner) -> Result<(), MapError> {
        let asked = pages(range)?;
        let other = self.parts(asked)?.find(|part| part.owner != owner);
        match other {
            Some(Region { range, owner }) => Err(MapError::InUse { asked, range, owner }),
            None => Ok(()),
        }
    }

    /// The owner of the page at this address; `None` outside RAM.
    pub fn owner_of(&self, address: u64) -> Option<Owner> {
        let after = self.regions.partition_point(|region| region.range.end <= address);
        self.regions.get(after).filter(|region| region.range.contains(address)).map(|r| r.owner)
    }

    /// All regions, in address order.
    pub fn regions(&self) -> impl DoubleEndedIterator<Item = Region> + Clone + '_ {
        self.regions.iter().copied()
    }

    /// What is free, in address order. No two of these ranges touch.
    pub fn free_ranges(&self) -> impl DoubleEndedIterator<Item = Range> + '_ {
        self.regions().filter(|region| region.owner == Owner::Free).map(|region| region.range)
    }

    /// Bytes that are free.
    pub fn free_bytes(&self) -> u64 {
        self.free_ranges().map(|range| range.size()).sum()
    }

    /// Bytes of the largest free range.
    pub fn largest_free(&self) -> u64 {
        self.free_ranges().map(|range| range.size()).max().unwrap_or(0)
    }

    /// Bytes of RAM.
    pub fn total_bytes(&self) -> u64 {
        self.regions().map(|region| region.range.size()).sum()
    }

    /// The regions that make up `range`, cut at its ends.
    fn parts(&self, range: Range) -> Result<impl Iterator<Item = Region>, MapError> {
        let parts = self
            .regions()
            .map(move |region| Region { range: common(region.range, range), ..region })
            .filter(|part| !part.range.is_empty());
        let covered = parts.clone().try_fold(range.start, |at, part| {
            if part.range.start == at { Ok(part.range.end) } else { Err(at) }
        });
        match covered {
            Ok(at) if at == range.end => Ok(parts),
            Ok(at) | Err(at) => Err(MapError::NotRam { asked: range, at }),
        }
    }

    /// Writes `owner` over the RAM in `range`.
    fn set(&mut self, range: Range, owner: Owner) {
        // The regions that are touched, and one on either side, which may be joined with what is new.
        // All others stay where they are: a machine may have dozens of ranges that are firmware's.
        let before = self.regions.partition_point(|region| region.range.end <= range.start);
        let behind = self.regions.partition_point(|region| region.range.start < range.end);
        let part = before.saturating_sub(1)..(behind + 1).min(self.regions.len());
        let mut changed = Vec::with_capacity(part.len() + 2);
        for old in &self.regions[part.clone()] {
            push(&mut changed, common(old.range, Range::new(0, range.start)), old.owner);
            push(&mut changed, common(old.range, range), owner);
            push(&mut changed, common(old.range, Range::new(range.end, u64::MAX)), old.owner);
        }
        self.regions.splice(part, changed);
    }
}

/// Adds a region behind the others; one that touches the last region of the same owner is joined to
/// that region.
fn push(regions: &mut Vec<Region>, range: Range, owner: Owner) {
    if range.is_empty() {
        return;
    }
    match regions.last_mut() {
        Some(last) if last.range.end == range.start && last.owner == owner => {
            last.range.end = range.end;
        }
        _ => regions.push(Region { range, owner }),
    }
}

/// The pages that a range touches.
fn pages(range: Range) -> Result<Range, MapError> {
    range.grow_to(PAGE).filter(|_| !range.is_empty()).ok_or(MapError::BadRange(range))
}

/// What two ranges share; empty if nothing.
fn common(a: Range, b: Range) -> Range {
    Range::new(a.start.max(b.start), a.end.min(b.end))
}

/// `size` bytes in `free`, as near to the given side as `align` allows.
fn fit(free: Range, size: u64, align: u64, from: Side) -> Option<Range> {
    let start = match from {
        Side::Low => free.start.checked_next_multiple_of(align)?,
        Side::High => free.end.checked_sub(size)? & !(align - 1),
    };
    Range::sized(start, size).filter(|found| free.covers(found))
}
