//! The timeline for people: a line for each step and for each phase of the boot CPU.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::{Kernel, us};
use crate::hotplug::steps::{self, Act, STEPS};
use crate::trace::{Dir, Event, Phase, What};

const DIRS: [Dir; 2] = [Dir::Up, Dir::Down];

/// Lengths of some spans, ticks.
struct Lengths {
    count: usize,
    median: u64,
    max: u64,
    sum: u64,
}

impl Lengths {
    /// Of the spans of one thing in one direction; `None` if there are none.
    fn of(spans: &[(Event, Event)], what: What, dir: Dir) -> Option<Self> {
        let same = spans.iter().filter(|(b, _)| b.what == what && b.dir == dir);
        let mut times: Vec<u64> = same.map(|(b, e)| e.at.saturating_sub(b.at)).collect();
        times.sort_unstable();
        let max = *times.last()?;
        let (count, median) = (times.len(), times[times.len() / 2]);
        Some(Self { count, median, max, sum: times.iter().sum() })
    }
}

impl Kernel {
    /// Median and worst of every step, over the CPUs and both kernels.
    pub(super) fn step_table(&self, spans: &[(Event, Event)]) {
        self.print("step              dir   acts  spans    median us       max us");
        for (id, step) in steps::ids().zip(&STEPS) {
            for dir in DIRS {
                let Some(l) = Lengths::of(spans, What::Step(id), dir) else { continue };
                let acts = if matches!(step.act(dir), Act::All(_)) { "once" } else { "each" };
                let (median, max) = (self.us_of(l.median), self.us_of(l.max));
                let (name, dir, count) = (step.name, dir.name(), l.count);
                self.print(&format!(
                    "{name:<16}  {dir:<4}  {acts:<4}  {count:>5}  {median:>11}  {max:>11}"
                ));
            }
        }
        self.print("once: for all CPUs of an operation, on the boot CPU; each: for each CPU\n");
    }

    /// What the boot CPU was at, and what it waited for.
    pub(super) fn phase_table(&self, spans: &[(Event, Event)]) {
        self.print("boot CPU     dir   spans    median us       max us       sum us  waits for");
        for dir in DIRS {
            for &phase in Phase::ALL {
                let Some(l) = Lengths::of(spans, What::Phase(phase), dir) else { continue };
                let [median, max, sum] = [l.median, l.max, l.sum].map(|t| self.us_of(t));
                let (name, dir, count, what) = (phase.name(), dir.name(), l.count, phase.what());
                self.print(&format!(
                    "{name:<11}  {dir:<4}  {count:>5}  {median:>11}  {max:>11}  {sum:>11}  {what}"
                ));
            }
        }
    }

    fn us_of(&self, ticks: u64) -> String {
        us(self.ns(ticks))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::cpu::CpuId;
    use crate::trace::Edge;

    #[test]
    fn lengths_are_of_one_thing_in_one_direction() {
        let span = |phase, dir, begin, end| {
            let event = |at, edge| Event {
                at,
                cpu: CpuId(0),
                generation: 1,
                dir,
                edge,
                what: What::Phase(phase),
            };
            (event(begin, Edge::Begin), event(end, Edge::End))
        };
        let spans = [
            span(Phase::Stop, Dir::Down, 10, 13),
            span(Phase::Stop, Dir::Down, 20, 21),
            span(Phase::Stop, Dir::Down, 30, 40),
            span(Phase::Stop, Dir::Up, 50, 99),
            span(Phase::Off, Dir::Down, 60, 99),
        ];
        let lengths = Lengths::of(&spans, What::Phase(Phase::Stop), Dir::Down).unwrap();
        let Lengths { count, median, max, sum } = lengths;
        assert_eq!((count, median, max, sum), (3, 3, 10, 14));
        assert!(Lengths::of(&spans, What::Phase(Phase::Kick), Dir::Up).is_none());
    }
}
