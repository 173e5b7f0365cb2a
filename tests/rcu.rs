//! Readers, grace periods and callbacks while CPUs leave.
#![cfg(not(loom))]

mod sim;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use baton::cpu::{CpuId, CpuMask};
use baton::hotplug::{Way, Why};
use baton::report::{BringupPolicy, Grace, TeardownMode};
use baton::work::WorkItem;
use sim::ops::{MODES, Tally};
use sim::{Cpu, Random, Sim, TIMEOUT_MS, seeds};

const MS: u64 = 1_000_000;

/// Work for a CPU that opens a read side and rests. The word is 1 while it reads, 2 afterwards.
fn reader(sim: &Arc<Sim>, cpu: CpuId, ms: u64) -> Arc<AtomicU64> {
    let (state, sim2) = (Arc::new(AtomicU64::new(0)), sim.clone());
    let said = state.clone();
    let run = Box::new(move |r: &baton::work::Running<'_>| {
        let guard = sim2.services.rcu.read(r.cpu);
        said.store(1, Relaxed);
        let until = r.machine.now() + r.machine.ticks_from_ms(ms);
        while r.machine.now() < until {
            r.machine.wait(Some(until));
        }
        said.store(2, Relaxed);
        drop(guard);
    });
    let whose = sim.services.work.queue(cpu, WorkItem { pinned: false, run });
    assert_eq!(whose, cpu);
    state
}

/// Wakes the CPU and waits until it reads.
fn reads(m: &Cpu<'_>, cpu: CpuId, state: &AtomicU64) {
    use baton::machine::Ipi;
    m.wake(&CpuMask::from_iter([cpu]));
    while state.load(Relaxed) == 0 {
        m.live(1);
    }
}

/// A long reader on one of those that leave, or on one that stays, costs its own length, once.
fn a_long_reader(n: usize, stays: bool, seed: u64) {
    const READS_MS: u64 = 60;
    let sim = Sim::new(n, seed);
    let own = sim.clone();
    let total = sim.run(move |sim, m| {
        sim.up(m, BringupPolicy::Parallel);
        let usual = sim.gone(m, &sim.aps(), TeardownMode::Parallel).total;
        sim.up(m, BringupPolicy::Parallel);
        let cpu = sim.ap(seed as usize % (n - 1));
        let state = reader(&own, cpu, READS_MS);
        let go = if stays { sim.aps().and_not(&CpuMask::from_iter([cpu])) } else { sim.aps() };
        reads(m, cpu, &state);
        let before = sim.services.rcu.counts();
        let outcome = sim.gone(m, &go, TeardownMode::Parallel);
        assert_eq!(state.load(Relaxed), 2, "it is over before anybody is forgotten");
        let counts = sim.services.rcu.counts();
        assert_eq!(counts.synchronized - before.synchronized, 1, "one for all of them");
        let limit = READS_MS * MS + 2 * usual + 5 * MS;
        assert!(outcome.total < limit, "{} us, usually {}", outcome.total / 1000, usual / 1000);
        assert!(outcome.total > (READS_MS - 10) * MS, "{} us", outcome.total / 1000);
        if stays {
            assert!(
                outcome.spans.grace > (READS_MS - 20) * MS,
                "it is the grace period that waits"
            );
        }
        outcome.total
    });
    assert!(total < (READS_MS + 200) * MS, "{} us", total / 1000);
}

#[test]
fn a_long_reader_delays_all_of_them_once() {
    for stays in [false, true] {
        seeds(0..100, |seed| a_long_reader(8, stays, seed));
        seeds(0..10, |seed| a_long_reader(80, stays, seed));
        seeds(0..1, |seed| a_long_reader(512, stays, seed));
    }
}

#[test]
fn serial_pays_a_grace_period_for_each() {
    for (n, rounds) in [(2, 100), (8, 100), (80, 5)] {
        seeds(0..rounds, |seed| {
            Sim::new(n, seed).run(move |sim, m| {
                for mode in MODES {
                    sim.up(m, BringupPolicy::Parallel);
                    let before = sim.services.rcu.counts().synchronized;
                    let outcome = sim.gone(m, &sim.aps(), mode);
                    let paid = sim.services.rcu.counts().synchronized - before;
                    let serial = mode == TeardownMode::Serial;
                    assert_eq!(paid, if serial { n as u64 - 1 } else { 1 });
                    assert!(outcome.spans.grace > 0);
                }
            });
        });
    }
}

/// Serially with a long reader that stays: it delays the first that leaves, not each.
#[test]
fn a_long_reader_delays_serial_by_its_length_too() {
    seeds(0..50, |seed| {
        let sim = Sim::new(8, seed);
        let own = sim.clone();
        sim.run(move |sim, m| {
            sim.up(m, BringupPolicy::Parallel);
            let cpu = sim.ap(seed as usize % 7);
            let state = reader(&own, cpu, 60);
            reads(m, cpu, &state);
            let go = sim.aps().and_not(&CpuMask::from_iter([cpu]));
            let outcome = sim.gone(m, &go, TeardownMode::Serial);
            assert_eq!(state.load(Relaxed), 2);
            assert!((50 * MS..100 * MS).contains(&outcome.spans.grace));
        });
    });
}

/// Callbacks from every CPU, queued when a reader is open: all run once, none before it closes, and
/// those of the CPUs that are gone on one that stays.
fn callbacks(n: usize, each: usize, denied: bool, mode: TeardownMode, seed: u64) {
    let sim = Sim::new(n, seed);
    let own = sim.clone();
    sim.run(move |sim, m| {
        let mut random = Random::new(seed);
        sim.up(m, BringupPolicy::Parallel);
        let stays = sim.ap(random.below(n as u64 - 1) as usize);
        let mut go = sim.subset(&mut random);
        go.remove(stays);
        let reading = reader(&own, stays, 20);
        reads(m, stays, &reading);
        let parked = go.iter().last().filter(|_| denied);
        parked.into_iter().for_each(|cpu| sim.faults(cpu, |f| f.deny_off = 1));
        let tally = Tally::new(n * each);
        queue(&own, m, each, &tally, &reading);
        let outcome = sim.down(m, &go, mode);
        assert!(outcome.clean() && outcome.quarantined().iter().eq(parked));
        let gone = |cpu: &CpuId| go.contains(*cpu);
        let left: usize =
            sim.hp.topology().cpus().filter(gone).map(|c| sim.services.rcu.pending(c)).sum();
        assert_eq!(left, 0, "callbacks stay with who is gone");
        m.live(100);
        tally.each_once();
    });
}

/// Each CPU queues its own, in work of its own.
fn queue(own: &Arc<Sim>, m: &Cpu<'_>, each: usize, tally: &Tally, reading: &Arc<AtomicU64>) {
    use baton::machine::Ipi;
    let busy = reading.load(Relaxed) == 1;
    for cpu in own.aps().iter() {
        let (sim, tally, reading) = (own.clone(), tally.clone(), reading.clone());
        let run = Box::new(move |r: &baton::work::Running<'_>| {
            for i in 0..each {
                let (tally, reading) = (tally.clone(), reading.clone());
                let early = reading.load(Relaxed) == 1;
                let which = cpu.index() * each + i;
                let callback = move || {
                    assert!(!early || reading.load(Relaxed) == 2, "it runs while that one reads");
                    tally.count(which);
                };
                sim.services.rcu.call(r.cpu, Box::new(callback));
            }
        });
        let _ = own.services.work.queue(cpu, WorkItem { pinned: false, run });
    }
    assert!(busy, "the reader is to be there first");
    let boot = own.boot();
    for i in 0..each {
        let (tally, which) = (tally.clone(), boot.index() * each + i);
        own.services.rcu.call(boot, Box::new(move || tally.count(which)));
    }
    m.wake(&own.aps());
}

#[test]
fn callbacks_of_the_gone_run_once_on_a_survivor_after_a_grace_period() {
    for mode in MODES {
        for denied in [false, true] {
            seeds(0..200, |seed| callbacks(8, 3, denied, mode, seed));
            seeds(0..3, |seed| callbacks(80, 2, denied, mode, seed));
        }
    }
    seeds(0..1, |seed| callbacks(512, 1, false, TeardownMode::Parallel, seed));
}

/// A reader that does not end, on a CPU that stays. Serially, with a grace period for each, no CPU is
/// stopped; otherwise the reader is noted, once, and what was left waits for it.
#[test]
fn a_reader_that_never_ends_is_named() {
    // Serially with one for all, such a reader keeps the stop_machine from running before that.
    let each = Way { mode: TeardownMode::Parallel, grace: Grace::Each };
    let all = MODES.map(Way::from).into_iter().chain([each]);
    for way in all {
        seeds(0..100, |seed| {
            let sim = Sim::new(8, seed);
            let own = sim.clone();
            sim.run(move |sim, m| {
                sim.hp.set_timeout_ms(50);
                sim.up(m, BringupPolicy::Parallel);
                let (bad, go) = (sim.ap(seed as usize % 3), sim::some(&sim.aps(), &[4, 5]));
                let reading = reader(&own, bad, TIMEOUT_MS);
                reads(m, bad, &reading);
                let tally = Tally::new(8);
                queue(&own, m, 1, &tally, &reading);
                let before = sim.services.rcu.counts().stalls;
                let outcome = sim.down(m, &go, way);
                let named = |f: &baton::hotplug::Failure| (f.cpu, f.why) == (bad, Why::Reading);
                assert_eq!(sim.services.rcu.counts().stalls, before + 1);
                if way == TeardownMode::Serial.into() {
                    assert!(outcome.stuck.len() == 1 && named(&outcome.stuck[0]));
                    assert!(outcome.off.is_empty() && sim.hp.online().len() == 8);
                    assert_eq!(outcome.spans.stop, 0, "refused before the stop");
                } else {
                    assert!(outcome.noted.len() == 1 && named(&outcome.noted[0]));
                    assert_eq!((outcome.off, &outcome.stuck), (go, &vec![]));
                }
                sim.whole(m);
                m.live(100);
                assert!(tally.all().iter().all(|n| *n == 0), "nobody has waited");
                m.live(TIMEOUT_MS);
                tally.each_once();
                sim.hp.set_timeout_ms(TIMEOUT_MS);
                sim.up(m, BringupPolicy::Parallel);
                sim.gone(m, &sim.aps(), way);
            });
        });
    }
}
