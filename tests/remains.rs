//! What holds whatever became of an operation.
#![cfg(not(loom))]

mod sim;

use std::sync::{Arc, Weak};

use baton::cpu::{CpuId, CpuMask};
use baton::hotplug::{Failure, steps};
use baton::machine::pmu::{ClusterPmu, PmuReg};
use baton::machine::{Clock, Ipi, PsciError, StepError};
use baton::pmu::Request;
use baton::rcu::How;
use baton::report::{BringupPolicy, TeardownMode};
use baton::trace::{Dir, Mark, StepId};
use baton::work::{Running, WorkItem};
use sim::{Act, Answer, Cpu, Power, Sim, TIMEOUT_MS, seeds};

const MODES: [TeardownMode; 2] = [TeardownMode::Serial, TeardownMode::Parallel];

fn up(sim: &Sim, m: &Cpu<'_>) {
    let outcome = sim.hp.bring_up(m, &sim.aps(), BringupPolicy::Parallel);
    assert_eq!(outcome.failed, []);
    sim.truth();
}

fn view(sim: &Sim) -> CpuMask {
    let guard = sim.services.rcu.read(sim.boot());
    *sim.hp.online_view(&guard)
}

#[test]
fn a_refusal_leaves_the_view_as_it_was() {
    for mode in MODES {
        seeds(0..20, |seed| {
            Sim::new(4, seed).run(move |sim, m| {
                up(sim, m);
                let bad = sim.ap(0);
                let item = WorkItem { pinned: true, run: Box::new(|_| ()) };
                let _ = sim.services.work.queue(bad, item);
                let outcome = sim.hp.tear_down(m, &sim.aps(), mode);
                assert_eq!(outcome.stuck.len(), 1, "{:?}", outcome.stuck);
                assert_eq!(view(sim), sim.hp.online());
            });
        });
    }
}

#[test]
fn a_rejected_route_leaves_the_view_as_it_was() {
    for mode in MODES {
        seeds(0..20, |seed| {
            Sim::new(4, seed).run(move |sim, m| {
                up(sim, m);
                assert!(sim.set_console(m, sim.ap(0)));
                sim.faults(sim.boot(), |f| f.steps.push((Act::Route, StepError::RouteRejected)));
                let outcome = sim.hp.tear_down(m, &sim.aps(), mode);
                assert_eq!(outcome.stuck.len(), 1, "{:?}", outcome.stuck);
                assert_eq!(view(sim), sim.hp.online());
            });
        });
    }
}

#[test]
fn a_request_that_comes_while_work_waits_is_not_overlooked() {
    for mode in MODES {
        seeds(0..200, |seed| {
            let sim = Sim::new(4, seed);
            let inner = Arc::downgrade(&sim);
            sim.run(move |sim, m| {
                up(sim, m);
                let busy = sim.ap(0);
                let run = Box::new(move |r: &Running<'_>| {
                    let sim = inner.upgrade().unwrap();
                    let end = r.machine.now() + 300_000;
                    while r.machine.now() < end {
                        sim.services.idle(r.machine, r.cpu, Some(end));
                    }
                });
                let whose = sim.services.work.queue(busy, WorkItem { pinned: false, run });
                m.wake(&CpuMask::from_iter([whose]));
                let until = sim.now() + 50_000 + seed * 1000;
                while sim.now() < until {
                    sim.services.idle(m, sim.boot(), Some(until));
                }
                let outcome = sim.hp.tear_down(m, &sim.aps(), mode);
                assert_eq!(outcome.stuck, []);
            });
        });
    }
}

#[test]
fn every_step_can_be_made_exclusive() {
    for i in 0..steps::STEPS.len() {
        seeds(0..20, |seed| {
            Sim::new(8, seed).run(move |sim, m| {
                sim.hp.set_exclusive(StepId(i as u8), true);
                up(sim, m);
                let outcome = sim.hp.tear_down(m, &sim.aps(), TeardownMode::Parallel);
                assert_eq!(outcome.stuck, []);
            });
        });
    }
}

/// Everybody is given up on the way, and the step back of each is made to fail.
#[test]
fn who_is_off_owns_no_cluster() {
    seeds(0..60, |seed| {
        Sim::new(8, seed).run(move |sim, m| {
            let pmu = steps::by_name("pmu:online").unwrap();
            for cpu in sim.aps().iter() {
                sim.hp.faults.inject(pmu, Some(cpu), Some(Dir::Down), 1).unwrap();
            }
            sim.hp.set_timeout_ms(0);
            let _ = sim.hp.bring_up(m, &sim.aps(), BringupPolicy::Parallel);
            sim.hp.set_timeout_ms(TIMEOUT_MS);
            m.rest(10);
            for cpu in sim.aps().iter() {
                let refused = Answer::Refused(PsciError::InternalFailure);
                sim.faults(cpu, |f| f.on.push_back(refused));
            }
            let again = sim.hp.bring_up(m, &sim.aps(), BringupPolicy::Parallel);
            assert_eq!(again.online, CpuMask::new());
            for info in sim.services.pmu.info() {
                let off = |cpu: &CpuId| sim.power(*cpu) == Power::Off;
                assert_eq!(info.present.iter().find(off), None, "{info:?}");
            }
        });
    });
}

/// A CPU does not come back from a teardown that was called off: the next one takes it along.
#[test]
fn who_stayed_behind_goes_with_the_others() {
    for mode in MODES {
        seeds(0..60, |seed| {
            Sim::new(4, seed).run(move |sim, m| {
                up(sim, m);
                let step = |name| steps::by_name(name).unwrap();
                let (refuses, stays) = (sim.ap(2), sim.ap(0));
                let faults = &sim.hp.faults;
                faults.inject(step("pmu:online"), Some(refuses), Some(Dir::Down), 1).unwrap();
                faults.inject(step("work:online"), Some(stays), Some(Dir::Up), 1).unwrap();
                let _ = sim.hp.tear_down(m, &sim.aps(), TeardownMode::Parallel);
                assert_eq!(sim.hp.mark(stays), Mark::TeardownCpu);
                assert_eq!(sim.hp.up(), sim.aps());
                let outcome = sim.hp.tear_down(m, &sim.hp.up(), mode);
                assert_eq!((outcome.off, outcome.stuck), (sim.aps(), vec![]));
            });
        });
    }
}

/// The counters of the boot CPU's cluster stop when nothing else is left.
#[test]
fn the_last_cluster_stops_at_the_jump() {
    seeds(0..60, |seed| {
        Sim::new(8, seed).run(move |sim, m| {
            up(sim, m);
            let pmu = &sim.services.pmu;
            let Some(cluster) = pmu.cluster_of(sim.boot()) else { return };
            let pause = &mut |_| true;
            pmu.ask(m, sim.boot(), cluster, Request::Open(0x11), pause).unwrap();
            let _ = sim.hp.tear_down(m, &sim.hp.up(), TeardownMode::Parallel);
            assert_eq!(
                (pmu.owner(cluster), m.pmu_read(PmuReg::Control) & 1),
                (Some(sim.boot()), 1)
            );
            sim.hp.boot_cpu_silent(m);
            assert_eq!((pmu.owner(cluster), m.pmu_read(PmuReg::Control) & 1), (None, 0));
            assert_eq!(m.pmu_read(PmuReg::InterruptsOn), 0);
        });
    });
}

/// A CPU is lost just before it wakes those that wait for it: nobody else is.
#[test]
fn who_is_lost_with_a_kick_takes_nobody_along() {
    for mode in MODES {
        for left in 0..3 {
            seeds(0..200, |seed| {
                Sim::new(4, seed).run(move |sim, m| {
                    up(sim, m);
                    let lost = sim.ap(seed as usize % 3);
                    sim.faults(lost, |f| f.lose_at_wake = Some(left));
                    let outcome = sim.hp.tear_down(m, &sim.aps(), mode);
                    let others = |f: &&Failure| f.cpu != lost;
                    assert_eq!(outcome.stuck.iter().find(others), None);
                });
            });
        }
    }
}

/// A CPU that always has something to do is no reader.
#[test]
fn work_without_end_does_not_hold_up_a_grace_period() {
    fn again(sim: &Weak<Sim>, cpu: CpuId) {
        let (Some(strong), weak) = (sim.upgrade(), sim.clone()) else { return };
        let run = Box::new(move |r: &Running<'_>| again(&weak, r.cpu));
        let _ = strong.services.work.queue(cpu, WorkItem { pinned: false, run });
    }
    seeds(0..20, |seed| {
        let sim = Sim::new(4, seed);
        let weak = Arc::downgrade(&sim);
        sim.run(move |sim, m| {
            up(sim, m);
            again(&weak, sim.ap(1));
            m.wake(&CpuMask::from_iter([sim.ap(1)]));
            m.rest(1);
            let deadline = m.now() + m.ticks_from_ms(100);
            assert_eq!(sim.services.rcu.synchronize(m, sim.boot(), How::Normal, deadline), Ok(()));
        });
    });
}
