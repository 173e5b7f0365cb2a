//! The facts that cross the jump, a type for each kind of record. Times are ticks of the generic
//! counter. A missing record is either an error or has the default that is told here.

use alloc::borrow::Cow;

use super::record::{Fact, FactKind, FactReader, FactWriter, text_words};
use crate::config::{BOOT_TRACE_EVENTS, MAX_CPUS, MAX_SCRIPT, TRACE_EVENTS};
use crate::cpu::CpuMask;
use crate::report::{Grace, TeardownMode};
use crate::trace::{EVENT_LAYOUT, NAMES_SUM, Spans};

/// Longest name of a kernel or image.
const MAX_NAME: usize = 96;

/// Which kernel jumps. Missing: an error, since without the generation the banks of rings and the
/// generation of this kernel would be guesses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct JumpFact {
    pub(super) generation: u32,
    pub(super) exec_at: u64,
    pub(super) bytes_copied: u64,
}

impl Fact for JumpFact {
    const KIND: FactKind = FactKind::Jump;
    const WORDS: usize = 3;

    fn write(&self, to: &mut FactWriter<'_>) {
        to.word(self.generation.into());
        to.word(self.exec_at);
        to.word(self.bytes_copied);
    }

    fn read(from: &mut FactReader<'_>) -> Option<Self> {
        let generation = from.number()?;
        Some(Self { generation, exec_at: from.word()?, bytes_copied: from.word()? })
    }
}

/// The promise that the machine is quiet: the distributor is off, no interrupt is enabled or
/// pending, timers and monitors are off. Missing: no such promise, so that the next kernel looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct QuiescedFact;

impl Fact for QuiescedFact {
    const KIND: FactKind = FactKind::Quiesced;
    const WORDS: usize = 0;

    fn write(&self, _to: &mut FactWriter<'_>) {}

    fn read(_from: &mut FactReader<'_>) -> Option<Self> {
        Some(Self)
    }
}

/// CPUs that are parked for good. Missing: an error, not "none": such a CPU may be anywhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ParkedFact(pub(super) CpuMask);

impl Fact for ParkedFact {
    const KIND: FactKind = FactKind::Parked;
    const WORDS: usize = MAX_CPUS / 64;

    fn write(&self, to: &mut FactWriter<'_>) {
        self.0.words().into_iter().for_each(|word| to.word(word));
    }

    fn read(from: &mut FactReader<'_>) -> Option<Self> {
        let mut words = CpuMask::EMPTY.words();
        for word in &mut words {
            *word = from.word()?;
        }
        Some(Self(CpuMask::from_words(words)))
    }
}

/// How the CPUs were taken down. Missing: an error, since zeros would be printed as measured times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TeardownFact {
    pub(super) mode: TeardownMode,
    pub(super) cpus: u32,
    pub(super) total: u64,
    pub(super) spans: Spans,
}

impl Fact for TeardownFact {
    const KIND: FactKind = FactKind::Teardown;
    const WORDS: usize = 9;

    fn write(&self, to: &mut FactWriter<'_>) {
        let Spans { migrate, online_down, grace, stop, off, dead } = self.spans;
        to.word((self.mode == TeardownMode::Parallel).into());
        to.word(self.cpus.into());
        to.word(self.total);
        [migrate, online_down, grace, stop, off, dead].into_iter().for_each(|span| to.word(span));
    }

    fn read(from: &mut FactReader<'_>) -> Option<Self> {
        let mode = if from.flag()? { TeardownMode::Parallel } else { TeardownMode::Serial };
        let (cpus, total) = (from.number()?, from.word()?);
        let spans = Spans {
            migrate: from.word()?,
            online_down: from.word()?,
            grace: from.word()?,
            stop: from.word()?,
            off: from.word()?,
            dead: from.word()?,
        };
        Some(Self { mode, cpus, total, spans })
    }
}

/// The grace periods of the teardown. Missing: those of its mode, which end when they are over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct GraceFact {
    pub(super) grace: Grace,
    pub(super) tick_hz: Option<u32>,
}

impl GraceFact {
    /// What a missing record stands for.
    pub(super) const fn of(mode: TeardownMode) -> Self {
        Self { grace: mode.grace(), tick_hz: None }
    }
}

impl Fact for GraceFact {
    const KIND: FactKind = FactKind::Grace;
    const WORDS: usize = 2;

    fn write(&self, to: &mut FactWriter<'_>) {
        to.word((self.grace == Grace::Once).into());
        to.word(self.tick_hz.unwrap_or(0).into());
    }

    fn read(from: &mut FactReader<'_>) -> Option<Self> {
        let grace = if from.flag()? { Grace::Once } else { Grace::Each };
        let hz = from.number()?;
        Some(Self { grace, tick_hz: (hz > 0).then_some(hz) })
    }
}

/// How long the second look at what is loaded took. Missing: there was none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct VerifyFact(pub(super) u64);

impl Fact for VerifyFact {
    const KIND: FactKind = FactKind::Verify;
    const WORDS: usize = 1;

    fn write(&self, to: &mut FactWriter<'_>) {
        to.word(self.0);
    }

    fn read(from: &mut FactReader<'_>) -> Option<Self> {
        from.word().map(Self)
    }
}

/// How many jumps of a cycle are done: a console command may ask for several jumps. Missing: this
/// was no cycle.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CycleCount {
    /// Jumps done, the one that leads here included.
    pub done: u32,
    /// Jumps asked for; 0 if this was no cycle.
    pub asked: u32,
}

impl Fact for CycleCount {
    const KIND: FactKind = FactKind::Cycle;
    const WORDS: usize = 2;

    fn write(&self, to: &mut FactWriter<'_>) {
        to.word(self.done.into());
        to.word(self.asked.into());
    }

    fn read(from: &mut FactReader<'_>) -> Option<Self> {
        Some(Self { done: from.number()?, asked: from.number()? })
    }
}

/// What the stress has done so far, in all kernels since first switched on. Missing: the stress is off,
/// and has sent nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StressCount {
    /// The stress is on, and goes on in the next kernel.
    pub on: bool,
    /// Interrupts sent.
    pub sent: u64,
    /// Interrupts handled.
    pub handled: u64,
}

impl Fact for StressCount {
    const KIND: FactKind = FactKind::Stress;
    const WORDS: usize = 3;

    fn write(&self, to: &mut FactWriter<'_>) {
        to.word(self.on.into());
        to.word(self.sent);
        to.word(self.handled);
    }

    fn read(from: &mut FactReader<'_>) -> Option<Self> {
        Some(Self { on: from.flag()?, sent: from.word()?, handled: from.word()? })
    }
}

/// Console commands that the next kernel goes on with. Missing: none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct ScriptFact<'a>(pub(super) Cow<'a, str>);

impl Fact for ScriptFact<'_> {
    const KIND: FactKind = FactKind::Script;
    const WORDS: usize = text_words(MAX_SCRIPT);

    fn write(&self, to: &mut FactWriter<'_>) {
        to.text(&self.0, MAX_SCRIPT);
    }

    fn read(from: &mut FactReader<'_>) -> Option<Self> {
        Some(Self(from.text(MAX_SCRIPT)?.into()))
    }
}

/// The names of both kernels, for people. Missing: empty names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct NamesFact<'a> {
    pub(super) from: Cow<'a, str>,
    pub(super) to: Cow<'a, str>,
}

impl Fact for NamesFact<'_> {
    const KIND: FactKind = FactKind::Names;
    const WORDS: usize = 2 * text_words(MAX_NAME);

    fn write(&self, to: &mut FactWriter<'_>) {
        to.text(&self.from, MAX_NAME);
        to.text(&self.to, MAX_NAME);
    }

    fn read(from: &mut FactReader<'_>) -> Option<Self> {
        Some(Self { from: from.text(MAX_NAME)?.into(), to: from.text(MAX_NAME)?.into() })
    }
}

/// How the trace rings are laid out, and what their events mean. Missing, malformed or another than
/// [`Self::OURS`]: the rings of the kernel before are read as empty. If they lie elsewhere, it is not
/// known either which CPU had which number, so no CPU is taken for parked; the next kernel asks
/// firmware, and finds such a CPU on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RingsFact {
    event_layout: u64,
    names_sum: u64,
    boot_events: u64,
    events: u64,
}

impl RingsFact {
    /// Those of this kernel.
    pub(super) const OURS: Self = Self {
        event_layout: EVENT_LAYOUT,
        names_sum: NAMES_SUM,
        boot_events: BOOT_TRACE_EVENTS as u64,
        events: TRACE_EVENTS as u64,
    };

    /// True if the rings lie where this kernel's would, whatever their events mean.
    pub(super) fn placed_as_ours(&self) -> bool {
        (self.boot_events, self.events) == (Self::OURS.boot_events, Self::OURS.events)
    }
}

impl Fact for RingsFact {
    const KIND: FactKind = FactKind::Rings;
    const WORDS: usize = 4;

    fn write(&self, to: &mut FactWriter<'_>) {
        let Self { event_layout, names_sum, boot_events, events } = *self;
        [event_layout, names_sum, boot_events, events].into_iter().for_each(|word| to.word(word));
    }

    fn read(from: &mut FactReader<'_>) -> Option<Self> {
        Some(Self {
            event_layout: from.word()?,
            names_sum: from.word()?,
            boot_events: from.word()?,
            events: from.word()?,
        })
    }
}
