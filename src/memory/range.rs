//! Half-open ranges of physical addresses.

use alloc::vec::Vec;
use core::fmt;

/// `start..end`, in bytes. Empty when `start >= end`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Range {
    /// First address.
    pub start: u64,
    /// First address after the range.
    pub end: u64,
}

/// Sorts ranges, and makes one of those that touch or overlap.
pub fn join(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    ranges.dedup_by(|next, last| {
        let touch = next.start <= last.end;
        if touch {
            last.end = last.end.max(next.end);
        }
        touch
    });
    ranges
}

impl Range {
    /// `start..end`.
    pub const fn new(start: u64, end: u64) -> Self {
        Self { start, end }
    }

    /// `size` bytes at `start`; `None` if the end does not fit in 64 bits.
    pub const fn sized(start: u64, size: u64) -> Option<Self> {
        match start.checked_add(size) {
            Some(end) => Some(Self { start, end }),
            None => None,
        }
    }

    /// `size` bytes at `start`; up to the last address if the end does not fit in 64 bits.
    pub const fn saturating(start: u64, size: u64) -> Self {
        Self { start, end: start.saturating_add(size) }
    }

    /// Number of bytes.
    pub const fn size(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// True if the range holds no address.
    pub const fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    /// True if the address is in the range.
    pub const fn contains(&self, address: u64) -> bool {
        self.start <= address && address < self.end
    }

    /// True if every address of `other` is in this range.
    pub const fn covers(&self, other: &Self) -> bool {
        other.is_empty() || (self.start <= other.start && other.end <= self.end)
    }

    /// True if the two share an address.
    pub const fn overlaps(&self, other: &Self) -> bool {
        !self.is_empty() && !other.is_empty() && self.start < other.end && other.start < self.end
    }

    /// What the two share; empty if nothing.
    pub const fn common(&self, other: &Self) -> Self {
        let start = if self.start > other.start { self.start } else { other.start };
        let end = if self.end < other.end { self.end } else { other.end };
        Self { start, end }
    }

    /// The largest range of whole multiples of `align` (a power of two) inside.
    pub const fn shrink_to(&self, align: u64) -> Self {
        let start = match self.start.checked_add(align - 1) {
            Some(start) => start & !(align - 1),
            None => !(align - 1),
        };
        Self { start, end: self.end & !(align - 1) }
    }

    /// The smallest range of whole multiples of `align` (a power of two) around this range; `None`
    /// if that does not fit in 64 bits.
    pub const fn grow_to(&self, align: u64) -> Option<Self> {
        match self.end.checked_add(align - 1) {
            Some(end) => Some(Self { start: self.start & !(align - 1), end: end & !(align - 1) }),
            None => None,
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}", self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growing_and_shrinking_keep_to_whole_pages() {
        let r = Range::new(0x1001, 0x3fff);
        assert_eq!(r.shrink_to(0x1000), Range::new(0x2000, 0x3000));
        assert_eq!(r.grow_to(0x1000), Some(Range::new(0x1000, 0x4000)));
        assert_eq!(Range::new(0, u64::MAX).grow_to(0x1000), None);
    }

    #[test]
    fn neighbours_do_not_overlap_and_empty_ranges_never_do() {
        let (a, b) = (Range::new(0, 10), Range::new(10, 20));
        assert!(!a.overlaps(&b) && a.overlaps(&Range::new(9, 11)));
        assert!(!a.overlaps(&Range::new(5, 5)) && a.covers(&Range::new(5, 5)));
        assert_eq!(Range::sized(u64::MAX, 2), None);
    }
}
