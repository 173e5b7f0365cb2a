//! What came of a bring-up or a teardown.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::StepFailure;
use crate::cpu::{CpuId, CpuMask};
use crate::machine::{Affinity, PsciError};
use crate::trace::{Mark, Spans};

/// Why a CPU did not come or did not leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// CPU_ON was refused.
    CpuOn(PsciError),
    /// The CPU was not seen before the deadline; what AFFINITY_INFO says now.
    Missing(Result<Affinity, PsciError>),
    /// A step failed.
    Step(StepFailure),
    /// The CPU is not at a mark from which the operation can begin.
    NotReady,
    /// The CPU has set its last mark before CPU_OFF, and firmware still says ON.
    StillOn(Result<Affinity, PsciError>),
    /// Firmware denied CPU_OFF; the CPU is parked.
    OffDenied,
    /// The CPU kept a grace period from ending.
    Reading,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CpuOn(e) => write!(f, "CPU_ON: {e}"),
            Self::Missing(info) => {
                write!(f, "not seen before the deadline; AFFINITY_INFO: {}", show(info))
            }
            Self::Step(failure) => failure.fmt(f),
            Self::NotReady => f.write_str("it is not at a mark where this can begin"),
            Self::StillOn(info) => write!(f, "AFFINITY_INFO still says {}", show(info)),
            Self::Reading => f.write_str("a read side that does not end holds up a grace period"),
            Self::OffDenied => f.write_str("CPU_OFF: DENIED; parked"),
        }
    }
}

fn show(info: &Result<Affinity, PsciError>) -> String {
    match info {
        Ok(Affinity::On) => "ON".to_string(),
        Ok(Affinity::Off) => "OFF".to_string(),
        Ok(Affinity::OnPending) => "ON_PENDING".to_string(),
        Err(e) => e.to_string(),
    }
}

/// One CPU that did not come or did not leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The CPU.
    pub cpu: CpuId,
    /// The mark that the CPU had reached.
    pub mark: Mark,
    /// Why.
    pub why: Why,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cpu {} at {}: {}", self.cpu, self.mark, self.why)
    }
}

/// A bring-up: which CPUs came, which did not, and when (ticks from the first act of the bring-up).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BringupOutcome {
    /// CPUs that are ONLINE now and were asked to be.
    pub online: CpuMask,
    /// The others.
    pub failed: Vec<Failure>,
    /// Until the last CPU_ON had returned.
    pub kick: u64,
    /// Until the last of `online` was ALIVE.
    pub alive: u64,
    /// Until the last of `online` was ONLINE.
    pub last_online: u64,
}

/// A teardown: which CPUs left, which did not, and where the time went.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TeardownOutcome {
    /// CPUs confirmed OFF.
    pub off: CpuMask,
    /// CPUs that did not leave. If some step refused, `off` is empty and all are online again.
    pub stuck: Vec<Failure>,
    /// Steps that failed where that changes nothing any more: dying steps, and work for the dead.
    pub noted: Vec<Failure>,
    /// Where the time went.
    pub spans: Spans,
    /// From the first act to the last, ticks.
    pub total: u64,
}

impl TeardownOutcome {
    /// CPUs that can't be turned off, and are parked in memory that no other owner overwrites.
    pub fn quarantined(&self) -> CpuMask {
        let parked = self.stuck.iter().filter(|f| f.why == Why::OffDenied);
        parked.map(|f| f.cpu).collect()
    }

    /// True if every CPU is OFF or in quarantine.
    pub fn clean(&self) -> bool {
        self.stuck.len() == self.quarantined().len()
    }
}
