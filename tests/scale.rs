//! How a bring-up and a teardown grow with the number of CPUs: in what is asked of the simulated machine
//! through the seam. `make scale` goes on to 4,096 CPUs (the feature `many`) and shows the figures.
#![cfg(not(loom))]

mod sim;

use std::iter;

use baton::config::MAX_CPUS;
use baton::report::{BringupPolicy, TeardownMode};
use sim::Sim;

/// Numbers of CPUs, each a quarter of the one before.
fn counts() -> impl Iterator<Item = usize> {
    iter::successors(Some(MAX_CPUS), |count| Some(count / 4)).take_while(|count| *count >= 16)
}

/// Calls through the seam.
#[derive(Clone, Copy)]
struct Calls {
    cpus: usize,
    /// Of a bring-up of all CPUs.
    up: u64,
    /// Of a teardown of all CPUs.
    down: u64,
}

impl Calls {
    fn made(cpus: usize, policy: BringupPolicy, mode: TeardownMode) -> Self {
        Sim::in_clusters_of(8, cpus, 1).run(move |sim, m| {
            let begin = sim.calls();
            let outcome = sim.hp.bring_up(m, &sim.aps(), policy);
            assert_eq!(outcome.failed, []);
            let between = sim.calls();
            sim.set_serial(mode == TeardownMode::Serial);
            let outcome = sim.hp.tear_down(m, &sim.aps(), mode);
            assert_eq!((outcome.off, outcome.stuck), (sim.aps(), vec![]));
            Self { cpus, up: between - begin, down: sim.calls() - between }
        })
    }

    /// Of a bring-up and of a teardown, for each CPU.
    fn each(self) -> [u64; 2] {
        [self.up, self.down].map(|calls| calls / self.cpus as u64)
    }
}

fn show(title: &str, all: &[Calls]) {
    println!("{title}: calls through the seam\n  CPUs         up  a CPU       down  a CPU");
    for calls in all {
        let [up, down] = calls.each();
        println!("{:>6} {:>10} {up:>6} {:>10} {down:>6}", calls.cpus, calls.up, calls.down);
    }
}

/// Each figure grows no faster than with this power of the number of CPUs, but for what chance makes.
fn grows(policy: BringupPolicy, mode: TeardownMode, powers: [u32; 2]) {
    let all: Vec<Calls> = counts().map(|cpus| Calls::made(cpus, policy, mode)).collect();
    show(&format!("{policy} up, {mode} down"), &all);
    for pair in all.windows(2) {
        let [more, fewer] = [pair[0], pair[1]];
        let times = (more.cpus / fewer.cpus) as u64;
        for (power, calls) in powers.into_iter().zip([[more.up, fewer.up], [more.down, fewer.down]])
        {
            let [more_calls, fewer_calls] = calls;
            assert!(
                more_calls * 10 <= fewer_calls * times.pow(power) * 11,
                "{more_calls} calls at {} CPUs, {fewer_calls} at {}",
                more.cpus,
                fewer.cpus
            );
        }
    }
}

/// A CPU asks no more of the machine than with a quarter of the CPUs.
#[test]
fn all_at_once() {
    grows(BringupPolicy::Parallel, TeardownMode::Parallel, [1, 1]);
}

/// All CPUs that stay stand still for each CPU that goes, as in Linux (`stop_machine`).
#[test]
fn one_after_the_other() {
    grows(BringupPolicy::Serial, TeardownMode::Serial, [1, 2]);
}
