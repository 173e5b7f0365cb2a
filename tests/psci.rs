//! Firmware that says no, or nothing, or yes too late, while others come and go.
#![cfg(not(loom))]

mod sim;

use baton::cpu::CpuMask;
use baton::hotplug::Why;
use baton::machine::{Affinity, PsciError};
use baton::report::{BringupPolicy, TeardownMode};
use baton::trace::Mark;
use sim::ops::{MODES, POLICIES};
use sim::{Answer, Random, Sim, TIMEOUT_MS, seeds};

/// A start that was given up arrives in the middle of a teardown, of a bring-up, or after it was
/// tried again: it turns itself off, and nobody counts it.
#[test]
fn an_old_start_that_arrives_in_the_middle_turns_itself_off() {
    for mode in MODES {
        seeds(0..300, |seed| {
            Sim::new(8, seed).run(move |sim, m| {
                let mut random = Random::new(seed);
                let bad = sim.ap(seed as usize % 7);
                let others = sim.aps().and_not(&CpuMask::from_iter([bad]));
                let by = TIMEOUT_MS * 1_000_000 + random.below(3_000_000);
                sim.faults(bad, |f| f.on.push_back(Answer::Late(by)));
                let outcome = sim.hp.bring_up(m, &sim.aps(), random.pick(&POLICIES));
                assert_eq!((outcome.online, outcome.failed.len()), (others, 1));
                for _ in 0..3 {
                    sim.gone(m, &others, mode);
                    let back = sim.hp.bring_up(m, &others, BringupPolicy::Parallel);
                    assert_eq!(back.online, others);
                }
                m.live(10);
                assert!(sim.marks().iter().all(|(cpu, mark)| *cpu != bad || *mark != Mark::Online));
                sim.up(m, BringupPolicy::Parallel);
                sim.gone(m, &sim.aps(), mode);
            });
        });
    }
}

/// Several are denied CPU_OFF, firmware takes its time for others, and some is silent about them.
#[test]
fn who_cannot_be_turned_off_is_named_and_the_others_go() {
    for mode in MODES {
        seeds(0..200, |seed| {
            Sim::new(16, seed).run(move |sim, m| {
                let mut random = Random::new(seed);
                sim.up(m, BringupPolicy::Parallel);
                let denied = sim.subset(&mut random);
                denied.iter().for_each(|cpu| sim.faults(cpu, |f| f.deny_off = 1));
                let slow = sim.subset(&mut random).and_not(&denied);
                slow.iter().for_each(|cpu| sim.faults(cpu, |f| f.off_lag = 2_000_000));
                let outcome = sim.down(m, &sim.aps(), mode);
                assert!(outcome.clean());
                assert_eq!(
                    (outcome.quarantined(), outcome.off),
                    (denied, sim.aps().and_not(&denied))
                );
                assert_eq!(sim.view(m), sim.hp.online());
                let back = sim.hp.bring_up(m, &sim.aps(), BringupPolicy::Parallel);
                assert_eq!(back.online, sim.aps().and_not(&denied));
                assert!(back.failed.iter().all(|f| f.why == Why::NotReady));
                sim.gone(m, &sim.aps().and_not(&denied), mode);
            });
        });
    }
}

/// All kinds of answers at once, again and again, until firmware is well: then everybody comes.
#[test]
fn after_any_answers_everybody_comes() {
    let ms = 1_000_000;
    for (n, rounds) in [(8, 300), (80, 5)] {
        seeds(0..rounds, |seed| {
            Sim::new(n, seed).run(move |sim, m| {
                let mut random = Random::new(seed);
                sim.hp.set_timeout_ms(50);
                for _ in 0..3 {
                    let bad = sim.subset(&mut random).and_not(&sim.hp.online());
                    for cpu in bad.iter() {
                        let answer = match random.below(6) {
                            0 => Answer::Refused(PsciError::Denied),
                            1 => Answer::Refused(PsciError::InternalFailure),
                            2 => Answer::Refused(PsciError::OnPending),
                            3 => Answer::Refused(PsciError::AlreadyOn),
                            4 => Answer::Swallowed,
                            _ => Answer::Late(random.below(120 * ms)),
                        };
                        sim.faults(cpu, |f| f.on.push_back(answer));
                    }
                    let outcome = sim.hp.bring_up(m, &sim.aps(), random.pick(&POLICIES));
                    let known = |why| match why {
                        Why::CpuOn(_) | Why::NotReady => true,
                        Why::Missing(info) => {
                            matches!(info, Ok(Affinity::Off | Affinity::OnPending | Affinity::On))
                        }
                        _ => false,
                    };
                    assert!(outcome.failed.iter().all(|f| known(f.why)), "{:?}", outcome.failed);
                    let some = sim.subset(&mut random).and(&sim.hp.online());
                    if !some.is_empty() {
                        sim.gone(m, &some, random.pick(&MODES));
                    }
                }
                sim.aps().iter().for_each(|cpu| sim.faults(cpu, |f| f.on.clear()));
                m.live(200);
                sim.up(m, BringupPolicy::Parallel);
                sim.gone(m, &sim.aps(), TeardownMode::Parallel);
            });
        });
    }
}

/// Firmware that does not know a CPU says so of CPU_ON and of AFFINITY_INFO: the CPU is absent, and
/// the others come and go without it.
#[test]
fn a_cpu_that_firmware_does_not_know_is_absent_and_the_others_come_and_go() {
    let unknown = [PsciError::InvalidParameters, PsciError::NotPresent];
    for (on, info) in unknown.into_iter().flat_map(|on| unknown.map(|info| (on, info))) {
        seeds(0..20, |seed| {
            Sim::new(6, seed).run(move |sim, m| {
                let mut random = Random::new(seed);
                let stranger = sim.ap(seed as usize % 5);
                sim.faults(stranger, |f| f.info = Some(info));
                assert!(sim.hp.is_absent(m, stranger), "CPU_ON was not asked yet");
                sim.faults(stranger, |f| f.on.push_back(Answer::Refused(on)));
                let outcome = sim.hp.bring_up(m, &sim.aps(), random.pick(&POLICIES));
                let others = sim.aps().and_not(&CpuMask::from_iter([stranger]));
                assert_eq!(outcome.online, others);
                assert_eq!(outcome.failed[0].why, Why::CpuOn(on));
                assert_eq!(sim.hp.absent(m), CpuMask::from_iter([stranger]));
                sim.gone(m, &others, random.pick(&MODES));
                assert_eq!(sim.hp.absent(m), CpuMask::from_iter([stranger]));
            });
        });
    }
}

/// What contradicts: another answer of one of the two calls, or a CPU that was on.
#[test]
fn a_cpu_that_may_be_somewhere_is_not_absent() {
    let unknown = PsciError::InvalidParameters;
    let contradictions = [
        (Some(PsciError::AlreadyOn), Some(unknown)),
        (Some(PsciError::Denied), Some(unknown)),
        (Some(unknown), None),
        (Some(unknown), Some(PsciError::Denied)),
    ];
    for (on, info) in contradictions {
        Sim::new(3, 1).run(move |sim, m| {
            let bad = sim.ap(0);
            sim.faults(bad, |f| f.info = info);
            on.into_iter().for_each(|on| sim.faults(bad, |f| f.on.push_back(Answer::Refused(on))));
            sim.hp.bring_up(m, &sim.aps(), BringupPolicy::Parallel);
            assert!(sim.hp.absent(m).is_empty(), "CPU_ON {on:?}, AFFINITY_INFO {info:?}");
        });
    }
    Sim::new(3, 1).run(move |sim, m| {
        sim.up(m, BringupPolicy::Parallel);
        sim.gone(m, &sim.aps(), TeardownMode::Parallel);
        let was_on = sim.ap(0);
        sim.faults(was_on, |f| f.info = Some(unknown));
        assert!(!sim.hp.is_absent(m, was_on));
        sim.faults(was_on, |f| f.on.push_back(Answer::Refused(unknown)));
        sim.hp.bring_up(m, &CpuMask::from_iter([was_on]), BringupPolicy::Parallel);
        assert!(!sim.hp.is_absent(m, was_on));
    });
}
