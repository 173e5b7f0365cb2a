//! What each hotplug step costs, and what the boot CPU waits for: from the traces of a run.

use baton::hotplug::steps::{self, Act};
use baton::report::{Cost, Name, PhaseSpan, Record, Step, TeardownMode};
use baton::trace::{Dir, Phase, StepName};
use serde::{Deserialize, Serialize};

use crate::report::Trace;

/// Both modes of one direction, of kexecs whose new kernel was told the machine.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// In the serial kexec.
    pub serial: Option<Cost>,
    /// In the parallel one.
    pub parallel: Option<Cost>,
}

/// A step of the table.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct StepRow {
    /// Its name.
    pub step: Name<StepName>,
    /// Its section; empty if this tool does not know the step.
    pub section: String,
    /// True if it acts once for all on the way up.
    pub up_once: bool,
    /// True if it acts once for all on the way down.
    pub down_once: bool,
    /// Towards ONLINE, in the new kernel.
    pub up: Way,
    /// Away from it, in the old one.
    pub down: Way,
}

/// A phase of the boot CPU.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct PhaseRow {
    /// Its name.
    pub phase: Name<Phase>,
    /// up or down.
    pub dir: Name<Dir>,
    /// What the boot CPU does or waits for; empty if this tool does not know the phase.
    pub what: String,
    /// How long it took.
    pub cost: Way,
}

/// Every step that was traced, in the order of the table.
pub fn steps(traces: &[Trace]) -> Vec<StepRow> {
    let names = once_each(traces.iter().flat_map(steps_of).map(|s| &s.step));
    let mut rows: Vec<StepRow> = names.into_iter().map(|name| step_row(traces, name)).collect();
    rows.sort_by_key(|row| row.step.known().map_or(u8::MAX, |step| step as u8));
    rows
}

fn step_row(traces: &[Trace], name: &Name<StepName>) -> StepRow {
    let known = name.known().map(steps::named);
    let once = |act: Option<Act>| matches!(act, Some(Act::All(_)));
    let way = |dir: Dir| {
        way(traces, |trace| {
            let spans = steps_of(trace).map(|s| ((&s.step, &s.dir), s.begin_ns..s.end_ns));
            Cost::among(spans, &(name, &dir.into()))
        })
    };
    StepRow {
        step: name.clone(),
        section: known.map_or("", |step| step.section.name()).into(),
        up_once: once(known.map(|step| step.up)),
        down_once: once(known.map(|step| step.down)),
        up: way(Dir::Up),
        down: way(Dir::Down),
    }
}

/// The phases of the boot CPU from one kernel to the next, in the order of time.
pub fn phases(traces: &[Trace]) -> Vec<PhaseRow> {
    let mut rows = Vec::new();
    for dir in [Dir::Down, Dir::Up].map(Name::from) {
        let seen = traces.iter().flat_map(phases_of).filter(|p| p.dir == dir);
        for phase in once_each(seen.map(|p| &p.phase)) {
            rows.push(phase_row(traces, phase, &dir));
        }
    }
    rows
}

fn phase_row(traces: &[Trace], phase: &Name<Phase>, dir: &Name<Dir>) -> PhaseRow {
    let cost = way(traces, |trace| {
        let spans = phases_of(trace).map(|p| ((&p.phase, &p.dir), p.begin_ns..p.end_ns));
        Cost::among(spans, &(phase, dir))
    });
    let what = phase.known().map_or("", Phase::what).into();
    PhaseRow { phase: phase.clone(), dir: dir.clone(), what, cost }
}

/// Down in the old kernel, up in the new one: that is what the kexec consists of.
fn belongs(trace: &Trace, dir: &Name<Dir>, generation: u32) -> bool {
    let up = u32::from(*dir == Dir::Up);
    generation + 1 == trace.kexec.generation + up
}

fn steps_of(trace: &Trace) -> impl Iterator<Item = &Step> {
    let steps = trace.records.iter().filter_map(|record| match record {
        Record::Step(step) => Some(step),
        _ => None,
    });
    steps.filter(|s| belongs(trace, &s.dir, s.generation))
}

fn phases_of(trace: &Trace) -> impl Iterator<Item = &PhaseSpan> {
    let phases = trace.records.iter().filter_map(|record| match record {
        Record::Phase(phase) => Some(phase),
        _ => None,
    });
    phases.filter(|p| belongs(trace, &p.dir, p.generation))
}

fn way(traces: &[Trace], cost: impl Fn(&Trace) -> Option<Cost>) -> Way {
    let told = || traces.iter().filter(|trace| trace.warm);
    let of = |mode| told().find(|trace| trace.kexec.teardown == mode).and_then(&cost);
    Way { serial: of(TeardownMode::Serial), parallel: of(TeardownMode::Parallel) }
}

/// Each thing once, in the order in which they come.
fn once_each<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut once = Vec::new();
    for thing in all {
        if !once.contains(&thing) {
            once.push(thing);
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Script;

    fn traces() -> Vec<Trace> {
        let script = Script::new(8);
        vec![script.trace(1, TeardownMode::Serial), script.trace(2, TeardownMode::Parallel)]
    }

    #[test]
    fn a_step_has_a_cost_in_each_mode_and_direction() {
        let rows = steps(&traces());
        let row = rows.iter().find(|row| row.step == StepName::GicStarting).unwrap();
        assert_eq!((row.section.as_str(), row.up_once), ("starting", false));
        for way in [row.up, row.down] {
            for cost in [way.serial, way.parallel] {
                let cost = cost.unwrap();
                assert_eq!((cost.count, cost.spread.median, cost.sum), (7, 12_000, 84_000));
            }
        }
        let order: Vec<&str> = rows.iter().map(|row| row.step.as_str()).collect();
        assert_eq!(order[..3], ["percpu:prepare", "cpu:check", "gic:starting"]);
        // The last step is none of the table.
        assert_eq!((order[6], rows[6].section.as_str()), ("console:online", ""));
    }

    #[test]
    fn what_belongs_to_another_kernel_is_left_out() {
        let mut traces = traces();
        for record in &mut traces[1].records {
            if let Record::Step(step) = record
                && step.dir == Dir::Up
            {
                step.generation -= 1;
            }
        }
        let rows = steps(&traces);
        assert!(rows.iter().all(|row| row.up.serial.is_some() && row.up.parallel.is_none()));
        assert!(rows.iter().all(|row| row.down.parallel.is_some()));
    }

    #[test]
    fn the_boot_cpu_passes_its_phases_once_for_each_cpu_or_once_for_all() {
        let rows = phases(&traces());
        let stop = rows.iter().find(|row| row.phase == Phase::Stop).unwrap();
        let counts = [stop.cost.serial, stop.cost.parallel].map(|cost| cost.unwrap().count);
        assert_eq!((counts, stop.dir.known()), ([7, 1], Some(Dir::Down)));
        assert_eq!(stop.what, Phase::Stop.what());
        assert_eq!(rows.first().unwrap().phase, Phase::Preflight);
        assert_eq!(rows.last().unwrap().phase, Phase::Sync);
    }
}
