//! What can be wrong with one CPU and its firmware.

use std::collections::VecDeque;

use baton::machine::{PsciError, StepError};
use baton::trace::{Dir, Mark, StepId};

/// What becomes of a CPU_ON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Refused.
    Refused(PsciError),
    /// Accepted; the CPU comes so many ticks later than usual.
    Late(u64),
    /// Accepted and never carried out: ON_PENDING for ever.
    Never,
    /// Accepted and forgotten: the CPU stays OFF.
    Swallowed,
    /// Accepted and late, and meanwhile firmware says OFF and accepts another CPU_ON.
    LateAndOff(u64),
}

/// A method of the seam that can fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    Prepare,
    Check,
    GicUp,
    GicDown,
    /// An interrupt's route to this CPU.
    Route,
}

/// What waits to go wrong, each thing once.
#[derive(Clone, Default, Debug)]
pub struct Faults {
    /// What the next CPU_ONs answer; when empty, all is well.
    pub on: VecDeque<Answer>,
    /// What AFFINITY_INFO says from now on, instead of the state.
    pub info: Option<PsciError>,
    /// How many CPU_OFFs are denied.
    pub deny_off: u32,
    /// How long firmware says ON after CPU_OFF, ticks.
    pub off_lag: u64,
    /// It stops for good with the first thing it does after this mark.
    pub lose_after: Option<Mark>,
    /// It stops for good instead of its next IPI but so many.
    pub lose_at_wake: Option<u32>,
    /// It stops for good when it begins this step.
    pub lose_in: Option<(StepId, Dir)>,
    /// The next failures of steps that are about this CPU.
    pub steps: Vec<(Act, StepError)>,
}

impl Faults {
    /// The failure that waits for this act, used up.
    pub fn take(&mut self, act: Act) -> Result<(), StepError> {
        match self.steps.iter().position(|(a, _)| *a == act) {
            Some(i) => Err(self.steps.remove(i).1),
            None => Ok(()),
        }
    }
}
