//! The range of each value that crosses the jump. The seal tells a page that was written in full
//! from anything else, and not which kernel wrote it. What is out of range would be counted with, or
//! printed as if it had been measured.

use super::record::FactKind::{
    Cycle, Grace, Jump, Names, Parked, Script, Stress, Teardown, Verify,
};
use super::{Farewell, HandoverError};
use crate::cpu::CpuMask;
use crate::options::MAX_TICK_HZ;
use crate::report::is_forbidden;

/// The last generation: there is a number for the next one.
const MAX_GENERATION: u32 = u32::MAX - 1;

/// Physical addresses have 48 bits, so no jump moves more bytes.
const MAX_BYTES: u64 = 1 << 48;

/// Most interrupts that can have been sent: a billion a second, for a year.
const MAX_INTERRUPTS: u64 = 1 << 55;

impl Farewell {
    /// Holds each value against its range. `cpus` is how many CPUs the kernel that says farewell
    /// had, `jump_at` when it jumped, and `now` this kernel's first counter read, ticks.
    ///
    /// # Errors
    /// [`HandoverError::Range`] names the first value that is out of range.
    pub(super) fn check(&self, cpus: usize, jump_at: u64, now: u64) -> Result<(), HandoverError> {
        // Nothing that was measured took longer than from the first act to the jump.
        let whole = jump_at.saturating_sub(self.exec_at);
        let spans = self.spans;
        let spans = [
            spans.migrate,
            spans.online_down,
            spans.grace,
            spans.stop,
            spans.off,
            spans.dead,
            self.teardown_total,
        ];
        let cycle = self.cycle;
        let jumps = if cycle.asked == 0 { 0..=0 } else { 1..=cycle.asked };
        let interrupts = [self.stress.sent, self.stress.handled];
        let rules = [
            (Jump, "the generation", self.generation <= MAX_GENERATION),
            (Jump, "the time of exec", self.exec_at <= jump_at),
            (Jump, "the time of the jump", jump_at <= now),
            (Jump, "the number of bytes moved", self.bytes_copied <= MAX_BYTES),
            (Parked, "the number of a CPU", self.parked.and_not(&CpuMask::first(cpus)).is_empty()),
            (Teardown, "the number of CPUs", (self.cpus as usize) < cpus),
            (Teardown, "a time", spans.into_iter().all(|span| span <= whole)),
            (Grace, "the ticks of a second", self.tick_hz.is_none_or(|hz| hz <= MAX_TICK_HZ)),
            (Verify, "the time", self.verify.is_none_or(|ticks| ticks <= whole)),
            (Cycle, "the number of jumps done", jumps.contains(&cycle.done)),
            (Stress, "the number of interrupts", interrupts.iter().all(|&n| n <= MAX_INTERRUPTS)),
            (Script, "a character", !self.script.contains(is_forbidden)),
            (
                Names,
                "a character",
                ![&self.from, &self.to].iter().any(|n| n.contains(char::is_control)),
            ),
        ];
        let wrong = rules.into_iter().find(|(_, _, within)| !within);
        wrong.map_or(Ok(()), |(kind, what, _)| Err(HandoverError::Range { kind, what }))
    }
}
