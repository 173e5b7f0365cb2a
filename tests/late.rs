//! CPUs that firmware does not bring, or not in time.
#![cfg(not(loom))]

mod sim;

use baton::cpu::{CpuId, CpuMask};
use baton::hotplug::{BringupOutcome, Failure, Why, fault};
use baton::machine::{Affinity, PsciError};
use baton::report::{BringupPolicy, TeardownMode};
use baton::trace::{Dir, Mark};
use sim::{Answer, Cpu, Sim, TIMEOUT_MS, seeds, some};

const POLICIES: [BringupPolicy; 3] =
    [BringupPolicy::Serial, BringupPolicy::Parallel, BringupPolicy::Fanout];

const ERRORS: [PsciError; 10] = [
    PsciError::NotSupported,
    PsciError::InvalidParameters,
    PsciError::Denied,
    PsciError::AlreadyOn,
    PsciError::OnPending,
    PsciError::InternalFailure,
    PsciError::NotPresent,
    PsciError::Disabled,
    PsciError::InvalidAddress,
    PsciError::Unknown(-77),
];

/// Everybody is online but those of `bad`, and nobody of `bad` is.
fn only_these_fail(sim: &Sim, outcome: &BringupOutcome, bad: &CpuMask) {
    assert_eq!(outcome.online, sim.aps().and_not(bad), "{:?}", outcome.failed);
    let named: CpuMask = outcome.failed.iter().map(|f| f.cpu).collect();
    assert_eq!((named, outcome.failed.len()), (*bad, bad.len()));
}

/// The others come now.
fn retry(sim: &Sim, m: &Cpu<'_>, policy: BringupPolicy, bad: &CpuMask) {
    let outcome = sim.hp.bring_up(m, bad, policy);
    assert_eq!((outcome.online, outcome.failed), (*bad, vec![]));
    sim.truth();
}

/// One CPU gets this answer: what the bring-up says of it, and what a retry says, at once and later.
fn one_answer(
    answer: Answer,
    expected: impl Fn(CpuId) -> Failure + Copy + 'static,
    at_once: Option<Why>,
    later: Option<Why>,
) {
    for policy in POLICIES {
        seeds(0..60, |seed| {
            let sim = Sim::new(8, seed);
            sim.run(move |sim, m| {
                let bad = sim.ap(seed as usize % 7);
                let only = CpuMask::from_iter([bad]);
                sim.faults(bad, |f| f.on.push_back(answer));
                let begin = sim.now();
                let outcome = sim.hp.bring_up(m, &sim.aps(), policy);
                only_these_fail(sim, &outcome, &only);
                assert_eq!(outcome.failed, [expected(bad)]);
                assert!(sim.now() - begin < (TIMEOUT_MS + 50) * 1_000_000);
                sim.truth();
                let why = |o: BringupOutcome| o.failed.first().map(|f| f.why);
                assert_eq!(why(sim.hp.bring_up(m, &only, policy)), at_once, "at once");
                m.rest(TIMEOUT_MS * 5);
                sim.truth();
                assert_eq!(why(sim.hp.bring_up(m, &only, policy)), later, "later");
                let down = sim.hp.tear_down(m, &sim.aps(), TeardownMode::Parallel);
                assert_eq!(down.stuck, []);
                sim.truth();
            });
        });
    }
}

#[test]
fn a_refused_cpu_on_is_named_with_its_code_and_can_be_tried_again() {
    for error in ERRORS {
        // These two say that the CPU is not off, so what it may stand on is kept.
        let on = matches!(error, PsciError::AlreadyOn | PsciError::OnPending);
        let mark = if on { Mark::ShouldDie } else { Mark::Offline };
        let expected = move |cpu| Failure { cpu, mark, why: Why::CpuOn(error) };
        one_answer(Answer::Refused(error), expected, None, None);
    }
}

#[test]
fn a_late_cpu_is_given_up_turns_itself_off_and_can_come_again() {
    let why = Why::Missing(Ok(Affinity::OnPending));
    let expected = move |cpu| Failure { cpu, mark: Mark::Kicked, why };
    let late = Answer::Late((TIMEOUT_MS * 2) * 1_000_000);
    one_answer(late, expected, Some(Why::NotReady), None);
}

#[test]
fn a_cpu_that_never_comes_stays_not_ready_while_firmware_says_pending() {
    let why = Why::Missing(Ok(Affinity::OnPending));
    let expected = move |cpu| Failure { cpu, mark: Mark::Kicked, why };
    one_answer(Answer::Never, expected, Some(Why::NotReady), Some(Why::NotReady));
}

#[test]
fn a_cpu_on_that_firmware_forgets_can_be_repeated() {
    let why = Why::Missing(Ok(Affinity::Off));
    let expected = move |cpu| Failure { cpu, mark: Mark::Kicked, why };
    one_answer(Answer::Swallowed, expected, None, None);
}

#[test]
fn a_cpu_on_that_is_kept_back_counts_as_missing() {
    for policy in POLICIES {
        seeds(0..60, |seed| {
            let sim = Sim::new(8, seed);
            sim.run(move |sim, m| {
                let bad = some(&sim.aps(), &[1, 5]);
                for cpu in bad.iter() {
                    sim.hp.faults.inject(fault::KICK, Some(cpu), Some(Dir::Up), 1).unwrap();
                }
                let outcome = sim.hp.bring_up(m, &sim.aps(), policy);
                only_these_fail(sim, &outcome, &bad);
                let missing = |f: &Failure| f.why == Why::Missing(Ok(Affinity::Off));
                assert!(outcome.failed.iter().all(|f| missing(f) && f.mark == Mark::Kicked));
                retry(sim, m, policy, &bad);
            });
        });
    }
}

/// CPU_ON is accepted twice while the first one is still under way, and AFFINITY_INFO says OFF
/// meanwhile: the CPU may come for either start, and never for both.
#[test]
fn a_cpu_on_accepted_twice_starts_the_cpu_once() {
    for policy in POLICIES {
        seeds(0..200, |seed| {
            let sim = Sim::new(4, seed);
            sim.run(move |sim, m| {
                let bad = sim.ap(1);
                let only = CpuMask::from_iter([bad]);
                // After the second one has prepared it: nothing can help while it is prepared.
                let by = (TIMEOUT_MS + 2) * 1_000_000 + seed * 10_000;
                sim.faults(bad, |f| f.on.push_back(Answer::LateAndOff(by)));
                let outcome = sim.hp.bring_up(m, &sim.aps(), policy);
                only_these_fail(sim, &outcome, &only);
                let again = sim.hp.bring_up(m, &only, policy);
                assert_eq!(again.online.len() + again.failed.len(), 1);
                m.rest(TIMEOUT_MS);
                sim.truth();
                if again.online.is_empty() {
                    retry(sim, m, policy, &only);
                }
            });
        });
    }
}

#[test]
fn many_missing_cpus_cost_one_deadline() {
    for policy in [BringupPolicy::Parallel, BringupPolicy::Fanout] {
        for n in [16, 512] {
            seeds(0..10, |seed| {
                let sim = Sim::new(n, seed);
                sim.run(move |sim, m| {
                    let bad: CpuMask = sim.aps().iter().filter(|c| c.0 % 3 == 0).collect();
                    for (i, cpu) in bad.iter().enumerate() {
                        let answer = [Answer::Never, Answer::Swallowed][i % 2];
                        sim.faults(cpu, |f| f.on.push_back(answer));
                    }
                    let begin = sim.now();
                    let outcome = sim.hp.bring_up(m, &sim.aps(), policy);
                    only_these_fail(sim, &outcome, &bad);
                    assert!(sim.now() - begin < (TIMEOUT_MS + 200) * 1_000_000);
                    sim.truth();
                });
            });
        }
    }
}

/// So slow that the deadline passes somewhere on its way up: it walks back by itself.
#[test]
fn a_slow_cpu_is_given_up_wherever_it_is_and_walks_back() {
    for policy in POLICIES {
        seeds(0..300, |seed| {
            let sim = Sim::new(4, seed);
            sim.run(move |sim, m| {
                sim.hp.set_timeout_ms(20);
                let bad = sim.ap(seed as usize % 3);
                sim.slow(bad, 1000 << (seed % 7));
                let outcome = sim.hp.bring_up(m, &sim.aps(), policy);
                for f in &outcome.failed {
                    assert!(matches!(f.why, Why::Missing(_)), "{f}");
                    // Under fanout it may have claimed the kick of another one.
                    assert!(f.cpu == bad || policy == BringupPolicy::Fanout, "{f}");
                }
                sim.hp.bring_up(m, &sim.aps(), policy);
                sim.slow(bad, 1);
                m.rest(30_000);
                sim.truth();
                retry(sim, m, policy, &sim.hp.offline());
                assert_eq!(sim.hp.online().len(), 4);
            });
        });
    }
}

#[test]
fn a_cpu_lost_on_the_way_up_is_named_with_its_mark() {
    let marks = [Mark::Alive, Mark::ApOffline, Mark::ApOnline];
    for (policy, at) in POLICIES.into_iter().flat_map(|p| marks.map(|at| (p, at))) {
        seeds(0..50, |seed| {
            let sim = Sim::new(6, seed);
            sim.run(move |sim, m| {
                let bad = sim.ap(seed as usize % 5);
                let only = CpuMask::from_iter([bad]);
                sim.faults(bad, |f| f.lose_after = Some(at));
                let outcome = sim.hp.bring_up(m, &sim.aps(), policy);
                let why = Why::Missing(Ok(Affinity::On));
                let expected = Failure { cpu: bad, mark: at, why };
                assert!(outcome.failed.contains(&expected), "{:?}", outcome.failed);
                let again = sim.hp.bring_up(m, &only, policy);
                assert_eq!(again.failed[0].why, Why::NotReady);
                sim.revive(bad);
                m.rest(100);
                sim.truth();
                retry(sim, m, policy, &sim.hp.offline());
                assert_eq!(sim.hp.online().len(), 6);
            });
        });
    }
}

/// A refusal counts as an arrival: nobody waits for the deadline.
#[test]
fn refusals_are_known_at_once() {
    for policy in POLICIES {
        seeds(0..50, |seed| {
            Sim::new(16, seed).run(move |sim, m| {
                let bad: CpuMask = sim.aps().iter().filter(|c| c.0 % 2 == 0).collect();
                for (i, cpu) in bad.iter().enumerate() {
                    let answer = Answer::Refused(ERRORS[i % ERRORS.len()]);
                    sim.faults(cpu, |f| f.on.push_back(answer));
                }
                let begin = sim.now();
                let outcome = sim.hp.bring_up(m, &sim.aps(), policy);
                only_these_fail(sim, &outcome, &bad);
                assert!(sim.now() - begin < 100_000_000);
            });
        });
    }
}
