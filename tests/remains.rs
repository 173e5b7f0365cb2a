//! What holds whatever became of an operation.

mod sim;

use std::sync::Arc;

use baton::cpu::{CpuId, CpuMask};
use baton::hotplug::{StepError, steps};
use baton::machine::Ipi;
use baton::options::{BringupPolicy, TeardownMode};
use baton::trace::StepId;
use baton::work::{Item, Running};
use sim::{Act, Cpu, Sim, seeds};

const MODES: [TeardownMode; 2] = [TeardownMode::Serial, TeardownMode::Parallel];

fn up(sim: &Sim, m: &Cpu<'_>) {
    let outcome = sim.hp.bring_up(m, &sim.aps(), BringupPolicy::Parallel);
    assert_eq!(outcome.failed, []);
    sim.truth();
}

fn view(sim: &Sim) -> CpuMask {
    let guard = sim.hp.parts.rcu.read(sim.boot());
    *sim.hp.online_view(&guard)
}

#[test]
fn a_refusal_leaves_the_view_as_it_was() {
    for mode in MODES {
        seeds(0..20, |seed| {
            Sim::new(4, seed).run(move |sim, m| {
                up(sim, m);
                let bad = sim.ap(0);
                let item = Item { pinned: true, run: Box::new(|_| ()) };
                let _ = sim.hp.parts.work.queue(bad, item);
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
                        sim.hp.idle(r.machine, r.cpu, Some(end));
                    }
                });
                let whose = sim.hp.parts.work.queue(busy, Item { pinned: false, run });
                m.kick(&CpuMask::from_iter([whose]));
                let until = sim.now() + 50_000 + seed * 1000;
                while sim.now() < until {
                    sim.hp.idle(m, sim.boot(), Some(until));
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
