//! Many operations in a row on one machine, with everything that can go wrong at random.
#![cfg(not(loom))]

mod sim;

use baton::cpu::{CpuId, CpuMask};
use baton::hotplug::{Failure, Why, fault};
use baton::machine::{PsciError, StepError};
use baton::report::{BringupPolicy, TeardownMode};
use baton::trace::{Dir, Mark, StepId};
use sim::{Act, Answer, Cpu, Random, Sim, TIMEOUT_MS, seeds};

const POLICIES: [BringupPolicy; 3] =
    [BringupPolicy::Serial, BringupPolicy::Parallel, BringupPolicy::Fanout];
const MODES: [TeardownMode; 2] = [TeardownMode::Serial, TeardownMode::Parallel];

fn subset(sim: &Sim, random: &mut Random) -> CpuMask {
    let of = 1 + random.below(4);
    sim.aps().iter().filter(|_| random.below(4) < of).collect()
}

fn down(sim: &Sim, m: &Cpu<'_>, cpus: &CpuMask, mode: TeardownMode) -> Vec<Failure> {
    sim.set_serial(mode == TeardownMode::Serial);
    let online = sim.hp.online().and(cpus);
    let outcome = sim.hp.tear_down(m, cpus, mode);
    sim.set_serial(false);
    let named: CpuMask = outcome.stuck.iter().map(|f| f.cpu).collect();
    if mode == TeardownMode::Parallel && named.is_empty() {
        assert_eq!(outcome.off.and(&online), online);
    }
    assert!(outcome.off.and(&named).is_empty(), "off and stuck: {:?}", outcome.stuck);
    outcome.stuck
}

fn up(sim: &Sim, m: &Cpu<'_>, cpus: &CpuMask, policy: BringupPolicy) -> Vec<Failure> {
    let asked = cpus.and_not(&sim.hp.online());
    let outcome = sim.hp.bring_up(m, cpus, policy);
    let named: CpuMask = outcome.failed.iter().map(|f| f.cpu).collect();
    assert_eq!(named.len(), outcome.failed.len(), "named twice: {:?}", outcome.failed);
    assert!(named.and(&outcome.online).is_empty());
    assert_eq!(asked.and_not(&named), outcome.online);
    outcome.failed
}

fn cycles(n: usize, count: u64, seed: u64) {
    Sim::new(n, seed).run(move |sim, m| {
        let mut random = Random::new(seed ^ 0xc1c1e5);
        for _ in 0..count {
            let (cpus, policy) = (subset(sim, &mut random), random.pick(&POLICIES));
            assert_eq!(up(sim, m, &cpus, policy), []);
            sim.set_console(m, sim.hp.online().iter().last().unwrap());
            let (cpus, mode) = (subset(sim, &mut random), random.pick(&MODES));
            assert_eq!(down(sim, m, &cpus, mode), []);
            sim.truth();
        }
    });
}

#[test]
fn subsets_come_and_go_a_thousand_times() {
    seeds(0..5, |seed| cycles(8, 1000, seed));
    seeds(0..5, |seed| cycles(64, 100, seed));
    seeds(0..2, |seed| cycles(512, 10, seed));
}

/// Something that goes wrong with a CPU, once.
fn break_something(sim: &Sim, cpu: CpuId, random: &mut Random) {
    let ms = 1_000_000;
    match random.below(14) {
        0 => sim.faults(cpu, |f| f.on.push_back(Answer::Refused(PsciError::InternalFailure))),
        1 => sim.faults(cpu, |f| f.on.push_back(Answer::Refused(PsciError::AlreadyOn))),
        2 => sim.faults(cpu, |f| f.on.push_back(Answer::Swallowed)),
        3 => {
            let by = random.below(TIMEOUT_MS * 3 * ms);
            sim.faults(cpu, |f| f.on.push_back(Answer::Late(by)));
        }
        4 => {
            // Right at the deadline.
            let by = TIMEOUT_MS * ms - 200_000 + random.below(400_000);
            sim.faults(cpu, |f| f.on.push_back(Answer::Late(by)));
        }
        5 => {
            let lag = random.below(TIMEOUT_MS * 2 * ms);
            sim.faults(cpu, |f| f.off_lag = lag);
        }
        6 => sim.faults(cpu, |f| f.steps.push((Act::GicUp, StepError::RedistributorAsleep))),
        7 => sim.faults(cpu, |f| f.steps.push((Act::GicDown, StepError::RedistributorAwake))),
        8 => sim.faults(cpu, |f| f.steps.push((Act::Route, StepError::RouteRejected))),
        9 => sim.slow(cpu, 1 << random.below(16)),
        10 => {
            let marks = [Mark::Alive, Mark::ApOnline, Mark::Online, Mark::TeardownCpu];
            let at = random.pick(&marks);
            sim.faults(cpu, |f| f.lose_after = Some(at));
        }
        11 => {
            let step = StepId(random.below(7) as u8);
            let dir = random.pick(&[Dir::Up, Dir::Down]);
            let _ = sim.hp.faults.inject(step, Some(cpu), Some(dir), 1);
        }
        12 => drop(sim.hp.faults.inject(fault::KICK, Some(cpu), Some(Dir::Up), 1)),
        _ => sim.lose(cpu),
    }
}

fn repair(sim: &Sim, m: &Cpu<'_>) {
    sim.hp.faults.clear();
    for cpu in sim.aps().iter() {
        sim.faults(cpu, |f| *f = sim::Faults::default());
        sim.slow(cpu, 1);
        sim.revive(cpu);
    }
    m.rest(TIMEOUT_MS * 10);
    sim.truth();
}

/// Whatever happened, the machine works again once its parts do.
fn works(sim: &Sim, m: &Cpu<'_>) {
    // What stayed behind on its way down goes first.
    assert_eq!(down(sim, m, &sim.aps(), TeardownMode::Parallel), []);
    assert_eq!(up(sim, m, &sim.aps(), BringupPolicy::Parallel), []);
    sim.truth();
}

fn chaos(n: usize, rounds: u64, seed: u64) {
    Sim::new(n, seed).run(move |sim, m| {
        let mut random = Random::new(seed ^ 0xbad);
        for _ in 0..rounds {
            for _ in 0..1 + random.below(n as u64 / 2) {
                let cpu = sim.ap(random.below(n as u64 - 1) as usize);
                break_something(sim, cpu, &mut random);
            }
            for _ in 0..3 {
                sim.set_console(m, sim.hp.online().iter().last().unwrap());
                if random.one_in(2) {
                    let cpus = subset(sim, &mut random);
                    up(sim, m, &cpus, random.pick(&POLICIES));
                } else {
                    let cpus = subset(sim, &mut random);
                    down(sim, m, &cpus, random.pick(&MODES));
                }
            }
            repair(sim, m);
            works(sim, m);
        }
    });
}

#[test]
fn whatever_goes_wrong_the_machine_recovers() {
    seeds(0..2000, |seed| chaos(4, 2, seed));
    seeds(0..500, |seed| chaos(8, 4, seed));
    seeds(0..50, |seed| chaos(64, 2, seed));
    seeds(0..3, |seed| chaos(512, 1, seed));
}

/// With faults that name their CPU, nobody else is named.
#[test]
fn only_the_broken_cpus_are_named() {
    for policy in POLICIES {
        seeds(0..500, |seed| {
            Sim::new(16, seed).run(move |sim, m| {
                let mut random = Random::new(seed);
                let broken = subset(sim, &mut random);
                for (i, cpu) in broken.iter().enumerate() {
                    let answer = match i % 4 {
                        0 => Answer::Refused(PsciError::Denied),
                        1 => Answer::Never,
                        2 => Answer::Swallowed,
                        _ => Answer::Late(TIMEOUT_MS * 50_000_000),
                    };
                    sim.faults(cpu, |f| f.on.push_back(answer));
                }
                let failed = up(sim, m, &sim.aps(), policy);
                assert_eq!(failed.iter().map(|f| f.cpu).collect::<CpuMask>(), broken);
                let refused = |f: &&Failure| f.why == Why::CpuOn(PsciError::Denied);
                assert_eq!(failed.iter().filter(refused).count(), broken.len().div_ceil(4));
                sim.truth();
            });
        });
    }
}
