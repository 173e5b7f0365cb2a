//! RCU in every interleaving. Dropping a payload poisons it by an access that loom does not allow
//! beside, or unordered with, any other access: the test fails if a reader could still hold the
//! payload.

extern crate std;

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::cpu::{Survivors, Target};
use crate::machine::{Clock, Ipi};

mod callbacks;

const LIVE: u64 = 0x11fe;
const ME: CpuId = CpuId(0);
const ONE: CpuId = CpuId(1);
const TWO: CpuId = CpuId(2);

struct Payload(AtomicU64);

impl Payload {
    fn new() -> Box<Self> {
        Box::new(Self(AtomicU64::new(LIVE)))
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.0.with_mut(|word| *word = 0xdead);
    }
}

/// Time stands still: no wait ever ends for its deadline.
struct Loom;

impl Clock for Loom {
    fn now(&self) -> u64 {
        0
    }

    fn hz(&self) -> u64 {
        1_000_000
    }

    fn wait(&self, _: Option<u64>) {
        thread::yield_now();
    }
}

impl Ipi for Loom {
    fn wake(&self, _: &CpuMask) {}
}

struct World {
    rcu: Rcu,
    cell: RcuCell<Payload>,
    /// What each test needs.
    flag: AtomicU64,
    runs: AtomicU64,
}

/// With CPUs `0..n` up.
fn world(n: usize) -> Arc<World> {
    let (flag, runs) = (AtomicU64::new(0), AtomicU64::new(0));
    let (rcu, cell) = (Rcu::new(n), RcuCell::new(Payload::new()));
    CpuMask::first(n).iter().for_each(|cpu| rcu.cpu_starting(cpu));
    Arc::new(World { rcu, cell, flag, runs })
}

fn target(cpu: CpuId) -> Target {
    Survivors::freeze(&CpuMask::from_iter([cpu]), &CpuMask::new()).target(cpu).unwrap()
}

impl World {
    fn read(&self, cpu: CpuId) {
        let guard = self.rcu.read(cpu);
        assert_eq!(self.cell.read(&guard).0.load(Ordering::Relaxed), LIVE);
    }

    fn replace_and_free(&self, how: How) {
        let old = self.cell.replace(Payload::new());
        drop(self.rcu.free_after(&Loom, ME, how, 1, old).unwrap());
    }

    /// The work loop of a CPU until `done`.
    fn work(&self, cpu: CpuId, mut done: impl FnMut() -> bool) {
        loop {
            self.rcu.run_ready(&Loom, cpu);
            if done() {
                break;
            }
            self.rcu.idle_enter(cpu);
            thread::yield_now();
            self.rcu.idle_exit(cpu);
        }
    }

    fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }
}

/// A callback that counts itself.
fn counted(world: &Arc<World>) -> Box<dyn FnOnce() + Send> {
    let world = world.clone();
    Box::new(move || {
        world.runs.fetch_add(1, Ordering::Relaxed);
    })
}

/// All interleavings of up to three switches of threads that could have gone on: with all of them,
/// these tests take hours.
fn bounded(test: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(test);
}

/// `other` runs on another CPU while the boot CPU replaces the value and frees the old one.
fn against_synchronize(before: fn(&Rcu), other: fn(&World)) {
    loom::model(move || synchronize_beside(before, other));
}

fn synchronize_beside(before: fn(&Rcu), other: fn(&World)) {
    let world = world(2);
    before(&world.rcu);
    let reader = thread::spawn({
        let world = world.clone();
        move || other(&world)
    });
    world.replace_and_free(How::Normal);
    world.rcu.idle_enter(ME); // the boot CPU sleeps until the other CPU is done
    reader.join().unwrap();
}

#[test]
fn loom_a_reader_never_sees_a_freed_value() {
    against_synchronize(
        |_| (),
        |world| {
            world.read(ONE);
            world.rcu.quiescent(ONE);
            world.read(ONE);
            world.rcu.idle_enter(ONE);
        },
    );
}

#[test]
fn loom_a_cpu_that_wakes_never_reads_a_freed_value() {
    against_synchronize(
        |rcu| {
            rcu.idle_enter(ONE);
        },
        |world| {
            world.rcu.idle_exit(ONE);
            world.read(ONE);
            world.rcu.idle_enter(ONE);
        },
    );
}

#[test]
fn loom_an_interrupt_of_an_idle_cpu_never_reads_a_freed_value() {
    against_synchronize(
        |rcu| {
            rcu.idle_enter(ONE);
        },
        |world| {
            for _ in 0..2 {
                let was_idle = world.rcu.irq_enter(ONE);
                world.read(ONE);
                world.rcu.irq_exit(ONE, was_idle);
            }
        },
    );
}

#[test]
fn loom_the_last_read_side_of_a_dying_cpu_is_waited_for() {
    against_synchronize(
        |_| (),
        |world| {
            world.read(ONE);
            world.rcu.cpu_dying(ONE);
        },
    );
}

#[test]
fn loom_the_first_read_side_of_a_starting_cpu_finds_the_new_value() {
    against_synchronize(
        |rcu| rcu.cpu_dying(ONE),
        |world| {
            world.rcu.cpu_starting(ONE);
            world.read(ONE);
            world.rcu.cpu_dying(ONE);
        },
    );
}

/// Two CPUs wait for a grace period at once, and free what each other reads.
#[test]
fn loom_two_waiters_do_not_wait_for_each_other() {
    let other = |world: &World| {
        world.read(ONE);
        let old = world.cell.replace(Payload::new());
        drop(world.rcu.free_after(&Loom, ONE, How::Normal, 1, old).unwrap());
        world.rcu.cpu_dying(ONE);
    };
    bounded(move || synchronize_beside(|_| (), other));
}
