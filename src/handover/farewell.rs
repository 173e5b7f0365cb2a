//! What a kernel tells its successor.

use alloc::borrow::Cow;
use alloc::string::String;

use super::facts::{
    GraceFact, JumpFact, NamesFact, ParkedFact, QuiescedFact, RingsFact, ScriptFact, TeardownFact,
    VerifyFact,
};
use super::record::{Fact, FactIndex, FactWriter};
use super::{CycleCount, HandoverError, StressCount};
use crate::cpu::CpuMask;
use crate::report::{Grace, TeardownMode};
use crate::sync::words::Word;
use crate::trace::Spans;

/// What a kernel tells its successor. Times are ticks of the generic counter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Farewell {
    /// Kexecs behind the kernel that says farewell.
    pub generation: u32,
    /// When `kexec exec` was accepted.
    pub exec_at: u64,
    /// Bytes that the jump moves.
    pub bytes_copied: u64,
    /// How long a second look at what is loaded took, if there was one.
    pub verify: Option<u64>,
    /// How the CPUs were taken down.
    pub teardown: TeardownMode,
    /// With how many grace periods.
    pub grace: Grace,
    /// At how many modelled ticks a second these ended, if they did.
    pub tick_hz: Option<u32>,
    /// How many were.
    pub cpus: u32,
    /// Where the time went.
    pub spans: Spans,
    /// From the first act of the teardown to the last.
    pub teardown_total: u64,
    /// Where in a series of jumps this is.
    pub cycle: CycleCount,
    /// The stress.
    pub stress: StressCount,
    /// CPUs that firmware does not let go: parked for good in memory that the tree reserves.
    pub parked: CpuMask,
    /// Console commands that the successor goes on with.
    pub script: String,
    /// The machine was left quiet: the distributor is off, no interrupt is enabled or pending, timers
    /// and monitors are off. A kernel that says farewell always says so.
    pub quiesced: bool,
    /// The kernel that jumps.
    pub from: String,
    /// The next kernel, by the name of its image.
    pub to: String,
}

impl Farewell {
    /// Most words of all records, with their header words and the end record.
    pub(super) const WORDS: usize = {
        let payloads = [
            JumpFact::WORDS,
            QuiescedFact::WORDS,
            ParkedFact::WORDS,
            TeardownFact::WORDS,
            VerifyFact::WORDS,
            CycleCount::WORDS,
            StressCount::WORDS,
            ScriptFact::WORDS,
            NamesFact::WORDS,
            RingsFact::WORDS,
            GraceFact::WORDS,
        ];
        let (mut sum, mut i) = (payloads.len() + 1, 0);
        while i < payloads.len() {
            sum += payloads[i];
            i += 1;
        }
        sum
    };

    /// Lays the records down, and says how many words these take.
    pub(super) fn write(&self, words: &[Word]) -> usize {
        let mut to = FactWriter::new(words);
        let Self { generation, exec_at, bytes_copied, .. } = *self;
        to.fact(&JumpFact { generation, exec_at, bytes_copied });
        if self.quiesced {
            to.fact(&QuiescedFact);
        }
        to.fact(&ParkedFact(self.parked));
        to.fact(&TeardownFact {
            mode: self.teardown,
            cpus: self.cpus,
            total: self.teardown_total,
            spans: self.spans,
        });
        self.verify.into_iter().for_each(|ticks| to.fact(&VerifyFact(ticks)));
        to.fact(&self.cycle);
        to.fact(&self.stress);
        to.fact(&ScriptFact(Cow::Borrowed(&self.script)));
        to.fact(&NamesFact { from: Cow::Borrowed(&self.from), to: Cow::Borrowed(&self.to) });
        to.fact(&RingsFact::OURS);
        let grace = GraceFact { grace: self.grace, tick_hz: self.tick_hz };
        if grace != GraceFact::of(self.teardown) {
            to.fact(&grace);
        }
        to.end()
    }

    /// From the records.
    ///
    /// # Errors
    /// [`HandoverError::Missing`] and [`HandoverError::Malformed`].
    pub(super) fn read(facts: &FactIndex<'_>) -> Result<Self, HandoverError> {
        let JumpFact { generation, exec_at, bytes_copied } = facts.need()?;
        let ParkedFact(parked) = facts.need()?;
        let TeardownFact { mode, cpus, total, spans } = facts.need()?;
        let GraceFact { grace, tick_hz } = facts.find()?.unwrap_or(GraceFact::of(mode));
        let ScriptFact(script) = facts.find()?.unwrap_or_default();
        let NamesFact { from, to } = facts.find()?.unwrap_or_default();
        Ok(Self {
            generation,
            exec_at,
            bytes_copied,
            verify: facts.find()?.map(|VerifyFact(ticks)| ticks),
            teardown: mode,
            grace,
            tick_hz,
            cpus,
            spans,
            teardown_total: total,
            cycle: facts.find()?.unwrap_or_default(),
            stress: facts.find()?.unwrap_or_default(),
            parked,
            quiesced: facts.find::<QuiescedFact>()?.is_some(),
            script: script.into_owned(),
            from: from.into_owned(),
            to: to.into_owned(),
        })
    }
}
