//! Taking CPUs down, serially and all at once.
#![cfg(not(loom))]

#[path = "teardown/lost.rs"]
mod lost;
mod sim;

use baton::cpu::{CpuId, CpuMask};
use baton::hotplug::{Failure, StepFailure, TeardownOutcome, Why, fault, steps};
use baton::machine::{Affinity, StepError};
use baton::report::{BringupPolicy, TeardownMode};
use baton::trace::{Dir, Mark};
use sim::{Act, Cpu, Sim, TIMEOUT_MS, seeds};

const MODES: [TeardownMode; 2] = [TeardownMode::Serial, TeardownMode::Parallel];

fn up(sim: &Sim, m: &Cpu<'_>) {
    let outcome = sim.hp.bring_up(m, &sim.aps(), BringupPolicy::Parallel);
    assert_eq!(outcome.failed, []);
    sim.truth();
}

fn down(sim: &Sim, m: &Cpu<'_>, cpus: &CpuMask, mode: TeardownMode) -> TeardownOutcome {
    sim.set_serial(mode == TeardownMode::Serial);
    let outcome = sim.hp.tear_down(m, cpus, mode);
    sim.set_serial(false);
    sim.truth();
    outcome
}

/// All go, and all come and go once more.
fn all_is_well(sim: &Sim, m: &Cpu<'_>, mode: TeardownMode) {
    up(sim, m);
    let outcome = down(sim, m, &sim.aps(), mode);
    assert_eq!((outcome.off, outcome.stuck), (sim.aps(), vec![]));
}

fn no_later_than_one_deadline(outcome: &TeardownOutcome) {
    let limit = (TIMEOUT_MS + 100) * 1_000_000;
    assert!(outcome.total < limit, "{} us", outcome.total / 1000);
}

#[test]
fn everybody_goes_in_either_mode() {
    for mode in MODES {
        for (n, rounds) in [(1, 5), (2, 300), (8, 300), (80, 20), (512, 2)] {
            seeds(0..rounds, |seed| {
                Sim::new(n, seed).run(move |sim, m| {
                    up(sim, m);
                    assert!(sim.set_console(m, CpuId((seed % n as u64) as u16)));
                    let outcome = down(sim, m, &sim.aps(), mode);
                    assert_eq!((outcome.off, &outcome.stuck), (sim.aps(), &vec![]));
                    let s = outcome.spans;
                    assert!(s.online_down + s.stop + s.off + s.dead <= outcome.total);
                    assert_eq!(sim.console(), sim.boot());
                });
            });
        }
    }
}

#[test]
fn the_boot_cpu_wakes_up_a_few_times_whatever_the_number_of_cpus() {
    seeds(0..100, |seed| {
        Sim::new(512, seed).run(|sim, m| {
            up(sim, m);
            let before = sim.ipis_to_boot();
            down(sim, m, &sim.aps(), TeardownMode::Parallel);
            let ipis = sim.ipis_to_boot() - before;
            assert!(ipis <= 4, "{ipis}");
        });
    });
}

#[test]
fn some_go_and_the_others_do_not_notice() {
    for mode in MODES {
        seeds(0..200, |seed| {
            Sim::new(16, seed).run(move |sim, m| {
                up(sim, m);
                let go: CpuMask = CpuMask::first(16).iter().filter(|c| c.0 % 3 == 1).collect();
                let go = go.and(&sim.aps());
                let wanted = go.iter().next().unwrap();
                assert!(sim.set_console(m, wanted));
                let outcome = down(sim, m, &go, mode);
                assert_eq!((outcome.off, outcome.stuck), (go, vec![]));
                assert_eq!(sim.hp.online(), CpuMask::first(16).and_not(&go));
                let back = sim.hp.bring_up(m, &go, BringupPolicy::Fanout);
                assert_eq!(back.online, go);
                assert_eq!(sim.console(), wanted, "it is back where it was wanted");
                sim.truth();
            });
        });
    }
}

/// One CPU's step refuses: parallel, all stay; serial, all from it on. `cause` says who is named.
fn a_refusal(
    which: fn(u64) -> usize,
    cause: impl Fn(&Sim, &Cpu<'_>, CpuId) -> CpuId + Copy + 'static,
    expected: StepFailure,
) {
    for mode in MODES {
        seeds(0..200, |seed| {
            Sim::new(8, seed).run(move |sim, m| {
                up(sim, m);
                let bad = sim.ap(which(seed));
                let named = cause(sim, m, bad);
                let outcome = down(sim, m, &sim.aps(), mode);
                let why = Why::Step(expected);
                assert_eq!(outcome.stuck, [Failure { cpu: named, mark: Mark::Online, why }]);
                let before: CpuMask = sim.aps().iter().filter(|c| c.0 < bad.0).collect();
                let gone = if mode == TeardownMode::Serial { before } else { CpuMask::new() };
                assert_eq!(outcome.off, gone);
                assert_eq!(sim.hp.online(), CpuMask::first(8).and_not(&gone));
                assert!(!outcome.clean());
                no_later_than_one_deadline(&outcome);
                all_is_well(sim, m, mode);
            });
        });
    }
}

#[test]
fn an_injected_refusal_calls_everybody_back() {
    let step = steps::by_name("work:online").unwrap();
    let cause = move |sim: &Sim, _: &Cpu<'_>, cpu| {
        sim.hp.faults.inject(step, Some(cpu), Some(Dir::Down), 1).unwrap();
        cpu
    };
    let failure = StepFailure { step, dir: Dir::Down, error: StepError::Injected };
    a_refusal(|seed| seed as usize % 7, cause, failure);
}

/// The step is one for all, so the boot CPU is named; the interrupt stays where it is.
#[test]
fn a_route_that_does_not_take_keeps_everybody() {
    let step = steps::by_name("irq:shared").unwrap();
    let error = StepError::RouteRejected;
    let cause = move |sim: &Sim, m: &Cpu<'_>, cpu| {
        assert!(sim.set_console(m, cpu));
        sim.faults(sim.boot(), |f| f.steps.push((Act::Route, error)));
        sim.boot()
    };
    // The last one: when it leaves, the boot CPU is the only one to go to, in either mode.
    a_refusal(|_| 6, cause, StepFailure { step, dir: Dir::Down, error });
}

/// A CPU whose way back fails is named too, and a later teardown takes it along.
#[test]
fn a_cpu_that_cannot_come_back_is_named_and_can_still_leave() {
    let work = steps::by_name("work:online").unwrap();
    for mode in MODES {
        seeds(0..100, |seed| {
            Sim::new(4, seed).run(move |sim, m| {
                up(sim, m);
                let (bad, worse) = (sim.ap(0), sim.ap(2));
                sim.hp.faults.inject(work, Some(bad), Some(Dir::Down), 1).unwrap();
                sim.hp.faults.inject(work, Some(worse), Some(Dir::Up), 1).unwrap();
                let outcome = down(sim, m, &sim.aps(), TeardownMode::Parallel);
                assert_eq!(outcome.stuck.iter().map(|f| f.cpu).collect::<Vec<_>>(), [bad, worse]);
                assert_eq!(outcome.stuck[1].mark, Mark::TeardownCpu);
                assert_eq!(sim.hp.online().len(), 3);
                let outcome = down(sim, m, &sim.aps(), mode);
                assert_eq!((outcome.off, outcome.stuck), (sim.aps(), vec![]));
                all_is_well(sim, m, mode);
            });
        });
    }
}

#[test]
fn lost_cpus_are_named_and_cost_one_deadline_and_the_others_come_back() {
    for (mode, n) in MODES.into_iter().flat_map(|mode| [(mode, 8), (mode, 80)]) {
        seeds(0..20, |seed| {
            Sim::new(n, seed).run(move |sim, m| {
                up(sim, m);
                let some = if mode == TeardownMode::Serial { 1 } else { n / 4 };
                let lost: CpuMask = sim.aps().iter().skip(2).take(some).collect();
                lost.iter().for_each(|cpu| sim.lose(cpu));
                let outcome = down(sim, m, &lost, mode);
                let why = Why::Missing(Ok(Affinity::On));
                let name = |cpu| Failure { cpu, mark: Mark::Online, why };
                assert_eq!(outcome.stuck, lost.iter().map(name).collect::<Vec<_>>());
                no_later_than_one_deadline(&outcome);
                lost.iter().for_each(|cpu| sim.revive(cpu));
                m.rest(10);
                sim.truth();
                all_is_well(sim, m, mode);
            });
        });
    }
}

/// A CPU in whose CPU_OFF `deny` has put a fault is parked, and never started again.
fn denied(deny: fn(&Sim, CpuId)) {
    for mode in MODES {
        seeds(0..75, |seed| {
            Sim::new(8, seed).run(move |sim, m| {
                up(sim, m);
                let bad = sim.ap(if mode == TeardownMode::Serial { 6 } else { 3 });
                let only = CpuMask::from_iter([bad]);
                deny(sim, bad);
                let outcome = down(sim, m, &sim.aps(), mode);
                let why = Why::OffDenied;
                assert_eq!(outcome.stuck, [Failure { cpu: bad, mark: Mark::Quarantined, why }]);
                assert_eq!(outcome.off, sim.aps().and_not(&only));
                assert!(outcome.clean() && outcome.quarantined() == only);
                no_later_than_one_deadline(&outcome);
                let back = sim.hp.bring_up(m, &sim.aps(), BringupPolicy::Parallel);
                let why = Why::NotReady;
                assert_eq!(back.failed, [Failure { cpu: bad, mark: Mark::Quarantined, why }]);
                sim.truth();
            });
        });
    }
}

#[test]
fn a_cpu_off_that_firmware_denies_is_quarantined_and_its_memory_is_kept() {
    denied(|sim, bad| sim.faults(bad, |f| f.deny_off = 1));
}

#[test]
fn a_cpu_off_that_fails_on_purpose_is_quarantined_and_its_memory_is_kept() {
    denied(|sim, bad| sim.hp.faults.inject(fault::OFF, Some(bad), None, 1).unwrap());
}

#[test]
fn firmware_may_take_its_time_to_say_off() {
    for mode in MODES {
        seeds(0..50, |seed| {
            Sim::new(8, seed).run(move |sim, m| {
                up(sim, m);
                sim.aps().iter().for_each(|cpu| sim.faults(cpu, |f| f.off_lag = 3_000_000));
                all_is_well(sim, m, mode);
                up(sim, m);
                let bad = sim.ap(6);
                sim.faults(bad, |f| f.off_lag = (TIMEOUT_MS + 500) * 1_000_000);
                let outcome = down(sim, m, &sim.aps(), mode);
                let why = Why::StillOn(Ok(Affinity::On));
                assert_eq!(outcome.stuck, [Failure { cpu: bad, mark: Mark::ApIdleDead, why }]);
                sim.faults(bad, |f| f.off_lag = 0);
                m.rest(TIMEOUT_MS);
                all_is_well(sim, m, mode);
            });
        });
    }
}

/// Dying steps that fail are no reason to stay.
#[test]
fn a_failing_dying_step_does_not_keep_a_cpu() {
    let step = steps::by_name("gic:starting").unwrap();
    for mode in MODES {
        seeds(0..100, |seed| {
            Sim::new(8, seed).run(move |sim, m| {
                up(sim, m);
                let bad = sim.ap(seed as usize % 7);
                sim.faults(bad, |f| f.steps.push((Act::GicDown, StepError::RedistributorAwake)));
                let outcome = down(sim, m, &sim.aps(), mode);
                assert_eq!((outcome.off, outcome.stuck), (sim.aps(), vec![]));
                let failure = sim.hp.failure(bad).unwrap();
                assert_eq!((failure.step, failure.error), (step, StepError::RedistributorAwake));
                all_is_well(sim, m, mode);
            });
        });
    }
}

/// So slow that the deadline passes somewhere on its way down.
#[test]
fn a_slow_cpu_is_waited_for_or_named() {
    for mode in MODES {
        seeds(0..300, |seed| {
            Sim::new(4, seed).run(move |sim, m| {
                up(sim, m);
                sim.hp.set_timeout_ms(20);
                let bad = sim.ap(seed as usize % 3);
                sim.slow(bad, 1000 << (seed % 7));
                sim.hp.tear_down(m, &sim.aps(), mode);
                sim.hp.tear_down(m, &sim.aps(), mode);
                sim.slow(bad, 1);
                sim.hp.set_timeout_ms(TIMEOUT_MS);
                m.rest(5_000);
                sim.truth();
                down(sim, m, &sim.aps(), mode);
                all_is_well(sim, m, mode);
            });
        });
    }
}
