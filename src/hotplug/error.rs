//! Why a step can fail, small enough to cross from CPU to CPU in one word.

use core::fmt;

use super::steps;
use crate::trace::{Dir, StepId};

/// Why a hotplug step failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum StepError {
    /// Asked for by fault injection.
    Injected = 1,
    /// No memory for stacks or per-CPU area.
    NoMemory,
    /// The step before it, which it needs, was not run.
    NotPrepared,
    /// No redistributor frame has this CPU's affinity.
    NoRedistributor,
    /// The redistributor did not wake up in time.
    RedistributorAsleep,
    /// The redistributor did not go to sleep in time.
    RedistributorAwake,
    /// MPIDR_EL1 is not what the description says.
    WrongMpidr,
    /// Entered at another exception level than the boot CPU.
    WrongLevel,
    /// A feature that the boot CPU has is missing.
    MissingFeature,
    /// An interrupt's route did not read back as written.
    RouteRejected,
    /// Work is queued that can run on no other CPU.
    PinnedWork,
    /// A code that this kernel does not know.
    Unknown,
}

impl StepError {
    const ALL: [Self; 12] = [
        Self::Injected,
        Self::NoMemory,
        Self::NotPrepared,
        Self::NoRedistributor,
        Self::RedistributorAsleep,
        Self::RedistributorAwake,
        Self::WrongMpidr,
        Self::WrongLevel,
        Self::MissingFeature,
        Self::RouteRejected,
        Self::PinnedWork,
        Self::Unknown,
    ];

    fn from_u8(code: u8) -> Self {
        Self::ALL.into_iter().find(|e| *e as u8 == code).unwrap_or(Self::Unknown)
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Injected => "injected failure",
            Self::NoMemory => "no memory for its stacks",
            Self::NotPrepared => "it was not prepared",
            Self::NoRedistributor => "no GIC redistributor has its affinity",
            Self::RedistributorAsleep => "its GIC redistributor did not wake",
            Self::RedistributorAwake => "its GIC redistributor did not go to sleep",
            Self::WrongMpidr => "its MPIDR_EL1 is not the one asked for",
            Self::WrongLevel => "it came in at another exception level than the boot CPU",
            Self::MissingFeature => "it lacks a feature that the boot CPU has",
            Self::RouteRejected => "an interrupt's route did not take",
            Self::PinnedWork => "work waits that can run on no other CPU",
            Self::Unknown => "unknown error",
        })
    }
}

/// Which step failed, in which direction, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StepFailure {
    /// The step.
    pub step: StepId,
    /// Up or down.
    pub dir: Dir,
    /// Why.
    pub error: StepError,
}

impl StepFailure {
    /// As a word that is never zero.
    pub(super) fn to_word(self) -> u32 {
        u32::from(self.step.0) << 16 | u32::from(self.dir as u8) << 8 | u32::from(self.error as u8)
    }

    /// From the word; `None` for zero.
    pub(super) fn from_word(word: u32) -> Option<Self> {
        let dir = if word >> 8 & 1 == 0 { Dir::Up } else { Dir::Down };
        let error = StepError::from_u8(word as u8);
        (word != 0).then_some(Self { step: StepId((word >> 16) as u8), dir, error })
    }
}

impl fmt::Display for StepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} {}: {}", steps::name(self.step), self.dir.name(), self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_crosses_in_one_word() {
        for error in StepError::ALL {
            for dir in [Dir::Up, Dir::Down] {
                let failure = StepFailure { step: StepId(9), dir, error };
                assert_eq!(StepFailure::from_word(failure.to_word()), Some(failure));
            }
        }
        assert_eq!(StepFailure::from_word(0), None);
    }
}
