//! The records of a timeline: what `timeline --json` prints.

use serde::{Deserialize, Serialize};

use super::Name;
use crate::trace::{Dir, Mark, Phase, StepName};

/// One hotplug step of one CPU.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Logical number.
    pub cpu: u32,
    /// Name of the step.
    pub step: Name<StepName>,
    /// up or down.
    pub dir: Name<Dir>,
    /// Counter at its begin.
    pub begin_ns: u64,
    /// Counter at its end.
    pub end_ns: u64,
    /// Kexecs behind the kernel that ran the step.
    pub generation: u32,
}

/// A CPU reached a mark.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct MarkAt {
    /// Logical number.
    pub cpu: u32,
    /// Name of the mark.
    pub mark: Name<Mark>,
    /// up or down.
    pub dir: Name<Dir>,
    /// Counter when the mark was reached.
    pub at_ns: u64,
    /// Kexecs behind the recording kernel.
    pub generation: u32,
}

/// A phase of the boot CPU.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct PhaseSpan {
    /// Logical number of the boot CPU.
    pub cpu: u32,
    /// Name of the phase.
    pub phase: Name<Phase>,
    /// up or down.
    pub dir: Name<Dir>,
    /// Counter at its begin.
    pub begin_ns: u64,
    /// Counter at its end.
    pub end_ns: u64,
    /// Kexecs behind the recording kernel.
    pub generation: u32,
}
