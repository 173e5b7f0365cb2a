//! Which step failed and why, small enough to cross from CPU to CPU in one word.

use core::fmt;

use super::steps;
use crate::machine::StepError;
use crate::trace::{Dir, StepId};

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
    /// As a word that is never zero: no [`StepError`] has the number 0. So 0 stands for "no
    /// failure" in the CPU's cell.
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
