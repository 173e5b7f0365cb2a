//! A jump in one record; which records belong to a jump, which to a trace.

use serde::{Deserialize, Serialize};

use super::{BringupAt, Name, Quantiles, Record, TeardownAt, TeardownMode};

/// The jump that led to this kernel, in one record: in place of `teardown`, `kexec`, `bringup`, `cycle`
/// and `hello` with `report=brief`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// Kexecs behind this kernel.
    pub generation: u32,
    /// CPUs of the machine.
    pub cpus: u32,
    /// CPUs online.
    pub online: u32,
    /// How the CPUs were taken down: serial or parallel.
    pub teardown: Name<TeardownMode>,
    /// Where in a series: kexecs done, and asked for; 0 of 0 outside a series.
    pub done: u32,
    /// See `done`.
    pub asked: u32,
    /// The teardown.
    pub down_ns: u64,
    /// As in `kexec`.
    pub exec_to_jump_ns: u64,
    /// As in `kexec`.
    pub jump_to_entry_ns: u64,
    /// As in `kexec`.
    pub entry_to_online_ns: u64,
    /// As in `kexec`.
    pub blackout_ns: u64,
    /// How long the CPUs were away; absent if no events of any are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage_ns: Option<Quantiles>,
}

impl Record {
    /// True for the records of `timeline --json`: those of one step, mark or phase.
    pub const fn is_of_a_trace(&self) -> bool {
        matches!(self, Self::Step(_) | Self::Mark(_) | Self::Phase(_))
    }
}

impl Record {
    /// True for the records that a kernel prints of the jump that led to it: those for which
    /// [`Brief`] stands with `report=brief`.
    pub fn is_of_a_jump(&self) -> bool {
        match self {
            Self::Hello(hello) => hello.generation > 0,
            Self::Bringup(bringup) => bringup.at == BringupAt::Boot && bringup.generation > 0,
            Self::Teardown(teardown) => teardown.at == TeardownAt::Kexec,
            Self::Kexec(_) | Self::Cycle(_) | Self::Interrupts(_) => true,
            _ => false,
        }
    }
}

/// The kind of a kexec as a number, for results: how CPUs were taken down, and whether the next kernel
/// was told the machine.
pub const fn trace_tag(teardown: TeardownMode, told: bool) -> u8 {
    teardown as u8 | (!told as u8) << 1
}

/// What [`trace_tag`] says of the next kernel.
pub const fn is_told(tag: u8) -> bool {
    tag & 2 == 0
}
