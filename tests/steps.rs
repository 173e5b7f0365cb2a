//! Steps that fail on the way up.
#![cfg(not(loom))]

mod sim;

use baton::cpu::CpuId;
use baton::hotplug::steps::{self, Section};
use baton::hotplug::{Failure, StepFailure, Why, fault};
use baton::machine::StepError;
use baton::report::{BringupPolicy, TeardownMode};
use baton::trace::{Dir, Mark, StepId};
use sim::{Sim, TIMEOUT_MS, seeds};

const POLICIES: [BringupPolicy; 3] =
    [BringupPolicy::Serial, BringupPolicy::Parallel, BringupPolicy::Fanout];

/// One CPU's step fails: it is off afterwards, the others are up, and it comes with the next try.
fn one_fails(
    cause: impl Fn(&Sim, CpuId) + Copy + 'static,
    step: StepId,
    error: StepError,
    rounds: u64,
) {
    for policy in POLICIES {
        seeds(0..rounds, |seed| {
            Sim::new(8, seed).run(move |sim, m| {
                let bad = sim.ap(seed as usize % 7);
                cause(sim, bad);
                let begin = sim.now();
                let outcome = sim.hp.bring_up(m, &sim.aps(), policy);
                let prepare = steps::STEPS[step.0 as usize].section == Section::Prepare;
                let mark = if prepare { Mark::Offline } else { Mark::ApIdleDead };
                let why = Why::Step(StepFailure { step, dir: Dir::Up, error });
                assert_eq!(outcome.failed, [Failure { cpu: bad, mark, why }]);
                assert_eq!((outcome.online.len(), sim.hp.mark(bad)), (6, Mark::Offline));
                assert!(sim.now() - begin < 50_000_000, "nobody waits for the deadline");
                sim.truth();
                let again = sim.hp.bring_up(m, &sim.aps(), policy);
                assert_eq!((again.online.len(), again.failed), (1, vec![]));
                let down = sim.hp.tear_down(m, &sim.aps(), TeardownMode::Parallel);
                assert_eq!(down.off, sim.aps());
                sim.truth();
            });
        });
    }
}

/// The steps that do something for each CPU on its way up.
fn each_up() -> impl Iterator<Item = StepId> {
    let each = |i: &usize| steps::STEPS[*i].is_each(Dir::Up);
    (0..steps::STEPS.len()).filter(each).map(|i| StepId(i as u8))
}

#[test]
fn every_step_can_fail_and_is_undone() {
    for step in each_up() {
        let cause = move |sim: &Sim, cpu| {
            sim.hp.faults.inject(step, Some(cpu), Some(Dir::Up), 1).unwrap();
        };
        one_fails(cause, step, StepError::Injected, 60);
    }
}

#[test]
fn what_the_machine_says_comes_through() {
    for (act, name, error) in [
        (sim::Act::Prepare, "percpu:prepare", StepError::NoMemory),
        (sim::Act::Check, "cpu:check", StepError::WrongMpidr),
        (sim::Act::GicUp, "gic:starting", StepError::RedistributorAsleep),
    ] {
        // Prepare runs on the boot CPU; the fault waits at the CPU it is about.
        let cause = move |sim: &Sim, cpu| sim.faults(cpu, |f| f.steps.push((act, error)));
        one_fails(cause, steps::by_name(name).unwrap(), error, 100);
    }
}

/// All fail in different steps: all are named, and nobody waits for the deadline.
#[test]
fn many_failures_at_once_are_all_named() {
    for policy in POLICIES {
        seeds(0..100, |seed| {
            Sim::new(64, seed).run(move |sim, m| {
                let failing = each_up().skip(1).take(6).collect::<Vec<_>>();
                for &step in &failing {
                    sim.hp.faults.inject(step, None, Some(Dir::Up), 5).unwrap();
                }
                let failing = 5 * failing.len();
                let begin = sim.now();
                let outcome = sim.hp.bring_up(m, &sim.aps(), policy);
                assert_eq!((outcome.failed.len(), outcome.online.len()), (failing, 63 - failing));
                assert!(outcome.failed.iter().all(|f| matches!(f.why, Why::Step(_))));
                let limit = if policy == BringupPolicy::Serial { 600 } else { 100 };
                assert!(sim.now() - begin < limit * 1_000_000);
                sim.truth();
                assert_eq!(sim.hp.bring_up(m, &sim.aps(), policy).online.len(), failing);
            });
        });
    }
}

/// A CPU whose step failed, and which then can't be turned off, sits on its stack for good.
#[test]
fn a_failed_cpu_that_cannot_be_turned_off_is_quarantined() {
    let step = steps::by_name("timer:starting").unwrap();
    for (policy, given_up) in POLICIES.into_iter().flat_map(|p| [(p, false), (p, true)]) {
        seeds(0..100, |seed| {
            Sim::new(4, seed).run(move |sim, m| {
                let bad = sim.ap(seed as usize % 3);
                sim.faults(bad, |f| f.deny_off = 1);
                if given_up {
                    let late = sim::Answer::Late(TIMEOUT_MS * 2_000_000);
                    sim.faults(bad, |f| f.on.push_back(late));
                } else {
                    sim.hp.faults.inject(step, Some(bad), Some(Dir::Up), 1).unwrap();
                }
                let outcome = sim.hp.bring_up(m, &sim.aps(), policy);
                assert_eq!(outcome.failed.len(), 1);
                m.rest(TIMEOUT_MS * 3);
                assert_eq!(sim.hp.mark(bad), Mark::Quarantined);
                sim.truth();
                let again = sim.hp.bring_up(m, &sim.aps(), policy);
                assert_eq!(again.failed[0].why, Why::NotReady);
                sim.truth();
            });
        });
    }
}

/// `off` also denies the CPU_OFF of a CPU whose bring-up failed.
#[test]
fn an_injected_denial_parks_a_cpu_whose_bring_up_failed() {
    seeds(0..50, |seed| {
        Sim::new(4, seed).run(|sim, m| {
            let bad = sim.ap(1);
            sim.hp
                .faults
                .inject(steps::by_name("gic:starting").unwrap(), Some(bad), Some(Dir::Up), 1)
                .unwrap();
            sim.hp.faults.inject(fault::OFF, Some(bad), None, 1).unwrap();
            let outcome = sim.hp.bring_up(m, &sim.aps(), BringupPolicy::Parallel);
            assert_eq!((outcome.failed.len(), sim.hp.mark(bad)), (1, Mark::Quarantined));
            sim.truth();
        });
    });
}
