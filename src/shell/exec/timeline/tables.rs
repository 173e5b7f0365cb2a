//! The timeline for people: a line for each step and for each phase of the boot CPU.

use alloc::format;

use super::super::us;
use crate::hotplug::steps::{Act, STEPS, ids};
use crate::kernel::Reporter;
use crate::report::Cost;
use crate::trace::{Dir, Event, Phase, What};

const DIRS: [Dir; 2] = [Dir::Up, Dir::Down];

/// Of the spans of one thing in one direction, ticks; `None` if there are none.
fn cost(spans: &[(Event, Event)], what: What, dir: Dir) -> Option<Cost> {
    let spans = spans.iter().map(|(b, e)| ((b.what, b.dir), b.at..e.at));
    Cost::among(spans, &(what, dir))
}

/// Median and worst of every step, over the CPUs and both kernels.
pub(super) fn steps(out: &Reporter, spans: &[(Event, Event)]) {
    out.print("step              dir   acts  spans    median us       max us");
    for (id, step) in ids().zip(&STEPS) {
        for dir in DIRS {
            let Some(cost) = cost(spans, What::Step(id), dir) else { continue };
            let acts = if matches!(step.act(dir), Act::All(_)) { "once" } else { "each" };
            let [median, max] = [cost.spread.median, cost.spread.max].map(|t| us(out.ns(t)));
            let (name, count) = (step.name, cost.count);
            out.print(&format!(
                "{name:<16}  {dir:<4}  {acts:<4}  {count:>5}  {median:>11}  {max:>11}"
            ));
        }
    }
    out.print("once: for all CPUs of an operation, on the boot CPU; each: for each CPU\n");
}

/// The phases of the boot CPU, and what each waited for.
pub(super) fn phases(out: &Reporter, spans: &[(Event, Event)]) {
    out.print("boot CPU     dir   spans    median us       max us       sum us  waits for");
    for dir in DIRS {
        for &phase in Phase::ALL {
            let Some(cost) = cost(spans, What::Phase(phase), dir) else { continue };
            let Cost { count, spread, sum } = cost;
            let [median, max, sum] = [spread.median, spread.max, sum].map(|t| us(out.ns(t)));
            let what = phase.what();
            out.print(&format!(
                "{phase:<11}  {dir:<4}  {count:>5}  {median:>11}  {max:>11}  {sum:>11}  {what}"
            ));
        }
    }
}
