//! Why a hotplug step can fail: the machine's own reasons, and those of the steps.

use core::fmt;

/// Why a hotplug step failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum StepError {
    /// Asked for by fault injection.
    Injected = 1,
    /// No memory for stacks or per-CPU area.
    NoMemory,
    /// An earlier step, on which this step depends, was not run.
    NotPrepared,
    /// No redistributor frame has this CPU's affinity.
    NoRedistributor,
    /// The redistributor did not wake up in time.
    RedistributorAsleep,
    /// The redistributor did not go to sleep in time.
    RedistributorAwake,
    /// MPIDR_EL1 is not what the device tree says.
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
    /// Every error.
    pub const ALL: [Self; 12] = [
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

    /// From its number; what this kernel does not know is [`StepError::Unknown`].
    pub fn from_u8(code: u8) -> Self {
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
