//! Teardowns that are refused before anything changes, and steps that fail in every direction.
#![cfg(not(loom))]

mod sim;

use baton::cpu::CpuMask;
use baton::hotplug::steps::{self, Act, Section};
use baton::hotplug::{Failure, StepFailure, Why};
use baton::machine::StepError;
use baton::report::{BringupPolicy, TeardownMode};
use baton::trace::{Dir, Mark, StepId};
use baton::work::WorkItem;
use sim::ops::{MODES, POLICIES, Tally};
use sim::{Sim, seeds};

/// Pinned work keeps its CPU: said before anything changes.
#[test]
fn pinned_work_refuses_and_nothing_has_changed() {
    let step = steps::by_name("work:prepare").unwrap();
    for mode in MODES {
        seeds(0..200, |seed| {
            Sim::new(8, seed).run(move |sim, m| {
                use baton::machine::Ipi;
                sim.up(m, BringupPolicy::Parallel);
                let bad = sim.ap(seed as usize % 7);
                let (tally, own) = (Tally::new(1), Tally::new(1));
                for (pinned, tally) in [(true, tally.clone()), (false, own.clone())] {
                    let run = Box::new(move |r: &baton::work::Running<'_>| {
                        assert_eq!(r.cpu, bad);
                        tally.count(0);
                    });
                    let _ = sim.services.work.queue(bad, WorkItem { pinned, run });
                }
                sim.set_console(m, bad);
                let (marks, online) = (sim.marks().len(), sim.hp.online());
                let outcome = sim.down(m, &sim.aps(), mode);
                let error = StepError::PinnedWork;
                let why = Why::Step(StepFailure { step, dir: Dir::Down, error });
                // It may have run while the boot CPU was about to ask.
                if tally.get(0) == 0 {
                    assert_eq!(outcome.stuck, [Failure { cpu: bad, mark: Mark::Online, why }]);
                    assert_eq!((outcome.off.len(), sim.marks().len()), (0, marks));
                    assert_eq!((sim.hp.online(), sim.console()), (online, bad));
                    sim.whole(m);
                    m.wake(&CpuMask::from_iter([bad]));
                    m.live(2);
                    tally.each_once();
                    sim.gone(m, &sim.aps(), mode);
                }
                m.live(1);
                own.each_once();
            });
        });
    }
}

/// What a failure on the way down leads to.
fn goes_wrong(step: StepId, mode: TeardownMode, single: bool, seed: u64) {
    Sim::new(8, seed).run(move |sim, m| {
        let &steps::CpuhpStep { down: act, section, .. } = steps::get(step).unwrap();
        sim.up(m, BringupPolicy::Parallel);
        let last = sim.ap(6);
        let go = if single { CpuMask::from_iter([last]) } else { sim.aps() };
        let cpu = if matches!(act, Act::All(_)) { sim.boot() } else { last };
        sim.set_console(m, last);
        let console = sim.row(33);
        sim.hp.faults.inject(step, Some(cpu), Some(Dir::Down), 1).unwrap();
        let outcome = sim.down(m, &go, mode);
        let why = Why::Step(StepFailure { step, dir: Dir::Down, error: StepError::Injected });
        let says = |all: &[Failure]| all.iter().filter(|f| f.why == why).count();
        assert_eq!(sim.row(33).requested, console.requested);
        if section >= Section::Online {
            assert_eq!((says(&outcome.stuck), says(&outcome.noted)), (1, 0), "{outcome:?}");
            assert!(mode == TeardownMode::Serial || outcome.off.is_empty());
            assert!(sim.hp.online().contains(last));
            assert_eq!(outcome.off, go.and_not(&sim.hp.online()));
            sim.whole(m);
            if outcome.off.is_empty() {
                assert_eq!(sim.console(), last, "it is where it was");
            }
        } else {
            // Past the point where anybody could come back.
            assert_eq!((outcome.off, outcome.stuck.len(), says(&outcome.noted)), (go, 0, 1));
            assert_eq!(sim.view(m), sim.hp.online());
        }
        sim.up(m, BringupPolicy::Parallel);
        sim.gone(m, &sim.aps(), mode);
    });
}

#[test]
fn every_step_can_fail_on_the_way_down() {
    for step in (0..steps::STEPS.len()).map(|i| StepId(i as u8)) {
        if !steps::get(step).unwrap().acts(Dir::Down) {
            continue;
        }
        for mode in MODES {
            for single in [true, false] {
                seeds(0..25, |seed| goes_wrong(step, mode, single, seed));
            }
        }
    }
}

/// The shared section fails after CPUs came: they are up, and the failure is said.
#[test]
fn a_failure_for_all_on_the_way_up_is_reported() {
    let step = steps::by_name("irq:shared").unwrap();
    for policy in POLICIES {
        seeds(0..50, |seed| {
            Sim::new(8, seed).run(move |sim, m| {
                sim.hp.faults.inject(step, None, Some(Dir::Up), 1).unwrap();
                let outcome = sim.hp.bring_up(m, &sim.aps(), policy);
                let failure = StepFailure { step, dir: Dir::Up, error: StepError::Injected };
                let (cpu, mark, why) = (sim.boot(), Mark::Online, Why::Step(failure));
                assert_eq!(outcome.failed, [Failure { cpu, mark, why }]);
                assert_eq!(outcome.online, sim.aps());
                sim.whole(m);
                sim.gone(m, &sim.aps(), TeardownMode::Parallel);
                sim.up(m, policy);
            });
        });
    }
}
