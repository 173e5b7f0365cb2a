//! Sets of CPUs. Several words wide from the start: one word would cap the whole design at 64.

use core::fmt;

use super::CpuId;
use crate::config::MAX_CPUS;

const WORDS: usize = MAX_CPUS / 64;

/// A set of CPUs, a plain value.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuMask([u64; WORDS]);

impl CpuMask {
    /// The empty set.
    pub const EMPTY: Self = Self([0; WORDS]);

    /// The empty set.
    pub const fn new() -> Self {
        Self::EMPTY
    }

    /// From its words, CPU 0 in bit 0 of the first.
    pub const fn from_words(words: [u64; WORDS]) -> Self {
        Self(words)
    }

    /// Its words, CPU 0 in bit 0 of the first.
    pub const fn words(&self) -> [u64; WORDS] {
        self.0
    }

    /// CPUs `0..n`.
    pub fn first(n: usize) -> Self {
        let word = |i: usize| match n.saturating_sub(i * 64) {
            bits @ 0..64 => (1 << bits) - 1,
            _ => u64::MAX,
        };
        Self(core::array::from_fn(word))
    }

    /// Adds a CPU; numbers outside the table are ignored.
    #[inline]
    pub fn insert(&mut self, cpu: CpuId) {
        if let Some(word) = self.0.get_mut(cpu.index() / 64) {
            *word |= 1 << (cpu.0 % 64);
        }
    }

    /// Takes a CPU out.
    pub fn remove(&mut self, cpu: CpuId) {
        if let Some(word) = self.0.get_mut(cpu.index() / 64) {
            *word &= !(1 << (cpu.0 % 64));
        }
    }

    /// True if the CPU is in the set.
    #[inline]
    pub fn contains(&self, cpu: CpuId) -> bool {
        self.0.get(cpu.index() / 64).is_some_and(|w| w >> (cpu.0 % 64) & 1 == 1)
    }

    /// How many CPUs are in the set.
    pub fn len(&self) -> usize {
        self.0.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// True if no CPU is in the set.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; WORDS]
    }

    /// The CPUs in rising order.
    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: &self.0[1..], bits: self.0[0], base: 0 }
    }

    /// CPUs in both sets.
    pub fn and(&self, other: &Self) -> Self {
        Self(core::array::from_fn(|i| self.0[i] & other.0[i]))
    }

    /// CPUs in either set.
    pub fn or(&self, other: &Self) -> Self {
        Self(core::array::from_fn(|i| self.0[i] | other.0[i]))
    }

    /// CPUs of this set that are not in the other.
    pub fn and_not(&self, other: &Self) -> Self {
        Self(core::array::from_fn(|i| self.0[i] & !other.0[i]))
    }

    /// The set as ranges for people: `1-3,7`.
    pub fn ranges(&self) -> Ranges<'_> {
        Ranges(self)
    }
}

/// The CPUs of a [`CpuMask`] in rising order.
#[derive(Clone)]
pub struct Iter<'a> {
    /// Words not begun yet.
    rest: &'a [u64],
    /// What is left of the word under way.
    bits: u64,
    /// The CPU in bit 0 of that word.
    base: u16,
}

impl Iterator for Iter<'_> {
    type Item = CpuId;

    #[inline]
    fn next(&mut self) -> Option<CpuId> {
        while self.bits == 0 {
            let (&next, rest) = self.rest.split_first()?;
            (self.bits, self.rest, self.base) = (next, rest, self.base + 64);
        }
        let bit = self.bits.trailing_zeros() as u16;
        self.bits &= self.bits - 1;
        Some(CpuId(self.base + bit))
    }
}

impl FromIterator<CpuId> for CpuMask {
    #[inline]
    fn from_iter<I: IntoIterator<Item = CpuId>>(cpus: I) -> Self {
        let mut mask = Self::new();
        cpus.into_iter().for_each(|cpu| mask.insert(cpu));
        mask
    }
}

impl fmt::Debug for CpuMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", self.ranges())
    }
}

/// Writes a [`CpuMask`] as ranges.
pub struct Ranges<'a>(&'a CpuMask);

impl fmt::Display for Ranges<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cpus = self.0.iter().peekable();
        let mut separator = "";
        while let Some(first) = cpus.next() {
            let mut last = first;
            while let Some(next) = cpus.next_if(|c| c.0 == last.0 + 1) {
                last = next;
            }
            write!(f, "{separator}{first}")?;
            if last != first {
                write!(f, "-{last}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;
    use std::vec::Vec;

    use super::*;

    fn mask(cpus: &[u16]) -> CpuMask {
        cpus.iter().map(|&c| CpuId(c)).collect()
    }

    #[test]
    fn ranges_join_neighbours_across_words() {
        assert_eq!(mask(&[0, 62, 63, 64, 65, 511]).ranges().to_string(), "0,62-65,511");
        assert_eq!(CpuMask::new().ranges().to_string(), "");
    }

    #[test]
    fn the_last_cpu_fits_and_the_next_is_ignored() {
        let m = mask(&[511, 512]);
        assert_eq!(m.len(), 1);
        assert!(m.contains(CpuId(511)) && !m.contains(CpuId(512)));
        for n in [0, 1, 63, 64, 65, 511, 512, 600] {
            let first: Vec<_> = CpuMask::first(n).iter().map(|cpu| usize::from(cpu.0)).collect();
            assert_eq!(first, (0..n.min(512)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn differences_and_intersections_agree_with_a_plain_set() {
        let (a, b) = (mask(&[1, 2, 3, 200]), mask(&[2, 200, 300]));
        assert_eq!(a.and(&b), mask(&[2, 200]));
        assert_eq!(a.and_not(&b), mask(&[1, 3]));
        assert_eq!(a.or(&b), mask(&[1, 2, 3, 200, 300]));
    }
}
