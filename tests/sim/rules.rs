//! What must hold at every event, whoever wins whatever race.

use baton::cpu::CpuId;
use baton::hotplug::steps::{self, Section};
use baton::trace::{Dir, Edge, Event, Mark, Phase, StepId, What};

/// The first steps of the sections that can be tried again.
const FIRST: [u8; 2] = [0, 5];

/// The last step of the table.
const LAST: u8 = steps::STEPS.len() as u8 - 1;

/// What has been seen of one CPU.
#[derive(Clone)]
struct Seen {
    mark: Mark,
    /// How many steps of the table are done.
    done: u8,
    last: Option<(StepId, Dir)>,
    open: Option<(StepId, Dir)>,
    dying: bool,
}

/// The referee.
pub struct Rules {
    seen: Vec<Seen>,
    /// Set during a serial teardown.
    pub serial: bool,
    phase: Option<Phase>,
    /// Marks recorded so far, for scenarios that look at the way.
    pub marks: Vec<(CpuId, Mark)>,
}

impl Rules {
    pub fn new(n: usize, boot: CpuId) -> Self {
        let seen = Seen { mark: Mark::Offline, done: 0, last: None, open: None, dying: false };
        let mut seen = vec![seen; n];
        // The boot CPU comes prepared.
        seen[boot.index()].done = 1;
        Self { seen, serial: false, phase: None, marks: Vec::new() }
    }

    /// The last mark that was recorded.
    pub fn mark(&self, cpu: CpuId) -> Mark {
        self.seen[cpu.index()].mark
    }

    /// CPUs in their dying steps.
    pub fn dying(&self) -> impl Iterator<Item = CpuId> + '_ {
        let dying = self.seen.iter().enumerate().filter(|(_, s)| s.dying);
        dying.map(|(i, _)| CpuId(i as u16))
    }

    pub fn see(&mut self, event: &Event) {
        match event.what {
            What::Mark(mark) => self.see_mark(event.cpu, mark),
            What::Step(step) => self.see_step(event.cpu, step, event.dir, event.edge),
            What::Phase(phase) => self.see_phase(phase, event.edge),
        }
    }

    fn see_mark(&mut self, cpu: CpuId, to: Mark) {
        let seen = &mut self.seen[cpu.index()];
        assert!(legal(seen.mark, to), "cpu {cpu}: {} -> {to}", seen.mark);
        assert_eq!(seen.open, None, "cpu {cpu} reaches {to} in the middle of a step");
        let done = done_at(to);
        assert!(done.contains(&seen.done), "cpu {cpu} reaches {to} with {} steps done", seen.done);
        if to == Mark::ApIdleDead {
            seen.dying = false;
        }
        seen.mark = to;
        self.marks.push((cpu, to));
    }

    fn see_step(&mut self, cpu: CpuId, step: StepId, dir: Dir, edge: Edge) {
        let seen = &mut self.seen[cpu.index()];
        if edge == Edge::End {
            assert_eq!(seen.open.take(), Some((step, dir)), "cpu {cpu}: the end of another step");
            return;
        }
        assert_eq!(seen.open, None, "cpu {cpu}: a step in a step");
        let before = seen.last.replace((step, dir));
        seen.open = Some((step, dir));
        seen.done = next(seen.done, before, step, dir).unwrap_or_else(|| {
            panic!("cpu {cpu}: step {} {dir:?} with {} done", step.0, seen.done)
        });
        let starting = steps::STEPS[step.0 as usize].section == Section::Starting;
        if dir == Dir::Down && starting && seen.mark == Mark::TeardownCpu {
            seen.dying = true;
        }
    }

    fn see_phase(&mut self, phase: Phase, edge: Edge) {
        let (before, after) = match edge {
            Edge::Begin => (None, Some(phase)),
            _ => (Some(phase), None),
        };
        assert_eq!(self.phase, before, "phase {phase} {edge:?}");
        self.phase = after;
    }
}

/// How many steps are done after this one begins; `None` if it is not its turn. A step that failed
/// on the way up is not undone, one that failed on the way down need not be redone.
fn next(done: u8, before: Option<(StepId, Dir)>, step: StepId, dir: Dir) -> Option<u8> {
    let id = step.0;
    match dir {
        Dir::Up if done == id => Some(id + 1),
        Dir::Up if done + 1 == id && before == Some((StepId(done), Dir::Down)) => Some(id + 1),
        Dir::Down if done == id + 1 => Some(id),
        // The first or the last step of a section failed, which leaves nothing to undo, and is
        // tried again.
        Dir::Up if FIRST.contains(&id) && done == id + 1 && before == Some((step, dir)) => {
            Some(done)
        }
        Dir::Down if id == 0 && done == 0 && before == Some((step, dir)) => Some(0),
        Dir::Down if id == LAST && done == id && before == Some((step, dir)) => Some(id),
        Dir::Down if done == id + 2 && before == Some((StepId(id + 1), Dir::Up)) => Some(id),
        _ => None,
    }
}

/// How many steps can be done at a mark; one more where the last one failed.
fn done_at(mark: Mark) -> std::ops::RangeInclusive<u8> {
    match mark {
        Mark::Offline => 0..=1,
        Mark::Kicked | Mark::Alive | Mark::ApOffline => 1..=1,
        Mark::ApOnline => 5..=5,
        // A failing last step down leaves the count one short.
        Mark::Online => 6..=7,
        Mark::TeardownCpu => 5..=5,
        Mark::ShouldDie => 0..=7,
        Mark::ApIdleDead | Mark::Dead | Mark::Quarantined => 1..=2,
    }
}

/// The state diagram, as a CPU's ring shows it. Being given up is not recorded: the CPU just ends.
fn legal(from: Mark, to: Mark) -> bool {
    use Mark::*;
    let coming = matches!(from, Kicked | Alive | ApOffline | ApOnline);
    match to {
        Kicked => from == Offline,
        Alive => from == Kicked,
        ApOffline => from == Alive,
        ApOnline => from == ApOffline,
        Online => matches!(from, ApOnline | TeardownCpu),
        TeardownCpu => from == Online,
        ApIdleDead => matches!(from, ApOffline | ApOnline | TeardownCpu),
        Dead => from == ApIdleDead || coming,
        Quarantined => from == ApIdleDead || coming,
        Offline => matches!(from, Dead | Kicked),
        ShouldDie => false,
    }
}
