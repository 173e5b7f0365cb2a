//! Timers and work of CPUs that leave: once, not too early, and by somebody who is there.
#![cfg(not(loom))]

mod sim;

use std::sync::{Arc, Mutex};

use baton::cpu::{CpuId, CpuMask};
use baton::hotplug::Why;
use baton::machine::{Clock, Ipi};
use baton::report::{BringupPolicy, TeardownMode};
use baton::trace::Mark;
use baton::work::WorkItem;
use sim::ops::{MODES, Tally};
use sim::{Cpu, Random, Sim, seeds};

/// Who did what: the CPU it was meant for, and the one that did it.
type Done = Arc<Mutex<Vec<(CpuId, CpuId)>>>;

struct Load {
    tally: Tally,
    done: Done,
}

/// `each` timers and as many items for every CPU.
fn load(own: &Arc<Sim>, m: &Cpu<'_>, each: usize, random: &mut Random) -> Load {
    let cpus = own.hp.topology().len();
    let load = Load { tally: Tally::new(cpus * each * 2), done: Done::default() };
    for cpu in own.hp.topology().cpus() {
        for i in 0..each {
            let which = (cpu.index() * each + i) * 2;
            let deadline = m.now() + random.below(20_000_000);
            arm(own, m, cpu, deadline, &load, which);
            item(own, m, cpu, &load, which + 1);
        }
    }
    load
}

fn arm(own: &Arc<Sim>, m: &Cpu<'_>, cpu: CpuId, deadline: u64, load: &Load, which: usize) {
    let (sim, tally, done) = (own.clone(), load.tally.clone(), load.done.clone());
    let added = own.services.timers.add(
        cpu,
        deadline,
        Box::new(move |f| {
            assert!(f.now >= deadline && f.deadline == deadline, "too early");
            assert!(matches!(sim.hp.mark(f.cpu), Mark::Online | Mark::TeardownCpu));
            tally.count(which);
            done.lock().unwrap().push((cpu, f.cpu));
        }),
    );
    if added.earliest && added.cpu != m.id() {
        m.wake(&CpuMask::from_iter([added.cpu]));
    }
}

fn item(own: &Arc<Sim>, m: &Cpu<'_>, cpu: CpuId, load: &Load, which: usize) {
    let (tally, done) = (load.tally.clone(), load.done.clone());
    let run = Box::new(move |r: &baton::work::Running<'_>| {
        r.machine.now();
        tally.count(which);
        done.lock().unwrap().push((cpu, r.cpu));
    });
    let whose = own.services.work.queue(cpu, WorkItem { pinned: false, run });
    if random_wake(which) {
        m.wake(&CpuMask::from_iter([whose]));
    }
}

/// One work item of three comes with an IPI; the others may still wait when the CPU leaves.
fn random_wake(which: usize) -> bool {
    which.is_multiple_of(3)
}

/// Random sets leave with what they have; what they left runs on those that stay.
fn left_behind(n: usize, each: usize, denied: bool, mode: TeardownMode, seed: u64) {
    let sim = Sim::new(n, seed);
    let own = sim.clone();
    sim.run(move |sim, m| {
        let mut random = Random::new(seed ^ 0x71);
        sim.up(m, BringupPolicy::Parallel);
        let go = sim.subset(&mut random);
        let parked = go.iter().last().filter(|_| denied);
        parked.into_iter().for_each(|cpu| sim.faults(cpu, |f| f.deny_off = 1));
        let load = load(&own, m, each, &mut random);
        let outcome = sim.down(m, &go, mode);
        assert!(outcome.clean() && outcome.quarantined().iter().eq(parked));
        for cpu in go.iter() {
            let left = (sim.services.timers.len(cpu), sim.services.work.len(cpu));
            assert_eq!(left, (0, 0), "cpu {cpu} has kept something");
        }
        let before = load.done.lock().unwrap().len();
        // What is meant for them goes to who has taken over.
        let late = Load { tally: Tally::new(2), done: Done::default() };
        arm(&own, m, go.iter().next().unwrap(), m.now(), &late, 0);
        item(&own, m, go.iter().next().unwrap(), &late, 1);
        m.live(3);
        if random.one_in(2) {
            let _ = sim.hp.bring_up(m, &sim.aps(), BringupPolicy::Parallel);
        }
        m.wake(&sim.hp.online());
        m.live(25);
        load.tally.each_once();
        late.tally.each_once();
        let done = load.done.lock().unwrap();
        assert!(done[before..].iter().all(|(_, by)| !go.contains(*by)), "by one that is gone");
    });
}

#[test]
fn what_they_leave_runs_once_on_a_survivor() {
    for mode in MODES {
        for denied in [false, true] {
            seeds(0..100, |seed| left_behind(2, 3, denied, mode, seed));
            seeds(0..200, |seed| left_behind(8, 3, denied, mode, seed));
            seeds(0..3, |seed| left_behind(80, 2, denied, mode, seed));
        }
    }
    seeds(0..1, |seed| left_behind(512, 1, false, TeardownMode::Parallel, seed));
}

/// A teardown that is called off has moved nothing.
#[test]
fn a_call_off_moves_nothing() {
    for mode in MODES {
        seeds(0..200, |seed| {
            let sim = Sim::new(8, seed);
            let own = sim.clone();
            sim.run(move |sim, m| {
                let mut random = Random::new(seed);
                sim.up(m, BringupPolicy::Parallel);
                let bad = sim.ap(seed as usize % 7);
                let work = baton::hotplug::steps::by_name("work:online").unwrap();
                let down = Some(baton::trace::Dir::Down);
                sim.hp.faults.inject(work, Some(bad), down, 1).unwrap();
                let load = load(&own, m, 3, &mut random);
                let go = if mode == TeardownMode::Serial {
                    CpuMask::from_iter([bad])
                } else {
                    sim.aps()
                };
                let outcome = sim.down(m, &go, mode);
                assert!(matches!(outcome.stuck[..], [f] if matches!(f.why, Why::Step(_))));
                m.wake(&sim.hp.online());
                m.live(25);
                load.tally.each_once();
                let done = load.done.lock().unwrap();
                assert!(done.iter().all(|(meant, by)| meant == by), "it has moved");
            });
        });
    }
}
