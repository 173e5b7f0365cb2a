//! LINUX_EFI_MEMRESERVE: what a Linux has reserved for good, over all kernels that follow, most of
//! all the tables of LPIs (Linux `struct linux_efi_memreserve`, include/linux/efi.h).
//!
//! A list of elements, each with some ranges. What cannot be read is an error: the ranges that it
//! would name must not be given out.

use super::{Efi, FirmwareError, Guid, guid, read};
use crate::memory::Range;

pub(super) const MEMRESERVE: Guid =
    guid(0x888eb0c6, 0x8ede, 0x4ff5, [0xa8, 0xf0, 0x9a, 0xee, 0x5c, 0xb9, 0x77, 0xc2]);

const TABLE: &str = "LINUX_EFI_MEMRESERVE";

/// Bytes before the ranges of an element, and bytes of a range.
const HEADER: usize = 16;
const RANGE: usize = 16;

/// Ranges of one element; Linux makes 255, as many as a page holds.
const MAX_RANGES: u32 = 4096;

/// Elements; with more, or with a loop, the list has no end.
const MAX_ELEMENTS: usize = 64;

impl Efi<'_> {
    /// Calls `f` with each element and each range of an element.
    ///
    /// # Errors
    /// The list cannot be read, or has no end; `f` has then been called with a part.
    pub fn each_memreserve(&self, f: &mut dyn FnMut(Range)) -> Result<(), FirmwareError> {
        let mut next = self.table(MEMRESERVE).unwrap_or(0);
        for _ in 0..MAX_ELEMENTS {
            if next == 0 {
                return Ok(());
            }
            next = self.element(next, f)?;
        }
        if next == 0 { Ok(()) } else { Err(FirmwareError::Endless) }
    }

    /// One element; returns where the next one is, 0 for none.
    fn element(&self, at: u64, f: &mut dyn FnMut(Range)) -> Result<u64, FirmwareError> {
        let header = self.read(TABLE, at, HEADER)?;
        let [capacity, count] = [0, 4].map(|field| read::u32(header, field).unwrap_or(u32::MAX));
        if capacity > MAX_RANGES {
            return Err(field("the size of an element", capacity));
        }
        if count > capacity {
            return Err(field("the number of ranges in an element", count));
        }
        f(Range::saturating(at, (HEADER + capacity as usize * RANGE) as u64));
        let ranges = self.read(TABLE, at, HEADER + count as usize * RANGE)?;
        for range in ranges[HEADER..].chunks_exact(RANGE) {
            let (base, size) = (read::u64(range, 0), read::u64(range, 8));
            // What runs past the address space reserves up to its end.
            f(Range::saturating(base.unwrap_or_default(), size.unwrap_or_default()));
        }
        Ok(read::u64(header, 8).unwrap_or_default())
    }
}

fn field(field: &'static str, value: u32) -> FirmwareError {
    FirmwareError::Field { table: TABLE, field, value: u64::from(value) }
}
