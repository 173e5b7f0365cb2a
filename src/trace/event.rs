//! The wire format of one trace event: two 64-bit words, shared by both kernels of a jump and by
//! the host tool.
//!
//! | bits of word 1 | field |
//! | --- | --- |
//! | 0..8 | kind: 1 step, 2 mark, 3 phase |
//! | 8..16 | which step, mark or phase |
//! | 16..18 | edge: 0 point, 1 begin, 2 end |
//! | 18 | direction: 0 up, 1 down |
//! | 24..40 | CPU |
//! | 40..64 | generation, low 24 bits |
//!
//! Word 0 is the generic counter, in ticks.

use core::num::NonZeroU64;

use super::{Dir, Mark, Phase};
use crate::cpu::CpuId;

/// Changes with the table above. What a step's, mark's or phase's number means is told by
/// [`super::NAMES_SUM`].
pub const EVENT_LAYOUT: u64 = 1;

/// A step's place in the step table, see [`crate::hotplug::steps`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct StepId(pub u8);

/// Begin or end of a span, or a point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Edge {
    /// A moment.
    Point,
    /// A span starts.
    Begin,
    /// A span ends.
    End,
}

/// What an event is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// A hotplug step, by its place in the table.
    Step(StepId),
    /// A mark was reached.
    Mark(Mark),
    /// A phase of the boot CPU.
    Phase(Phase),
}

/// One trace event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// The generic counter, ticks.
    pub at: u64,
    /// The CPU that the event is about (for prepare steps, not the CPU that ran the step).
    pub cpu: CpuId,
    /// How many kexecs lay behind the recording kernel (24 bits).
    pub generation: u32,
    /// Up or down.
    pub dir: Dir,
    /// Begin, end or a point.
    pub edge: Edge,
    /// The step, mark or phase.
    pub what: What,
}

/// An event without its time: word 1, which is never 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Untimed(NonZeroU64);

impl Untimed {
    /// What happens to a CPU, of this generation.
    #[inline]
    pub fn new(cpu: CpuId, generation: u32, dir: Dir, edge: Edge, what: What) -> Self {
        let (kind, code) = match what {
            What::Step(step) => (1, step.0),
            What::Mark(mark) => (2, mark as u8),
            What::Phase(phase) => (3, phase as u8),
        };
        let word = u64::from(code) << 8
            | (edge as u64) << 16
            | (dir as u64) << 18
            | u64::from(cpu.0) << 24
            | u64::from(generation & 0xff_ffff) << 40;
        Self(NonZeroU64::new(kind).unwrap_or(NonZeroU64::MIN) | word)
    }

    /// Of the same CPU and generation, about the begin or end of a step.
    #[inline]
    pub fn with_step(self, step: StepId, dir: Dir, edge: Edge) -> Self {
        self.with(1, step.0, dir, edge)
    }

    /// Of the same CPU and generation, about a mark that is reached.
    #[inline]
    pub fn with_mark(self, mark: Mark, dir: Dir) -> Self {
        self.with(2, mark as u8, dir, Edge::Point)
    }

    #[inline]
    fn with(self, kind: u64, code: u8, dir: Dir, edge: Edge) -> Self {
        let kept = self.0.get() & !0xff_ffff;
        let word = u64::from(code) << 8 | (edge as u64) << 16 | (dir as u64) << 18;
        Self(NonZeroU64::new(kind).unwrap_or(NonZeroU64::MIN) | word | kept)
    }

    /// The CPU that the event is about.
    #[inline]
    pub fn cpu(self) -> CpuId {
        CpuId((self.0.get() >> 24) as u16)
    }

    /// The two words of a ring's slot, for an event at time `at`.
    #[inline]
    pub fn encode(self, at: u64) -> [u64; 2] {
        [at, self.0.get()]
    }

    /// The event, at time `at`.
    pub fn at(self, at: u64) -> Option<Event> {
        Event::decode(self.encode(at))
    }
}

impl Event {
    /// The two words of a ring's slot.
    pub fn encode(&self) -> [u64; 2] {
        let Self { at, cpu, generation, dir, edge, what } = *self;
        Untimed::new(cpu, generation, dir, edge, what).encode(at)
    }

    /// Reads two words back; `None` if the words are no event (an empty or foreign slot).
    pub fn decode(words: [u64; 2]) -> Option<Self> {
        let [at, word] = words;
        let code = (word >> 8) as u8;
        let what = match word as u8 {
            1 => What::Step(StepId(code)),
            2 => What::Mark(Mark::from_u8(code)?),
            3 => What::Phase(Phase::from_u8(code)?),
            _ => return None,
        };
        let edge = [Edge::Point, Edge::Begin, Edge::End].get((word >> 16 & 3) as usize).copied()?;
        let dir = if word >> 18 & 1 == 0 { Dir::Up } else { Dir::Down };
        let cpu = CpuId((word >> 24) as u16);
        Some(Self { at, cpu, generation: (word >> 40) as u32, dir, edge, what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_the_wire() {
        let kinds = Mark::ALL
            .iter()
            .map(|&m| What::Mark(m))
            .chain(Phase::ALL.iter().map(|&p| What::Phase(p)))
            .chain((0..=255).map(|s| What::Step(StepId(s))));
        for (i, what) in kinds.enumerate() {
            let edge = [Edge::Point, Edge::Begin, Edge::End][i % 3];
            let dir = [Dir::Up, Dir::Down][i % 2];
            let cpu = CpuId((i * 37 % 512) as u16);
            let event =
                Event { at: u64::MAX - i as u64, cpu, generation: 0xab_cdef, dir, edge, what };
            assert_eq!(Event::decode(event.encode()), Some(event));
            let untimed = Untimed::new(cpu, event.generation, dir, edge, what);
            assert_eq!((untimed.cpu(), untimed.at(event.at)), (cpu, Some(event)));
            let other =
                Untimed::new(cpu, event.generation, dir, Edge::Point, What::Mark(Mark::Dead));
            match what {
                What::Step(step) => assert_eq!(other.with_step(step, dir, edge), untimed),
                What::Mark(mark) => {
                    let point = Untimed::new(cpu, event.generation, dir, Edge::Point, what);
                    assert_eq!(other.with_mark(mark, dir), point);
                }
                What::Phase(_) => {}
            }
        }
    }

    #[test]
    fn an_empty_slot_is_no_event() {
        assert_eq!(Event::decode([0, 0]), None);
        assert_eq!(Event::decode([1, 2 | 0xff << 8]), None);
    }
}
