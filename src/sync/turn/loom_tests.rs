use loom::model::Builder;
use loom::sync::{Arc, Notify};
use loom::thread;

use super::*;

/// CPUs whose bits lie in two words.
const CPUS: [CpuId; 3] = [CpuId(0), CpuId(1), CpuId(64)];

struct Shared {
    turn: Turn,
    /// An IPI ends the sleep of its CPU, and stays pending until then.
    ipis: [Notify; 3],
    inside: AtomicU64,
    times: AtomicU64,
}

fn shared() -> Arc<Shared> {
    Arc::new(Shared {
        turn: Turn::default(),
        ipis: core::array::from_fn(|_| Notify::new()),
        inside: AtomicU64::new(0),
        times: AtomicU64::new(0),
    })
}

impl Shared {
    /// One whole turn of a CPU: asks, waits, uses, gives up. A missing IPI is a deadlock.
    fn once(&self, i: usize) {
        if !self.turn.take(CPUS[i]) {
            while !self.turn.mine(CPUS[i]) {
                self.ipis[i].wait();
            }
        }
        self.use_it(i);
    }

    fn use_it(&self, i: usize) {
        assert_eq!(self.inside.load(Ordering::Relaxed), 0, "two have the turn");
        self.inside.store(1, Ordering::Relaxed);
        // Not one atomic addition: a CPU that does not see the last value loses that one.
        self.times.store(self.times.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.inside.store(0, Ordering::Relaxed);
        self.pass_on(i);
    }

    fn pass_on(&self, i: usize) {
        if let Some(next) = self.turn.release(CPUS[i]) {
            let next = CPUS.iter().position(|&cpu| cpu == next).unwrap();
            self.ipis[next].notify();
        }
    }

    /// Asks, and does not wait. True if the CPU had the turn.
    fn try_once(&self, i: usize) -> bool {
        let mine = self.turn.take(CPUS[i]) || !self.turn.withdraw(CPUS[i]);
        if mine {
            self.use_it(i);
        }
        mine
    }

    fn is_over(&self, times: u64) {
        assert_eq!(self.times.load(Ordering::Relaxed), times);
        assert_eq!(self.turn.holder(), None, "nobody gave it back");
        assert!(!self.turn.anybody_waits());
    }
}

fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// Two CPUs, every interleaving: each has the turn alone, and sees what the other one did.
#[test]
fn loom_two_cpus_one_at_a_time() {
    loom::model(|| {
        let shared = shared();
        let other = thread::spawn({
            let shared = shared.clone();
            move || shared.once(2)
        });
        shared.once(0);
        other.join().unwrap();
        shared.is_over(2);
    });
}

/// Three CPUs: no turn is lost, and never are there two holders.
#[test]
fn loom_three_cpus_one_at_a_time() {
    check(3, || {
        let shared = shared();
        let others = [1, 2].map(|i| {
            let shared = shared.clone();
            thread::spawn(move || shared.once(i))
        });
        shared.once(0);
        others.into_iter().for_each(|t| t.join().unwrap());
        shared.is_over(3);
    });
}

/// A waiting CPU withdraws while the holder gives the turn up: the turn was handed over, or not.
#[test]
fn loom_withdraw_against_release() {
    loom::model(|| {
        let shared = shared();
        let other = thread::spawn({
            let shared = shared.clone();
            move || shared.try_once(2)
        });
        shared.once(0);
        let had_it = other.join().unwrap();
        shared.is_over(1 + u64::from(had_it));
    });
}

/// One CPU withdraws and asks again, which sets its bit anew, while another CPU gives the turn up
/// and a third one waits.
#[test]
fn loom_withdraw_and_ask_again() {
    check(2, || {
        let shared = shared();
        let twice = thread::spawn({
            let shared = shared.clone();
            move || {
                let first = shared.try_once(1);
                shared.once(1);
                first
            }
        });
        let third = thread::spawn({
            let shared = shared.clone();
            move || shared.once(2)
        });
        shared.once(0);
        third.join().unwrap();
        let first = twice.join().unwrap();
        shared.is_over(3 + u64::from(first));
    });
}
