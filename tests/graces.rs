//! How many grace periods a teardown waits for, in either order, and when they end.
#![cfg(not(loom))]

mod sim;

use baton::cpu::{CpuId, CpuMask};
use baton::hotplug::{Way, modelled_end, steps};
use baton::machine::Clock;
use baton::report::{BringupPolicy, Grace, TeardownMode};
use baton::trace::{Dir, Mark};
use sim::{Cpu, Sim, seeds};

const MODES: [TeardownMode; 2] = [TeardownMode::Serial, TeardownMode::Parallel];
const GRACES: [Grace; 2] = [Grace::Each, Grace::Once];

/// Serially and in parallel, with a grace period for each CPU and one for all.
fn corners() -> impl Iterator<Item = Way> {
    MODES.into_iter().flat_map(|mode| GRACES.map(|grace| Way { mode, grace }))
}

/// Grace periods that were waited for since `before`.
fn paid(sim: &Sim, before: u64) -> u64 {
    sim.services.rcu.counts().synchronized - before
}

/// This CPU's next way down fails at a step that can.
fn refuses(sim: &Sim, cpu: CpuId) {
    let step = steps::by_name("work:online").unwrap();
    sim.hp.faults.inject(step, Some(cpu), Some(Dir::Down), 1).unwrap();
}

fn all_go(n: usize, seed: u64) {
    Sim::new(n, seed).run(move |sim, m| {
        for way in corners() {
            sim.up(m, BringupPolicy::Parallel);
            let before = paid(sim, 0);
            let outcome = sim.gone(m, &sim.aps(), way);
            let wanted = if way.grace == Grace::Each { n as u64 - 1 } else { 1 };
            assert_eq!(paid(sim, before), wanted, "{way:?}");
            assert!(outcome.noted.is_empty() && outcome.spans.grace > 0, "{way:?}");
            let offline = |cpu| sim.hp.mark(cpu) == Mark::Offline;
            assert!(sim.aps().iter().all(offline), "{way:?}: all are cleaned up after");
        }
    });
}

#[test]
fn each_corner_waits_for_as_many_as_it_says() {
    seeds(0..100, |seed| all_go(2, seed));
    seeds(0..100, |seed| all_go(8, seed));
    seeds(0..3, |seed| all_go(80, seed));
}

/// One CPU refuses: serially with one grace period for all, those before it are off, cleaned up
/// after, and have had theirs; the others stay.
#[test]
fn those_that_had_left_before_a_refusal_are_finished() {
    seeds(0..100, |seed| {
        Sim::new(8, seed).run(move |sim, m| {
            sim.up(m, BringupPolicy::Parallel);
            let bad = sim.ap(3);
            refuses(sim, bad);
            let before = paid(sim, 0);
            let way = Way { mode: TeardownMode::Serial, grace: Grace::Once };
            let outcome = sim.down(m, &sim.aps(), way);
            let gone: CpuMask = sim.aps().iter().take(3).collect();
            assert_eq!((outcome.off, outcome.stuck.len()), (gone, 1));
            assert_eq!(outcome.stuck[0].cpu, bad);
            assert_eq!(paid(sim, before), 1);
            assert!(gone.iter().all(|cpu| sim.hp.mark(cpu) == Mark::Offline));
            assert_eq!(
                sim.hp.online(),
                sim.hp.topology().cpus().filter(|&c| !gone.contains(c)).collect()
            );
            sim.whole(m);
            sim.up(m, BringupPolicy::Parallel);
            sim.gone(m, &sim.aps(), way);
        });
    });
}

/// The first CPU refuses: no CPU has left, so there is nothing to wait for.
#[test]
fn nothing_is_waited_for_if_none_has_left() {
    seeds(0..50, |seed| {
        Sim::new(4, seed).run(move |sim, m| {
            sim.up(m, BringupPolicy::Parallel);
            refuses(sim, sim.ap(0));
            let before = paid(sim, 0);
            let way = Way { mode: TeardownMode::Serial, grace: Grace::Once };
            let outcome = sim.down(m, &sim.aps(), way);
            assert!(outcome.off.is_empty() && outcome.stuck.len() == 1);
            assert_eq!((paid(sim, before), sim.hp.online().len()), (0, 4));
        });
    });
}

fn ticks(n: usize, seed: u64, hz: u32) {
    Sim::new(n, seed).run(move |sim, m: &Cpu<'_>| {
        sim.hp.set_tick_hz(Some(hz));
        let tick = m.hz() / u64::from(hz);
        let scan = modelled_end(0, m.hz(), hz, n) / tick;
        for way in corners() {
            sim.up(m, BringupPolicy::Parallel);
            let outcome = sim.gone(m, &sim.aps(), way);
            let times = if way.grace == Grace::Each { n as u64 - 1 } else { 1 };
            let grace = outcome.spans.grace;
            // Serially other work lies between the ticks, so that the first tick of each comes sooner.
            assert!(grace > times * (scan - 1) * tick, "{way:?} {grace}");
            assert!(grace < times * (scan * tick + tick / 2), "{way:?} {grace}");
            assert!(outcome.total >= grace);
        }
        sim.hp.set_tick_hz(None);
        sim.up(m, BringupPolicy::Parallel);
        let grace = sim.gone(m, &sim.aps(), TeardownMode::Parallel).spans.grace;
        assert!(grace < tick, "without the model: {grace}");
    });
}

#[test]
fn with_ticks_a_grace_period_ends_where_linux_would_see_it() {
    for hz in [100, 250, 1000] {
        seeds(0..20, |seed| ticks(4, seed, hz));
        seeds(0..2, |seed| ticks(40, seed, hz));
    }
}
