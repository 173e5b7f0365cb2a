//! Which part of the RAM may be used, where the tree says that the rest is somebody else's: a kernel
//! that has crashed and whose CPUs may still run, or another guest (dt-schema `chosen.yaml`,
//! `linux,usable-memory-range`; Linux `drivers/of/fdt.c`, `linux,usable-memory`).
//!
//! Such a property forbids. So one that cannot be read permits nothing, and RAM is what a memory
//! node names in `reg` and such a property permits, never more.

use core::fmt;

use crate::fdt::{AddressError, Properties, regions_in};
use crate::memory::Range;

/// Property of `/chosen`, about all RAM.
pub const OF_ALL: &str = "linux,usable-memory-range";

/// Property of a memory node, about that node's ranges.
const OF_NODE: &str = "linux,usable-memory";

/// Ranges that one property may have. Linux reads two, the second for memory below 4 GiB.
const MAX_LIMITS: usize = 8;

/// Why it is not known what may be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LimitError {
    /// The property cannot be read.
    Form(AddressError),
    /// There are more than [`MAX_LIMITS`] ranges.
    TooMany,
    /// No range holds an address.
    Nothing,
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(why) => write!(f, "{why}"),
            Self::TooMany => write!(f, "it has more than {MAX_LIMITS} ranges"),
            Self::Nothing => f.write_str("none of the RAM lies in it"),
        }
    }
}

/// What may be used: sorted, and no two ranges touch.
#[derive(Clone, Debug)]
pub struct Limits(heapless::Vec<Range, MAX_LIMITS>);

impl Limits {
    /// What `/chosen` says; `None` if that is nothing.
    ///
    /// # Errors
    /// [`LimitError`] if the property cannot be read or permits nothing.
    pub fn of_all<'t>(chosen: impl Properties<'t>) -> Result<Option<Self>, LimitError> {
        match Self::read(chosen, OF_ALL)? {
            Some(limits) if limits.0.is_empty() => Err(LimitError::Nothing),
            limits => Ok(limits),
        }
    }

    /// What a memory node says of its own ranges; `None` if that is nothing.
    ///
    /// # Errors
    /// [`LimitError`] if the property cannot be read.
    pub fn of_node<'t>(node: impl Properties<'t>) -> Result<Option<Self>, LimitError> {
        Self::read(node, OF_NODE)
    }

    fn read<'t>(node: impl Properties<'t>, name: &'static str) -> Result<Option<Self>, LimitError> {
        if !node.has(name) {
            return Ok(None);
        }
        let mut ranges = heapless::Vec::<Range, MAX_LIMITS>::new();
        for range in regions_in(node, name).map_err(LimitError::Form)? {
            let range = range.map_err(LimitError::Form)?;
            if !range.is_empty() {
                ranges.push(range).map_err(|_| LimitError::TooMany)?;
            }
        }
        ranges.sort_unstable();
        Ok(Some(Self(joined(&ranges))))
    }

    /// The parts of `ram` that may be used, in order.
    pub fn parts(&self, ram: Range) -> impl Iterator<Item = Range> + '_ {
        self.0.iter().map(move |limit| limit.common(&ram)).filter(|part| !part.is_empty())
    }

    /// The parts of `ram` that may not be used, in order.
    pub fn gaps(&self, ram: Range) -> impl Iterator<Item = Range> + '_ {
        let starts = core::iter::once(ram.start).chain(self.0.iter().map(|limit| limit.end));
        let ends = self.0.iter().map(|limit| limit.start).chain(core::iter::once(ram.end));
        let gaps = starts.zip(ends).map(move |(start, end)| Range::new(start, end).common(&ram));
        gaps.filter(|gap| !gap.is_empty())
    }
}

/// Sorted ranges, with one in place of those that touch.
fn joined(sorted: &[Range]) -> heapless::Vec<Range, MAX_LIMITS> {
    let mut joined = heapless::Vec::<Range, MAX_LIMITS>::new();
    for range in sorted {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => _ = joined.push(*range), // no more than were given
        }
    }
    joined
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    fn limits(ranges: &[(u64, u64)]) -> Limits {
        let ranges: Vec<Range> =
            ranges.iter().map(|&(start, end)| Range::new(start, end)).collect();
        Limits(joined(&ranges))
    }

    /// Every address of the RAM is in one part or in one gap.
    #[test]
    fn parts_and_gaps_are_the_whole() {
        let ram = Range::new(10, 50);
        let cases: [&[(u64, u64)]; 7] = [
            &[],
            &[(0, 100)],
            &[(10, 50)],
            &[(0, 5), (60, 70)],
            &[(5, 15), (15, 20), (18, 25), (40, 60)],
            &[(20, 30)],
            &[(10, 11), (49, 50)],
        ];
        for case in cases {
            let limits = limits(case);
            let mut all: Vec<Range> = limits.parts(ram).chain(limits.gaps(ram)).collect();
            all.sort_unstable();
            let bytes: u64 = all.iter().map(Range::size).sum();
            assert_eq!(bytes, ram.size(), "{case:?}: {all:?}");
            assert!(all.windows(2).all(|pair| pair[0].end == pair[1].start), "{case:?}: {all:?}");
            let permitted = |at| case.iter().any(|&(start, end)| start <= at && at < end);
            assert!(limits.parts(ram).all(|part| (part.start..part.end).all(permitted)));
            assert!(!limits.gaps(ram).any(|gap| (gap.start..gap.end).any(permitted)));
        }
    }
}
