//! What each hotplug step costs, and what the boot CPU waits for: from the traces of a run.

use baton::hotplug::steps::{self, Act};
use baton::report::{PhaseSpan, Record, Step};
use baton::trace::Phase;
use serde::{Deserialize, Serialize};

use crate::report::Trace;
use crate::stats::Spread;

/// A step in one mode and direction, over the CPUs of one kexec.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Spans: CPUs, or, of a step that acts once for all, calls.
    pub count: usize,
    /// How long they took, ns.
    pub spread: Spread,
    /// Sum, ns.
    pub sum: u64,
}

/// Both modes of one direction.
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
    pub step: String,
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
    pub phase: String,
    /// up or down.
    pub dir: String,
    /// What the boot CPU does or waits for; empty if this tool does not know the phase.
    pub what: String,
    /// How long it took.
    pub cost: Way,
}

/// Every step that was traced, in the order of the table.
pub fn steps(traces: &[Trace]) -> Vec<StepRow> {
    let names = names(traces.iter().flat_map(steps_of).map(|s| s.step.as_str()));
    let mut rows: Vec<StepRow> = names.into_iter().map(|name| step_row(traces, name)).collect();
    rows.sort_by_key(|row| steps::by_name(&row.step).map_or(u8::MAX, |id| id.0));
    rows
}

fn step_row(traces: &[Trace], name: &str) -> StepRow {
    let known = steps::by_name(name).and_then(steps::get);
    let once = |act: Option<Act>| matches!(act, Some(Act::All(_)));
    let way = |dir: &str| {
        way(traces, |trace| {
            let same = |s: &&Step| s.step == name && s.dir == dir;
            cost(steps_of(trace).filter(same).map(|s| s.end_ns.saturating_sub(s.begin_ns)))
        })
    };
    StepRow {
        step: name.into(),
        section: known.map_or("", |step| step.section.name()).into(),
        up_once: once(known.map(|step| step.up)),
        down_once: once(known.map(|step| step.down)),
        up: way("up"),
        down: way("down"),
    }
}

/// The phases of the boot CPU from one kernel to the next, in the order of time.
pub fn phases(traces: &[Trace]) -> Vec<PhaseRow> {
    let mut rows = Vec::new();
    for dir in ["down", "up"] {
        let seen = traces.iter().flat_map(phases_of).filter(|p| p.dir == dir);
        for name in names(seen.map(|p| p.phase.as_str())) {
            let known = Phase::ALL.iter().find(|phase| phase.name() == name);
            let cost = way(traces, |trace| {
                let same = |p: &&PhaseSpan| p.phase == name && p.dir == dir;
                cost(phases_of(trace).filter(same).map(|p| p.end_ns.saturating_sub(p.begin_ns)))
            });
            let what = known.map_or("", |phase| phase.what()).into();
            rows.push(PhaseRow { phase: name.into(), dir: dir.into(), what, cost });
        }
    }
    rows
}

/// Down in the old kernel, up in the new one: that is what the kexec consists of.
fn belongs(trace: &Trace, dir: &str, generation: u32) -> bool {
    let up = u32::from(dir == "up");
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
    let of = |mode| traces.iter().find(|trace| trace.kexec.teardown == mode).and_then(&cost);
    Way { serial: of("serial"), parallel: of("parallel") }
}

fn cost(times: impl Iterator<Item = u64>) -> Option<Cost> {
    let times: Vec<u64> = times.collect();
    let (count, sum) = (times.len(), times.iter().sum());
    Spread::of(times).map(|spread| Cost { count, spread, sum })
}

/// Each name once, in the order in which they come.
fn names<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names = Vec::new();
    for name in all {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Script;

    fn traces() -> Vec<Trace> {
        let script = Script::new(8);
        vec![script.trace(1, "serial"), script.trace(2, "parallel")]
    }

    #[test]
    fn a_step_has_a_cost_in_each_mode_and_direction() {
        let rows = steps(&traces());
        let row = rows.iter().find(|row| row.step == "gic:starting").unwrap();
        assert_eq!((row.section.as_str(), row.up_once), ("starting", false));
        for way in [row.up, row.down] {
            for cost in [way.serial, way.parallel] {
                let cost = cost.unwrap();
                assert_eq!((cost.count, cost.spread.median, cost.sum), (7, 12_000, 84_000));
            }
        }
        let order: Vec<&str> = rows.iter().take(3).map(|row| row.step.as_str()).collect();
        assert_eq!(order, ["percpu:prepare", "cpu:check", "gic:starting"]);
    }

    #[test]
    fn what_belongs_to_another_kernel_is_left_out() {
        let mut traces = traces();
        for record in &mut traces[1].records {
            if let Record::Step(step) = record
                && step.dir == "up"
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
        let stop = rows.iter().find(|row| row.phase == "stop").unwrap();
        let counts = [stop.cost.serial, stop.cost.parallel].map(|cost| cost.unwrap().count);
        assert_eq!((counts, stop.dir.as_str()), ([7, 1], "down"));
        assert_eq!(stop.what, Phase::Stop.what());
        assert_eq!(rows.first().unwrap().phase, "preflight");
        assert_eq!(rows.last().unwrap().phase, "sync");
    }
}
