//! Bringing CPUs up when all goes well, and that a seed decides everything.
#![cfg(not(loom))]

mod sim;

use baton::report::{BringupPolicy, TeardownMode};
use sim::{Sim, seeds};

const POLICIES: [BringupPolicy; 3] =
    [BringupPolicy::Serial, BringupPolicy::Parallel, BringupPolicy::Fanout];

fn all_come(n: usize, policy: BringupPolicy, seed: u64) -> u64 {
    let sim = Sim::new(n, seed);
    sim.run(move |sim, m| {
        let outcome = sim.hp.bring_up(m, &sim.aps(), policy);
        assert_eq!(outcome.failed, []);
        assert_eq!(outcome.online, sim.aps());
        assert!(outcome.kick <= outcome.last_online && outcome.alive <= outcome.last_online);
        sim.truth();
        let again = sim.hp.bring_up(m, &sim.aps(), policy);
        assert!(again.online.is_empty() && again.failed.is_empty());
        let down = sim.hp.tear_down(m, &sim.aps(), TeardownMode::Parallel);
        assert_eq!((down.off, down.stuck), (sim.aps(), vec![]));
        sim.truth();
        sim.trace()
    })
}

#[test]
fn everybody_comes_whatever_the_policy_and_the_order() {
    for policy in POLICIES {
        for (n, rounds) in [(1, 5), (2, 300), (8, 300), (80, 30), (512, 4)] {
            seeds(0..rounds, |seed| {
                all_come(n, policy, seed);
            });
        }
    }
}

#[test]
fn a_seed_decides_everything() {
    let runs = [7, 7, 8].map(|seed| all_come(8, BringupPolicy::Fanout, seed));
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}
