//! Performance monitors of clusters whose CPUs come and go: one owner, and exact totals.
#![cfg(not(loom))]

mod sim;

use baton::cpu::CpuMask;
use baton::hotplug::steps;
use baton::pmu::Request;
use baton::report::{BringupPolicy, TeardownMode};
use baton::trace::Dir;
use sim::ops::{MODES, POLICIES};
use sim::{Cpu, Random, Sim, seeds};

/// Cycles, and an event that overflows every 268 ms.
const EVENTS: [u16; 2] = [0x11, 0x1d];

/// The owner is there and stays, and a cluster is vacant only if nobody of it is online.
fn owners(sim: &Sim) {
    for info in sim.services.pmu.info() {
        let here = info.cpus.and(&sim.hp.online());
        assert_eq!(info.present, here, "cluster {}", info.number);
        assert_eq!(info.owner.is_some(), !here.is_empty(), "cluster {}", info.number);
        assert!(info.owner.is_none_or(|cpu| here.contains(cpu)), "{:?}", info.owner);
        assert_eq!(info.counting, info.owner.is_some(), "cluster {}", info.number);
    }
}

/// Totals are what a perfect observer has counted: in a stopped cluster to the last one, in a
/// running one at a moment between the question and the answer.
fn totals(sim: &Sim, m: &Cpu<'_>) {
    for info in sim.services.pmu.info() {
        let before = EVENTS.map(|event| sim.counted(info.number, event).0);
        if info.owner.is_some() {
            sim.pmu(m, info.number, Request::Read).unwrap();
        }
        let events = sim.services.pmu.info().swap_remove(info.number).events;
        for event in events {
            let i = EVENTS.iter().position(|e| *e == event.event).unwrap();
            let (after, _) = sim.counted(info.number, event.event);
            let range = before[i]..=after;
            assert!(range.contains(&event.total), "{event:?} of {}, not in {range:?}", info.number);
        }
    }
}

fn open_all(sim: &Sim, m: &Cpu<'_>) {
    for info in sim.services.pmu.info().iter().filter(|info| info.owner.is_some()) {
        for event in EVENTS {
            if info.events.iter().all(|open| open.event != event) {
                sim.pmu(m, info.number, Request::Open(event)).unwrap();
            }
        }
    }
}

fn come_and_go(n: usize, cycles: u64, seed: u64) {
    let sim = Sim::new(n, seed);
    let own = sim.clone();
    sim.run(move |sim, m| {
        let mut random = Random::new(seed ^ 0xd50);
        own.ask_for_clusters(m);
        for _ in 0..cycles {
            sim.up(m, random.pick(&POLICIES));
            owners(sim);
            open_all(sim, m);
            m.live(random.below(3) * 150);
            let go = if random.one_in(3) { sim.aps() } else { sim.subset(&mut random) };
            if random.one_in(3) {
                let step = steps::by_name(random.pick(&["work:online", "pmu:online"])).unwrap();
                let bad = go.iter().last();
                sim.hp.faults.inject(step, bad, Some(Dir::Down), 1).unwrap();
                let outcome = sim.down(m, &go, TeardownMode::Parallel);
                assert_eq!((outcome.off.len(), outcome.stuck.len()), (0, 1));
                owners(sim);
                totals(sim, m);
            }
            sim.gone(m, &go, random.pick(&MODES));
            owners(sim);
            totals(sim, m);
        }
    });
}

#[test]
fn the_owner_is_there_and_totals_are_exact() {
    seeds(0..150, |seed| come_and_go(2, 3, seed));
    seeds(0..200, |seed| come_and_go(8, 3, seed));
    seeds(0..6, |seed| come_and_go(80, 2, seed));
    seeds(0..1, |seed| come_and_go(512, 1, seed));
}

/// All CPUs of a cluster leave at once and come back: the totals go on where they stood.
#[test]
fn a_whole_cluster_leaves_and_comes_back() {
    for mode in MODES {
        seeds(0..150, |seed| {
            let sim = Sim::new(16, seed);
            let own = sim.clone();
            sim.run(move |sim, m| {
                own.ask_for_clusters(m);
                sim.up(m, BringupPolicy::Parallel);
                open_all(sim, m);
                m.live(10);
                let clusters = sim.services.pmu.info();
                let away = |cpus: &CpuMask| !cpus.contains(sim.boot());
                let Some(one) = clusters.iter().find(|c| away(&c.cpus)) else { return };
                sim.gone(m, &one.cpus, mode);
                let stopped = sim.services.pmu.info().swap_remove(one.number);
                assert_eq!((stopped.owner, stopped.events.len()), (None, 2));
                assert!(!sim.counted(one.number, EVENTS[0]).1, "the counters still run");
                m.live(10);
                for event in &stopped.events {
                    assert_eq!(event.total, sim.counted(one.number, event.event).0);
                }
                sim.up(m, BringupPolicy::Parallel);
                m.live(10);
                owners(sim);
                totals(sim, m);
                let later = sim.services.pmu.info().swap_remove(one.number);
                let grown =
                    later.events.iter().zip(&stopped.events).all(|(l, s)| l.total > s.total);
                assert!(grown, "{later:?}");
            });
        });
    }
}
