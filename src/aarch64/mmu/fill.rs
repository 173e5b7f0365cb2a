//! Many entries of the linear map at once. The boot CPU writes all entries of RAM and of the interrupt
//! controller on its way to the first CPU_ON: so this module looks for a table once, and then fills
//! that table entry by entry. Crate aarch64-paging, which writes all else, looks for the place of each
//! entry.

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
/// Memory of this kind, of which nothing is mapped yet, in whole pages; below the end of the linear
/// map.
///
/// # Errors
/// There is a block at this address.
pub unsafe fn fill(
    range: Range,
    kind: Kind,
    largest: usize,
    wanted: impl Fn(u64) -> bool,
) -> Result<(), MapError> {
    let mut at = range.start;
    while at < range.end {
        let (level, end) = run(at, range.end, largest);
        let entries = table(at, level)?;
        let attributes = attributes(kind, level);
        for at in (at..end).step_by(SIZES[level] as usize).filter(|&at| wanted(at)) {
            // SAFETY: one of the 512 entries of that table, which is only used here and by the
            // walker, and which is not valid yet.
            unsafe { entries.add(index(at, level)).write_volatile(at | attributes) };
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

/// What an entry has besides the address.
fn attributes(kind: Kind, level: usize) -> u64 {
    let page = if level == 3 { El1Attributes::TABLE_OR_PAGE } else { El1Attributes::empty() };
    (kind.attributes() | page).bits() as u64
}

/// True if nothing of `range`, which lies below the end of the linear map, is mapped yet.
pub fn is_free(range: Range) -> bool {
    let mut at = range.start;
    while at < range.end {
        match free_up_to(at, range.end) {
            Some(end) => at = end,
            None => return false,
        }
    }
    true
}

/// How far nothing is mapped from `at` on, within one table; `None` if something is mapped there.
fn free_up_to(at: u64, end: u64) -> Option<u64> {
    let valid = El1Attributes::VALID.bits() as u64;
    let next = |level: usize| (at & !(SIZES[level] - 1)) + SIZES[level];
    let mut table = layout::ttbr1() as *const u64;
    for level in 0..3 {
        // SAFETY: one of the 512 entries of a table of this kernel. Only the boot CPU writes these.
        let entry = unsafe { table.add(index(at, level)).read_volatile() };
        if entry & valid == 0 {
            return Some(next(level));
        }
        if entry & El1Attributes::TABLE_OR_PAGE.bits() as u64 == 0 {
            return None;
        }
        table = Pages::table(entry & ADDRESS).as_ptr().cast();
    }
    let end = next(2).min(end);
    // SAFETY: as above, of one table: `end` is not past that table's last page.
    let entry = |at| unsafe { table.add(index(at, 3)).read_volatile() };
    let mapped = (at..end).step_by(SIZES[3] as usize).any(|at| entry(at) & valid != 0);
    (!mapped).then_some(end)
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
