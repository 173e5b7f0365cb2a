//! RAM in the linear map. The boot CPU writes all entries of RAM on its way to the first CPU_ON, and
//! there are many: so this module looks for a table once, and then fills that table entry by entry.
//! Crate aarch64-paging, which writes all else, looks for the place of each entry.

use aarch64_paging::MapError;
use aarch64_paging::descriptor::{El1Attributes, VirtualAddress};

use super::{Kind, Pages};
use crate::aarch64::{layout, regs};
use crate::memory::Range;

/// What one entry of a level maps.
const SIZES: [u64; 4] = [512 << 30, 1 << 30, 2 << 20, 4 << 10];

/// Entries of a table.
const ENTRIES: u64 = 512;

/// The address in an entry (Arm ARM D8.3.1: bits 47 to 12).
const ADDRESS: u64 = 0xffff_ffff_f000;

/// Writes an entry for each page or block of `range` that is `wanted`; `largest` is the level of the
/// largest blocks, 1 to 3.
///
/// # Safety
/// RAM, of which nothing is mapped yet, in whole pages; below the end of the linear map.
///
/// # Errors
/// There is a block at this address.
pub unsafe fn fill(
    range: Range,
    largest: usize,
    wanted: impl Fn(u64) -> bool,
) -> Result<(), MapError> {
    let mut at = range.start;
    while at < range.end {
        let (level, end) = run(at, range.end, largest);
        let entries = table(at, level)?;
        for at in (at..end).step_by(SIZES[level] as usize).filter(|&at| wanted(at)) {
            // SAFETY: one of the 512 entries of that table, which is only used here and by the
            // walker, and which is not valid yet.
            unsafe { entries.add(index(at, level)).write_volatile(entry(at, level)) };
        }
        at = end;
    }
    regs::dsb_ishst(); // before the first access through these entries
    regs::isb();
    Ok(())
}

/// The level of the largest entries that fit at `at`, and how far they go within one table.
fn run(at: u64, end: u64, largest: usize) -> (usize, u64) {
    let fits = |&level: &usize| at.is_multiple_of(SIZES[level]) && end - at >= SIZES[level];
    let level = (largest..3).find(fits).unwrap_or(3);
    let table = SIZES[level - 1];
    (level, ((at & !(table - 1)) + table).min(end & !(SIZES[level] - 1)))
}

fn index(at: u64, level: usize) -> usize {
    (layout::linear(at) / SIZES[level] % ENTRIES) as usize
}

fn entry(at: u64, level: usize) -> u64 {
    let kind = Kind::Ram.attributes().bits() as u64;
    at | kind | if level == 3 { El1Attributes::TABLE_OR_PAGE.bits() as u64 } else { 0 }
}

/// The table of a level that maps `at`; those that are missing on the way there are made.
fn table(at: u64, level: usize) -> Result<*mut u64, MapError> {
    let link = (El1Attributes::VALID | El1Attributes::TABLE_OR_PAGE).bits() as u64;
    let mut table = layout::ttbr1() as *mut u64;
    for above in 0..level {
        // SAFETY: one of the 512 entries of a table of this kernel. Only the boot CPU writes these.
        let place = unsafe { &mut *table.add(index(at, above)) };
        table = match *place & link {
            0 => {
                let fresh = Pages::fresh();
                regs::dsb_ishst(); // the walker sees the table empty before it is led there
                *place = Pages::at(fresh).0 as u64 | link;
                fresh.as_ptr().cast()
            }
            found if found == link => Pages::table(*place & ADDRESS).as_ptr().cast(),
            _ => return Err(MapError::InvalidVirtualAddress(VirtualAddress(at as usize))),
        };
    }
    Ok(table)
}
