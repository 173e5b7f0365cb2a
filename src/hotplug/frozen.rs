//! The survivors, where the boot CPU lays them down for the leaving CPUs to read.

use crate::config::MAX_CPUS;
use crate::cpu::{CpuMask, Survivors};
use crate::sync::atomic::{AtomicU64, Ordering};

/// Where the boot CPU lays the survivors down for the leaving CPUs to read.
#[derive(Default)]
pub(super) struct Frozen {
    stay: Words,
    leaving: Words,
}

struct Words([AtomicU64; MAX_CPUS / 64]);

impl Default for Words {
    fn default() -> Self {
        Self(core::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Words {
    fn set(&self, mask: &CpuMask) {
        for (word, value) in self.0.iter().zip(mask.words()) {
            word.store(value, Ordering::Relaxed);
        }
    }

    fn get(&self) -> CpuMask {
        CpuMask::from_words(core::array::from_fn(|i| self.0[i].load(Ordering::Relaxed)))
    }
}

impl Frozen {
    /// Lays them down. Boot CPU, before it asks the first CPU to leave; relaxed, because that
    /// request is what publishes them.
    pub(super) fn set(&self, survivors: &Survivors) {
        self.stay.set(survivors.mask());
        self.leaving.set(survivors.leaving());
    }

    /// What was laid down, for a CPU that was asked to leave.
    pub(super) fn get(&self) -> Survivors {
        // Those that stay are no leaving CPUs already, so freezing them again takes none away.
        Survivors::freeze(&self.stay.get(), &self.leaving.get())
    }
}
