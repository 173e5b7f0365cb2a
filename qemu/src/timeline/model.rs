//! What a timeline shows, as numbers: no pixels here.

use std::ops::Range;

use baton::report::{MarkAt, Name, PhaseSpan, Record, Step, TeardownMode};
use baton::trace::{Dir, Mark, StepName};

use super::Part;
use crate::outage;
use crate::report::Trace;
use crate::units::Unit;

/// What a CPU is in before its first mark.
static BEFORE: Name<Mark> = Name::Known(Mark::Online);

/// A span of a step or of a phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar<T> {
    /// The step or the phase.
    pub name: T,
    /// up or down.
    pub dir: Name<Dir>,
    /// Begin, ns after `kexec exec` was accepted.
    pub begin: u64,
    /// End, on the same axis.
    pub end: u64,
}

impl<T> Bar<T> {
    fn new(name: T, dir: &Name<Dir>, span: Range<u64>) -> Self {
        Self { name, dir: dir.clone(), begin: span.start, end: span.end }
    }

    /// Where the span stands among others: of two that begin together the longer one comes first, so
    /// that the shorter one is drawn on top.
    fn place(&self) -> (u64, u64) {
        (self.begin, u64::MAX - self.end)
    }
}

/// A mark that a CPU reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The mark.
    pub name: Name<Mark>,
    /// When, ns after `kexec exec` was accepted.
    pub at: u64,
}

/// One CPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lane {
    /// Its steps by time.
    pub bars: Vec<Bar<Name<StepName>>>,
    /// Its marks by time.
    pub ticks: Vec<Tick>,
}

/// One kexec. All times are ns after `kexec exec` was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// serial or parallel.
    pub mode: Name<TeardownMode>,
    /// True if the new kernel was told the machine.
    pub warm: bool,
    /// What its figures count.
    pub unit: Unit,
    /// Generation of the new kernel.
    pub generation: u32,
    /// The CPU that jumps.
    pub boot_cpu: usize,
    /// When the old kernel jumped and when the new one was entered.
    pub jump: (u64, u64),
    /// When the last CPU was online again.
    pub end: u64,
    /// One for every CPU of the machine.
    pub lanes: Vec<Lane>,
    /// Phases of the boot CPU by time.
    pub phases: Vec<Bar<Part>>,
}

impl Timeline {
    /// From the trace of a kexec. What lies before or after it is left out, what sticks out is cut.
    pub fn new(trace: &Trace, unit: Unit) -> Self {
        let kexec = &trace.kexec;
        let entry = kexec.exec_to_jump_ns + kexec.jump_to_entry_ns;
        let mut timeline = Self {
            mode: kexec.teardown.clone(),
            warm: trace.warm,
            unit,
            generation: kexec.generation,
            boot_cpu: 0,
            jump: (kexec.exec_to_jump_ns, entry),
            end: kexec.blackout_ns.max(entry).max(1),
            lanes: vec![Lane::default(); trace.cpus as usize],
            phases: Vec::new(),
        };
        for record in &trace.records {
            timeline.add(kexec.exec_at_ns, record);
        }
        timeline.sort();
        timeline.fill_in();
        timeline
    }

    /// How the kexec is called.
    pub fn label(&self) -> String {
        outage::label(&self.mode, self.warm)
    }

    /// Spans between the two kernels: name, begin, end.
    pub fn parts(&self) -> [(&'static str, u64, u64); 3] {
        let (jump, entry) = self.jump;
        [("exec -> jump", 0, jump), ("jump", jump, entry), ("entry -> online", entry, self.end)]
    }

    /// The states that a CPU was in: each from one mark to the next; ONLINE before the first.
    pub fn states(&self, cpu: usize) -> Vec<(&Name<Mark>, u64, u64)> {
        let ticks = self.lanes.get(cpu).map_or(&[][..], |lane| &lane.ticks);
        let begins = ticks.iter().map(|tick| (&tick.name, tick.at));
        let begins: Vec<(&Name<Mark>, u64)> = std::iter::once((&BEFORE, 0)).chain(begins).collect();
        let ends = begins.iter().skip(1).map(|(_, at)| *at).chain([self.end]);
        begins.iter().zip(ends).map(|(&(name, begin), end)| (name, begin, end)).collect()
    }

    fn add(&mut self, origin: u64, record: &Record) {
        match record {
            Record::Step(s) => self.add_step(origin, s),
            Record::Mark(m) => self.add_mark(origin, m),
            Record::Phase(p) => self.add_phase(origin, p),
            _ => {}
        }
    }

    fn add_step(&mut self, origin: u64, step: &Step) {
        let span = self.on_axis(origin, step.begin_ns..step.end_ns);
        if let (Some(span), Some(lane)) = (span, self.lanes.get_mut(step.cpu as usize)) {
            lane.bars.push(Bar::new(step.step.clone(), &step.dir, span));
        }
    }

    fn add_mark(&mut self, origin: u64, mark: &MarkAt) {
        let at = mark.at_ns.checked_sub(origin).filter(|&at| at <= self.end);
        if let (Some(at), Some(lane)) = (at, self.lanes.get_mut(mark.cpu as usize)) {
            lane.ticks.push(Tick { name: mark.mark.clone(), at });
        }
    }

    fn add_phase(&mut self, origin: u64, phase: &PhaseSpan) {
        if let Some(span) = self.on_axis(origin, phase.begin_ns..phase.end_ns) {
            self.boot_cpu = phase.cpu as usize;
            self.phases.push(Bar::new(Part::from(&phase.phase), &phase.dir, span));
        }
    }

    /// The span on the axis, if any of it is there.
    fn on_axis(&self, origin: u64, span: Range<u64>) -> Option<Range<u64>> {
        let end = span.end.checked_sub(origin)?.min(self.end);
        let begin = span.start.saturating_sub(origin);
        (begin <= end).then_some(begin..end)
    }

    /// Adds the phases that follow from the kexec record, where no kernel has traced them: the jump,
    /// and all from the new kernel's entry to its first traced phase.
    fn fill_in(&mut self) {
        let (jump, entry) = self.jump;
        let first = self.phases.iter().find(|bar| bar.begin >= entry);
        let first = first.map_or(self.end, |bar| bar.begin);
        for (name, begin, end) in [(Part::Jump, jump, entry), (Part::Boot, entry, first)] {
            if begin < end && !self.phases.iter().any(|bar| bar.name == name) {
                self.phases.push(Bar { name, dir: Dir::Up.into(), begin, end });
            }
        }
        self.sort();
    }

    fn sort(&mut self) {
        self.phases.sort_by_key(Bar::place);
        for lane in &mut self.lanes {
            lane.bars.sort_by_key(Bar::place);
            lane.ticks.sort_by_key(|tick| tick.at);
        }
    }
}
