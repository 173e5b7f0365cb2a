//! Why the floor could not be measured.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::cpu::{CpuId, CpuMask};
use crate::machine::PsciError;

/// Why the floor could not be measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FloorError {
    /// Firmware refused CPU_ON.
    Refused {
        /// Whose.
        cpu: CpuId,
        /// What firmware answered.
        why: PsciError,
    },
    /// CPU_ON was accepted, and these have run no instruction within so many milliseconds.
    NoShow(Vec<CpuId>, u64),
    /// These have called CPU_OFF, and firmware did not say OFF within so many milliseconds.
    StillOn(Vec<CpuId>, u64),
    /// CPU_OFF came back on these: they are parked.
    Denied(Vec<(CpuId, PsciError)>),
}

impl FloorError {
    /// The CPUs that are parked for good.
    pub fn parked(&self) -> CpuMask {
        match self {
            Self::Denied(cpus) => cpus.iter().map(|(cpu, _)| *cpu).collect(),
            _ => CpuMask::new(),
        }
    }
}

fn ranges(cpus: &[CpuId]) -> String {
    cpus.iter().copied().collect::<CpuMask>().ranges().to_string()
}

impl fmt::Display for FloorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { cpu, why } => write!(f, "CPU_ON of cpu {cpu}: {why}"),
            Self::NoShow(cpus, ms) => {
                write!(f, "CPU {} ran no instruction within {ms} ms of CPU_ON", ranges(cpus))
            }
            Self::StillOn(cpus, ms) => {
                write!(f, "CPU {} is not OFF {ms} ms after CPU_OFF", ranges(cpus))
            }
            Self::Denied(cpus) => {
                let named: Vec<String> =
                    cpus.iter().map(|(cpu, why)| alloc::format!("cpu {cpu}: {why}")).collect();
                write!(f, "CPU_OFF came back on {}; parked for good", named.join(", "))
            }
        }
    }
}
