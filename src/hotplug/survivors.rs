//! Who stays. Frozen before the first CPU leaves, and the only place from which a target of a
//! migration can be had: code that picks "any online CPU" has no [`Target`] to pass on.

use crate::config::MAX_CPUS;
use crate::cpu::{CpuId, CpuMask};
use crate::sync::atomic::{AtomicU64, Ordering};

/// The CPUs that stay while others leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Survivors(CpuMask);

/// A CPU that is known to stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target(CpuId);

impl Survivors {
    /// Those of `online` that are not leaving.
    pub fn freeze(online: &CpuMask, leaving: &CpuMask) -> Self {
        Self(online.and_not(leaving))
    }

    /// `preferred` if it stays, else the lowest CPU that does; `None` if nobody stays.
    pub fn target(&self, preferred: CpuId) -> Option<Target> {
        if self.0.contains(preferred) {
            return Some(Target(preferred));
        }
        self.0.iter().next().map(Target)
    }

    /// The set.
    pub fn mask(&self) -> &CpuMask {
        &self.0
    }
}

impl Target {
    /// Its number.
    pub fn cpu(self) -> CpuId {
        self.0
    }
}

/// Where the boot CPU lays the survivors down for the leaving CPUs to read.
pub(super) struct Frozen([AtomicU64; MAX_CPUS / 64]);

impl Default for Frozen {
    fn default() -> Self {
        Self(core::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Frozen {
    /// Lays them down. Boot CPU, before it asks the first CPU to leave; relaxed, because that
    /// request is what publishes them.
    pub(super) fn set(&self, survivors: &Survivors) {
        for (word, value) in self.0.iter().zip(survivors.0.words()) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// What was laid down, for a CPU that was asked to leave.
    pub(super) fn get(&self) -> Survivors {
        Survivors(CpuMask::from_words(core::array::from_fn(|i| self.0[i].load(Ordering::Relaxed))))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_never_a_leaving_cpu() {
        let leaving = CpuMask::from_iter([CpuId(0), CpuId(2)]);
        let s = Survivors::freeze(&CpuMask::first(4), &leaving);
        assert_eq!(s.target(CpuId(3)).map(Target::cpu), Some(CpuId(3)));
        assert_eq!(s.target(CpuId(2)).map(Target::cpu), Some(CpuId(1)));
        assert_eq!(Survivors::freeze(&leaving, &leaving).target(CpuId(0)), None);
    }
}
