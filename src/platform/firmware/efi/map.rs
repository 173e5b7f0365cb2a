//! UEFI's memory map (UEFI specification 2.10, 7.2.3): entries in any order, neighbours not joined,
//! as many as there are.
//!
//! RAM is what Linux, too, takes for free memory, without ACPI's own. Where two entries contradict
//! each other, the memory is not free.

use super::{FirmwareError, MapAt};
use crate::config::{PAGE, PHYSICAL_END};
use crate::memory::{Physical, Range};
use crate::platform::firmware::read;

/// Bytes of an entry that are read; entries may be longer.
const ENTRY: u64 = 40;

/// Bytes of a map: more than five thousand entries.
const MAX_MAP: u64 = 256 << 10;

/// Attributes of an entry.
const WRITE_BACK: u64 = 8;
const SPECIFIC_PURPOSE: u64 = 0x40000;
const RUNTIME: u64 = 1 << 63;

/// Types of an entry: loader code and data, boot services code and data, conventional memory.
const RAM: [u32; 5] = [1, 2, 3, 4, 7];

/// Types of memory in which no device can be: RAM, the runtime services, ACPI's tables and its own.
const MEMORY: [u32; 9] = [1, 2, 3, 4, 5, 6, 7, 9, 10];

/// Types that are no memory, or memory that must not be touched: broken, I/O and its port space, the
/// processor's own, not accepted yet.
const UNTOUCHED: [u32; 5] = [8, 11, 12, 13, 15];

/// The map in memory.
#[derive(Clone, Copy, Debug)]
pub struct MemoryMap<'p> {
    bytes: &'p [u8],
    stride: usize,
    /// Version of the entries.
    pub version: u64,
}

/// The version that the entries are read as.
pub const VERSION: u64 = 1;

/// What the map says of one range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Number of the type.
    pub kind: u32,
    /// Physical addresses; to the end of the address space if the entry is longer.
    pub range: Range,
    /// Where the runtime services reach the range; 0 if nothing has been said about that.
    pub virt: u64,
    /// Bits.
    pub attribute: u64,
}

impl Entry {
    fn of(bytes: &[u8]) -> Option<Self> {
        let start = read::u64(bytes, 8)?;
        let size = read::u64(bytes, 24)?.saturating_mul(PAGE);
        let range = Range::saturating(start, size);
        let (kind, virt) = (read::u32(bytes, 0)?, read::u64(bytes, 16)?);
        Some(Self { kind, range, virt, attribute: read::u64(bytes, 32)? })
    }

    fn caches(&self) -> bool {
        self.attribute & WRITE_BACK != 0
    }

    /// Whole pages that the linear map reaches.
    fn is_possible(&self) -> bool {
        self.range.start.is_multiple_of(PAGE) && self.range.end <= PHYSICAL_END
    }

    /// True if the entry is meant to be RAM.
    fn says_ram(&self) -> bool {
        let plain = self.caches() && self.attribute & SPECIFIC_PURPOSE == 0;
        RAM.contains(&self.kind) && plain
    }

    /// True for RAM that a kernel may use.
    pub fn is_ram(&self) -> bool {
        self.says_ram() && self.is_possible()
    }

    /// True for RAM whose place makes no sense.
    pub fn is_impossible(&self) -> bool {
        self.says_ram() && !self.is_possible()
    }

    /// True for memory, as opposed to registers, whoever it belongs to: no device can be there.
    pub fn is_memory(&self) -> bool {
        MEMORY.contains(&self.kind) && self.caches() && self.is_possible()
    }

    /// Where an address of the runtime services lies, if the entry maps it.
    fn physical_of(&self, address: u64) -> Option<u64> {
        let mapped = self.attribute & RUNTIME != 0 && self.virt != 0;
        let offset = address.checked_sub(self.virt).filter(|_| mapped)?;
        (offset < self.range.size()).then(|| self.range.start + offset)
    }
}

impl<'p> MemoryMap<'p> {
    /// The map, and where it lies.
    ///
    /// # Errors
    /// [`FirmwareError`] if it has no entries, or cannot be read.
    pub fn open(
        MapAt { at, size, stride, version }: &MapAt,
        physical: &'p dyn Physical,
    ) -> Result<(Self, Range), FirmwareError> {
        let table = "UEFI memory map";
        let field = |field, value| FirmwareError::Field { table, field, value };
        if !(ENTRY..=PAGE).contains(stride) {
            return Err(field("the size of an entry", *stride));
        }
        if !(*stride..=MAX_MAP).contains(size) {
            return Err(field("the size", *size));
        }
        let unreadable = FirmwareError::Unreadable { table, at: *at };
        let range = Range::sized(*at, *size).ok_or(unreadable)?;
        let bytes = physical.bytes(*at, *size as usize).ok_or(unreadable)?;
        Ok((Self { bytes, stride: *stride as usize, version: *version }, range))
    }

    /// All entries.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + Clone + use<'p> {
        let entries = self.bytes.chunks_exact(self.stride).filter_map(Entry::of);
        entries.filter(|entry| !entry.range.is_empty())
    }

    /// Entries of RAM, those joined that touch and follow each other in the map.
    pub fn ram(&self) -> impl Iterator<Item = Range> + use<'p> {
        let mut banks = self.entries().filter(Entry::is_ram).map(|entry| entry.range).peekable();
        core::iter::from_fn(move || {
            let mut run = banks.next()?;
            while let Some(next) = banks.next_if(|next| next.start == run.end) {
                run.end = next.end;
            }
            Some(run)
        })
    }

    /// What is said not to be RAM, wherever it lies.
    pub fn closed(&self) -> impl Iterator<Item = Range> + use<'p> {
        self.entries().filter(|entry| !entry.says_ram()).map(|entry| entry.range)
    }

    /// True if all of a range is memory that can be read.
    pub fn is_memory(&self, range: Range) -> bool {
        let untouched = |kind: u32| UNTOUCHED.contains(&kind) || kind > 15;
        let mut at = range.start;
        while at < range.end {
            let has = |entry: &Entry| entry.caches() && entry.range.contains(at);
            match self.entries().find(has) {
                Some(entry) if entry.is_possible() => at = entry.range.end,
                _ => return false,
            }
        }
        !self.entries().any(|entry| untouched(entry.kind) && entry.range.overlaps(&range))
    }

    /// The physical address of one of the system table's pointers. Once a kernel has given the
    /// runtime services their virtual addresses, some of these are virtual (UEFI specification 2.10,
    /// 8.4).
    pub fn to_physical(&self, address: u64) -> u64 {
        self.entries().find_map(|entry| entry.physical_of(address)).unwrap_or(address)
    }

    /// The end of the entry that has an address.
    pub fn end_at(&self, at: u64) -> Option<u64> {
        self.entries().find(|entry| entry.range.contains(at)).map(|entry| entry.range.end)
    }
}
