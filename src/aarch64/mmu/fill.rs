//! Entries of the linear map. The boot CPU writes all of them on its way to the first CPU_ON, and
//! there are many: so this module looks for a table once, and then fills that table entry by entry.
//! Crate aarch64-paging looks for the place of each entry.

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
pub(super) const ADDRESS: u64 = 0xffff_ffff_f000;

/// Which of a row of pages or blocks are mapped: the first as bit 0 says, and so on, again and again.
#[derive(Clone, Copy)]
pub struct Pattern {
    bits: u64,
    /// Bits in use, 1 to 64.
    length: u32,
}

impl Pattern {
    /// Every one.
    pub const ALL: Self = Self { bits: 1, length: 1 };

    /// Every one of `length` but two, the first among them; fewer than 64.
    pub const fn without_first_and(other: u32, length: u32) -> Self {
        Self { bits: ((1 << length) - 1) & !(1 | 1 << other), length }
    }

    /// True if the next one is mapped; goes on to the one behind that.
    #[inline]
    fn step(&mut self) -> bool {
        let wanted = self.bits & 1;
        self.bits = self.bits >> 1 | wanted.wrapping_shl(self.length.wrapping_sub(1));
        wanted == 1
    }
}

/// Maps what the pattern says of `range` as memory of this kind; `largest` is the level of the
/// largest blocks, 1 to 3, and must be 3 with a pattern that leaves something out.
///
/// # Safety
/// Such memory is there, in whole pages, and no part of it is mapped; below the end of the linear map.
///
/// # Errors
/// Something is mapped there.
pub unsafe fn fill(
    range: Range,
    largest: usize,
    kind: Kind,
    mut pattern: Pattern,
) -> Result<(), MapError> {
    let mut at = range.start;
    while at < range.end {
        let (level, end) = run(at, range.end, largest);
        let (first, count) = (index(at, level), ((end - at) / SIZES[level]) as usize);
        let (table, fresh) = table(at, level)?;
        let row = &mut table[first..first + count];
        if !fresh && row.iter().any(|&entry| entry != 0) {
            return Err(MapError::InvalidVirtualAddress(VirtualAddress(at as usize)));
        }
        fill_row(row, entry(at, level, kind), SIZES[level], &mut pattern);
        at = end;
    }
    Ok(())
}

/// Writes the entries of neighbours that are `size` apart, as the pattern says; `first` is the first one's.
#[inline]
fn fill_row(row: &mut [u64], first: u64, size: u64, pattern: &mut Pattern) {
    if pattern.length == 1 {
        return fill_all(row, first, size);
    }
    let mut next = first;
    for place in row {
        if pattern.step() {
            *place = next;
        }
        next = next.wrapping_add(size);
    }
}

/// Writes every entry of a row, as most rows want it: by four, since the loop costs more than the
/// stores in it.
#[inline]
fn fill_all(row: &mut [u64], first: u64, size: u64) {
    let mut next = first;
    let (fours, rest) = row.as_chunks_mut::<4>();
    for four in fours {
        *four = core::array::from_fn(|i| next.wrapping_add(i as u64 * size));
        next = next.wrapping_add(4 * size);
    }
    for place in rest {
        *place = next;
        next = next.wrapping_add(size);
    }
}

/// Before the first access through entries that [`fill`] has written: the walker sees them.
pub fn filled() {
    regs::dsb_ishst();
    regs::isb();
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

fn entry(at: u64, level: usize, kind: Kind) -> u64 {
    let kind = kind.attributes().bits() as u64;
    at | kind | if level == 3 { El1Attributes::TABLE_OR_PAGE.bits() as u64 } else { 0 }
}

/// The table of a level that maps `at`, and whether it is new; those that are missing on the way
/// there are made.
fn table(at: u64, level: usize) -> Result<(&'static mut [u64; ENTRIES as usize], bool), MapError> {
    let link = (El1Attributes::VALID | El1Attributes::TABLE_OR_PAGE).bits() as u64;
    // SAFETY: the root of this kernel's tables. Only the boot CPU writes tables, here or by the crate,
    // and no reference outlives the call of `fill`; what the walker reads meanwhile is whole words.
    let mut table = unsafe { &mut *(layout::ttbr1() as *mut [u64; ENTRIES as usize]) };
    let mut new = false;
    for above in 0..level {
        let place = &mut table[index(at, above)];
        new = *place & link == 0;
        let next = match *place & link {
            0 => {
                let fresh = Pages::fresh();
                regs::dsb_ishst(); // the walker sees the table empty before it is led there
                *place = Pages::at(fresh).0 as u64 | link;
                fresh
            }
            found if found == link => Pages::table(*place & ADDRESS),
            _ => return Err(MapError::InvalidVirtualAddress(VirtualAddress(at as usize))),
        };
        // SAFETY: as above, of a table of the next level.
        table = unsafe { next.cast().as_mut() };
    }
    Ok((table, new))
}
