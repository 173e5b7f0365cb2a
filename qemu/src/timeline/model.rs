//! What a timeline shows, as numbers: no pixels here.

use baton::report::{MarkAt, PhaseSpan, Record, Step};

use crate::report::Trace;
use crate::units::Unit;

/// A span with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// The step or the phase.
    pub name: String,
    /// up or down.
    pub dir: String,
    /// Begin, ns after `kexec exec` was accepted.
    pub begin: u64,
    /// End, on the same axis.
    pub end: u64,
}

/// A mark that a CPU reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The mark.
    pub name: String,
    /// When, ns after `kexec exec` was accepted.
    pub at: u64,
}

/// One CPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lane {
    /// Its steps by time.
    pub bars: Vec<Bar>,
    /// Its marks by time.
    pub ticks: Vec<Tick>,
}

/// One kexec. All times are ns after `kexec exec` was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// serial or parallel.
    pub mode: String,
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
    pub phases: Vec<Bar>,
}

impl Timeline {
    /// From the trace of a kexec. What lies before or after it is left out, what sticks out is cut.
    pub fn new(trace: &Trace, unit: Unit) -> Self {
        let kexec = &trace.kexec;
        let entry = kexec.exec_to_jump_ns + kexec.jump_to_entry_ns;
        let mut timeline = Self {
            mode: kexec.teardown.clone(),
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

    /// Spans between the two kernels: name, begin, end.
    pub fn parts(&self) -> [(&'static str, u64, u64); 3] {
        let (jump, entry) = self.jump;
        [("exec -> jump", 0, jump), ("jump", jump, entry), ("entry -> online", entry, self.end)]
    }

    /// The states that a CPU was in: each from one mark to the next; ONLINE before the first.
    pub fn states(&self, cpu: usize) -> Vec<(&str, u64, u64)> {
        let ticks = self.lanes.get(cpu).map_or(&[][..], |lane| &lane.ticks);
        let begins = ticks.iter().map(|tick| (tick.name.as_str(), tick.at));
        let begins: Vec<(&str, u64)> = std::iter::once(("ONLINE", 0)).chain(begins).collect();
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
        let bar = self.bar(origin, &step.step, &step.dir, step.begin_ns, step.end_ns);
        if let (Some(bar), Some(lane)) = (bar, self.lanes.get_mut(step.cpu as usize)) {
            lane.bars.push(bar);
        }
    }

    fn add_mark(&mut self, origin: u64, mark: &MarkAt) {
        let at = mark.at_ns.checked_sub(origin).filter(|&at| at <= self.end);
        if let (Some(at), Some(lane)) = (at, self.lanes.get_mut(mark.cpu as usize)) {
            lane.ticks.push(Tick { name: mark.mark.clone(), at });
        }
    }

    fn add_phase(&mut self, origin: u64, phase: &PhaseSpan) {
        let bar = self.bar(origin, &phase.phase, &phase.dir, phase.begin_ns, phase.end_ns);
        if let Some(bar) = bar {
            self.boot_cpu = phase.cpu as usize;
            self.phases.push(bar);
        }
    }

    /// The span on the axis, if any of it is there.
    fn bar(&self, origin: u64, name: &str, dir: &str, begin: u64, end: u64) -> Option<Bar> {
        let end = end.checked_sub(origin)?.min(self.end);
        let begin = begin.saturating_sub(origin);
        let (name, dir) = (name.to_string(), dir.to_string());
        (begin <= end).then_some(Bar { name, dir, begin, end })
    }

    /// Adds the phases that follow from the kexec record, where no kernel has traced them: the jump,
    /// and all from the new kernel's entry to its first traced phase.
    fn fill_in(&mut self) {
        let (jump, entry) = self.jump;
        let first = self.phases.iter().find(|bar| bar.begin >= entry);
        let first = first.map_or(self.end, |bar| bar.begin);
        for (name, begin, end) in [("jump", jump, entry), ("boot", entry, first)] {
            if begin < end && !self.phases.iter().any(|bar| bar.name == name) {
                let (name, dir) = (name.to_string(), "up".to_string());
                self.phases.push(Bar { name, dir, begin, end });
            }
        }
        self.sort();
    }

    fn sort(&mut self) {
        // A longer span comes first, so that what it holds is drawn on top of it.
        let key = |bar: &Bar| (bar.begin, u64::MAX - bar.end);
        self.phases.sort_by_key(key);
        for lane in &mut self.lanes {
            lane.bars.sort_by_key(key);
            lane.ticks.sort_by_key(|tick| tick.at);
        }
    }
}
