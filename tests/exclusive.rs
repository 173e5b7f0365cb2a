//! Steps that run on one CPU at a time, while all others run together.
#![cfg(not(loom))]

mod sim;

use baton::cpu::CpuMask;
use baton::hotplug::Why;
use baton::hotplug::steps::{self, Section};
use baton::report::{BringupPolicy, TeardownMode};
use baton::trace::{Dir, Mark, StepId};
use sim::ops::MODES;
use sim::{Sim, seeds};

/// The steps that CPUs do for themselves.
fn own_steps() -> Vec<StepId> {
    let own = |s: &steps::CpuhpStep| matches!(s.section, Section::Starting | Section::Online);
    let all = steps::STEPS.iter().enumerate().filter(|(_, s)| own(s));
    all.map(|(i, _)| StepId(i as u8)).collect()
}

fn come_and_go(n: usize, alone: &[StepId], mode: TeardownMode, seed: u64) {
    let alone = alone.to_vec();
    Sim::new(n, seed).run(move |sim, m| {
        alone.iter().for_each(|&step| sim.set_exclusive(step, true));
        sim.up(m, BringupPolicy::Parallel);
        sim.gone(m, &sim.aps(), mode);
        alone.iter().for_each(|&step| sim.set_exclusive(step, false));
        sim.up(m, BringupPolicy::Fanout);
        let together = sim.most_together();
        sim.gone(m, &sim.aps(), mode);
        assert!(n < 80 || together > 1, "the others go on at the same time");
    });
}

#[test]
fn never_two_in_a_step_and_all_others_at_once() {
    for step in own_steps() {
        for mode in MODES {
            seeds(0..20, |seed| come_and_go(8, &[step], mode, seed));
        }
        seeds(0..2, |seed| come_and_go(80, &[step], TeardownMode::Parallel, seed));
    }
    for mode in MODES {
        seeds(0..50, |seed| come_and_go(2, &own_steps(), mode, seed));
        seeds(0..50, |seed| come_and_go(8, &own_steps(), mode, seed));
    }
    seeds(0..2, |seed| come_and_go(80, &own_steps(), TeardownMode::Parallel, seed));
}

/// A CPU that stops for good while others queue for the step: named, and the rest are called back;
/// when it goes on, so do those behind it.
#[test]
fn a_lost_cpu_in_the_queue_is_named() {
    for name in ["work:online", "pmu:online"] {
        let step = steps::by_name(name).unwrap();
        assert!(steps::get(step).unwrap().is_each(Dir::Down));
        seeds(0..60, |seed| {
            Sim::new(8, seed).run(move |sim, m| {
                sim.up(m, BringupPolicy::Parallel);
                sim.hp.set_timeout_ms(100);
                sim.set_exclusive(step, true);
                let bad = sim.ap(seed as usize % 7);
                sim.lose_in(bad, step, Dir::Down);
                let outcome = sim.down(m, &sim.aps(), TeardownMode::Parallel);
                let named: CpuMask = outcome.stuck.iter().map(|f| f.cpu).collect();
                assert!(named.contains(bad) && outcome.off.is_empty(), "{outcome:?}");
                assert!(outcome.stuck.iter().all(|f| matches!(f.why, Why::Missing(_))));
                sim.revive(bad);
                m.live(10);
                assert_eq!(sim.hp.online().len(), 8, "all are back");
                assert!(sim.aps().iter().all(|cpu| sim.hp.mark(cpu) == Mark::Online));
                sim.gone(m, &sim.aps(), TeardownMode::Parallel);
                sim.up(m, BringupPolicy::Parallel);
            });
        });
    }
}
