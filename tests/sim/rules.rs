//! What must hold at every event, whoever wins whatever race.

use baton::cpu::CpuId;
use baton::hotplug::steps::{self, Section};
use baton::trace::{Dir, Edge, Event, Mark, Phase, StepId, What};

const STEPS: usize = steps::STEPS.len();

/// What has been seen of one CPU.
#[derive(Clone)]
struct Seen {
    mark: Mark,
    /// Which steps are done. One that failed counts as it was meant, until the next event of this
    /// CPU shows that it failed.
    done: [bool; STEPS],
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
    /// Steps in which nobody may meet another, one bit each.
    pub exclusive: u64,
    /// The most CPUs that were in one step at a time, since this was last set.
    pub together: usize,
    /// Marks recorded so far, for scenarios that look at the way.
    pub marks: Vec<(CpuId, Mark)>,
}

impl Rules {
    pub fn new(n: usize, boot: CpuId) -> Self {
        let done = [false; STEPS];
        let seen = Seen { mark: Mark::Offline, done, last: None, open: None, dying: false };
        let mut seen = vec![seen; n];
        let boot = &mut seen[boot.index()];
        // The boot CPU comes prepared.
        steps::of(Section::Prepare).for_each(|i| boot.done[i] = true);
        Self { seen, serial: false, phase: None, exclusive: 0, together: 0, marks: Vec::new() }
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
        if let Some(done) = done_at(to) {
            let section = |i: usize| steps::STEPS[i].section;
            let fits = |&i: &usize| if section(i) <= done { seen.set(i) } else { seen.clear(i) };
            assert!((0..STEPS).all(|i| fits(&i)), "cpu {cpu} reaches {to} with {:?}", seen.done);
        }
        if to == Mark::ApIdleDead {
            seen.dying = false;
        }
        seen.mark = to;
        self.marks.push((cpu, to));
    }

    fn see_step(&mut self, cpu: CpuId, step: StepId, dir: Dir, edge: Edge) {
        let seen = &mut self.seen[cpu.index()];
        if edge == Edge::End {
            if !each(step.0.into(), dir) {
                return;
            }
            assert_eq!(seen.open.take(), Some((step, dir)), "cpu {cpu}: the end of another step");
            return;
        }
        assert_eq!(seen.open, None, "cpu {cpu}: a step in a step");
        if !each(step.0.into(), dir) {
            return; // once for all: no business of the CPU that runs it
        }
        seen.begin(step, dir).unwrap_or_else(|| {
            panic!("cpu {cpu}: step {} {dir:?} with {:?}, last {:?}", step.0, seen.done, seen.last)
        });
        seen.open = Some((step, dir));
        self.count_in(step);
        let seen = &mut self.seen[cpu.index()];
        let starting = steps::STEPS[step.0 as usize].section == Section::Starting;
        if dir == Dir::Down && starting && seen.mark == Mark::TeardownCpu {
            seen.dying = true;
        }
    }

    fn count_in(&mut self, step: StepId) {
        let inside = |seen: &&Seen| seen.open.is_some_and(|(open, _)| open == step);
        let inside = self.seen.iter().filter(inside).count();
        let alone = self.exclusive >> step.0 & 1 == 1;
        assert!(!alone || inside == 1, "{inside} CPUs in step {}", step.0);
        self.together = self.together.max(inside);
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

/// True if the step does something for each CPU in this direction.
fn each(i: usize, dir: Dir) -> bool {
    steps::STEPS[i].is_each(dir)
}

impl Seen {
    /// True if the step may count as done: it is, or needs nothing for it, or failed to be undone.
    fn set(&self, i: usize) -> bool {
        self.done[i] || !each(i, Dir::Up) || self.last == Some((StepId(i as u8), Dir::Down))
    }

    /// True if the step may count as undone.
    fn clear(&self, i: usize) -> bool {
        !self.done[i] || !each(i, Dir::Down) || self.last == Some((StepId(i as u8), Dir::Up))
    }

    /// A step begins; `None` if it is not its turn.
    fn begin(&mut self, step: StepId, dir: Dir) -> Option<()> {
        let id = usize::from(step.0);
        let ours = if dir == Dir::Up { self.clear(id) } else { self.set(id) };
        // What failed may be tried again.
        let again = self.last == Some((step, dir));
        let below = (0..id).all(|i| self.set(i));
        let above = (id + 1..STEPS).all(|i| self.clear(i));
        if !(below && above && (ours || again)) {
            return None;
        }
        self.done[..id].fill(true);
        self.done[id] = dir == Dir::Up;
        self.done[id + 1..].fill(false);
        self.last = Some((step, dir));
        Some(())
    }
}

/// Up to which section steps are done at a mark.
fn done_at(mark: Mark) -> Option<Section> {
    Some(match mark {
        Mark::Kicked | Mark::Alive | Mark::ApOffline => Section::Prepare,
        Mark::ApOnline | Mark::TeardownCpu => Section::Starting,
        Mark::Online => Section::Online,
        Mark::ApIdleDead | Mark::Dead | Mark::Quarantined => Section::Prepare,
        Mark::Offline | Mark::ShouldDie => return None,
    })
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
