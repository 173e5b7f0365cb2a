//! Choices that a seed repeats.

use crate::cpu::{CpuId, CpuMask};

/// SplitMix64 (Steele, Lea, Flood 2014): every seed is as good as any other.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `end`; 0 if that is 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.next() % end as u64) as usize }
    }

    /// True once in `n` times.
    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of the elements.
    pub(super) fn one_of<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        of.get(self.below(of.len())).copied()
    }

    /// Some of a set, at least one if there is one: often a single one or all.
    pub(super) fn some_of(&mut self, set: &CpuMask) -> CpuMask {
        match self.below(4) {
            0 => *set,
            1 => set.iter().nth(self.below(set.len())).into_iter().collect(),
            _ => {
                let some: CpuMask = set.iter().filter(|_| self.one_in(2)).collect();
                let first: fn(CpuMask) -> CpuMask = |all| all.iter().take(1).collect();
                if some.is_empty() { first(*set) } else { some }
            }
        }
    }

    /// A CPU of a machine that has so many.
    pub(super) fn cpu(&mut self, cpus: usize) -> CpuId {
        CpuId(self.below(cpus) as u16)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_choices_and_another_makes_others() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            core::array::from_fn::<u64, 8, _>(|_| random.next())
        };
        assert_eq!(draw(5), draw(5));
        assert_ne!(draw(5), draw(6));
    }

    #[test]
    fn some_of_a_set_are_some_of_it() {
        let (mut random, set) = (Random::new(1), CpuMask::from_iter([CpuId(3), CpuId(9)]));
        let mut sizes = [0; 3];
        for _ in 0..200 {
            let some = random.some_of(&set);
            assert!(some.and_not(&set).is_empty());
            sizes[some.len()] += 1;
        }
        assert!(sizes[0] == 0 && sizes[1] > 20 && sizes[2] > 20, "{sizes:?}");
        assert!(random.some_of(&CpuMask::new()).is_empty());
    }
}
