//! The survivors of an operation: the boot CPU writes the two masks, the leaving and arriving CPUs
//! read.
//!
//! A leaving CPU reads the masks between the request to leave, which publishes them, and its
//! answer. The boot CPU writes them for the next teardown, or for the next CPU of a serial one,
//! only when no CPU owes an answer (`Hotplug::unanswered`). So all leaving CPUs of a teardown read
//! the same masks.

use crate::config::MAX_CPUS;
use crate::cpu::{CpuMask, Survivors};
use crate::sync::atomic::{AtomicU64, Ordering};

/// The mask of CPUs that stay and the mask of CPUs that leave.
#[derive(Default)]
pub struct Frozen {
    stay: MaskWords,
    leaving: MaskWords,
}

/// A set of CPUs that is written and read in place.
pub(super) struct MaskWords([AtomicU64; MAX_CPUS / 64]);

/// Read and written in place by the boot CPU alone.
impl MaskWords {
    /// Adds CPUs.
    pub(super) fn insert(&self, cpus: &CpuMask) {
        self.set(&self.get().or(cpus));
    }

    /// Takes CPUs out.
    pub(super) fn remove(&self, cpus: &CpuMask) {
        self.set(&self.get().and_not(cpus));
    }
}

impl Default for MaskWords {
    fn default() -> Self {
        Self(core::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl MaskWords {
    pub(super) fn set(&self, mask: &CpuMask) {
        for (word, value) in self.0.iter().zip(mask.words()) {
            word.store(value, Ordering::Relaxed);
        }
    }

    pub(super) fn get(&self) -> CpuMask {
        CpuMask::from_words(core::array::from_fn(|i| self.0[i].load(Ordering::Relaxed)))
    }
}

impl Frozen {
    /// Writes both masks. Boot CPU, before the first CPU is asked to leave or kicked. Relaxed: the
    /// request word (`Remote::ask`) or the mark word (`Remote::begin_start`) publishes the masks.
    pub(super) fn set(&self, survivors: &Survivors) {
        self.stay.set(survivors.mask());
        self.leaving.set(survivors.leaving());
    }

    /// The survivors, for a CPU that was asked to leave or to come up.
    pub(super) fn get(&self) -> Survivors {
        // The mask of survivors contains no leaving CPU, so freezing again removes none.
        Survivors::freeze(&self.stay.get(), &self.leaving.get())
    }
}
