//! On the host: one thread plays all CPUs, and time passes during a wait.

extern crate std;

use std::boxed::Box;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::vec::Vec;

use super::*;
use crate::cpu::{Survivors, Target};
use crate::machine::{Clock, Ipi};

mod callbacks;
mod seeds;
mod threads;

pub(super) const MS: u64 = 1000;

/// A clock of one tick per microsecond that runs `during` at every sleep.
pub(super) struct Bench<'a> {
    now: Cell<u64>,
    woken: RefCell<Vec<CpuMask>>,
    during: RefCell<Box<dyn FnMut(u64) + 'a>>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(during: impl FnMut(u64) + 'a) -> Self {
        let during: Box<dyn FnMut(u64) + 'a> = Box::new(during);
        Self { now: Cell::new(0), woken: RefCell::default(), during: RefCell::new(during) }
    }
}

impl Clock for Bench<'_> {
    fn now(&self) -> u64 {
        self.now.get()
    }

    fn hz(&self) -> u64 {
        1_000_000
    }

    fn wait(&self, deadline: Option<u64>) {
        self.now.set(deadline.expect("no wait without an end").max(self.now.get() + 1));
        (self.during.borrow_mut())(self.now.get());
    }
}

impl Ipi for Bench<'_> {
    fn wake(&self, cpus: &CpuMask) {
        self.woken.borrow_mut().push(*cpus);
    }
}

fn cpus(list: &[u16]) -> CpuMask {
    list.iter().map(|&cpu| CpuId(cpu)).collect()
}

/// With CPUs `0..n` up.
pub(super) fn up(n: usize) -> Rcu {
    let rcu = Rcu::new(n);
    CpuMask::first(n).iter().for_each(|cpu| rcu.cpu_starting(cpu));
    rcu
}

pub(super) fn target(cpu: u16) -> Target {
    Survivors::freeze(&cpus(&[cpu]), &CpuMask::new()).target(CpuId(cpu)).unwrap()
}

/// A callback that counts itself in.
fn counting(n: &Arc<AtomicU64>) -> Box<dyn FnOnce() + Send> {
    let n = n.clone();
    Box::new(move || {
        n.fetch_add(1, Ordering::Relaxed);
    })
}

const ME: CpuId = CpuId(0);

#[test]
fn idle_and_dead_cpus_are_not_waited_for() {
    let rcu = up(4);
    rcu.idle_enter(CpuId(1));
    rcu.cpu_dying(CpuId(2));
    rcu.idle_enter(CpuId(3));
    assert_eq!(rcu.running(), cpus(&[0]));
    let m = Bench::new(|_| panic!("it slept"));
    assert_eq!(rcu.synchronize(&m, ME, How::Expedited, MS), Ok(()));
    assert!(m.woken.borrow().is_empty());
}

#[test]
fn a_long_reader_delays_eighty_cpus_by_one_period() {
    let rcu = up(80);
    let reader = RefCell::new(Some(rcu.read(CpuId(5))));
    let ran = Arc::new(AtomicU64::new(0));
    for cpu in CpuMask::first(80).iter().filter(|cpu| ![0, 5].contains(&cpu.0)) {
        rcu.call(cpu, counting(&ran));
        rcu.cpu_dying(cpu);
    }
    let dead = CpuMask::first(80).and_not(&cpus(&[0, 5]));
    let m = Bench::new(|now| {
        if now >= 50 * MS {
            reader.borrow_mut().take();
            rcu.quiescent(CpuId(5));
        }
    });
    assert_eq!(rcu.splice(&dead, target(0)), 78);
    assert_eq!(rcu.synchronize(&m, ME, How::Normal, 1000 * MS), Ok(()));
    assert_eq!(rcu.barrier(&m, ME, 1000 * MS), Ok(()));
    assert!((50 * MS..52 * MS).contains(&m.now()), "{}", m.now());
    assert_eq!((ran.load(Ordering::Relaxed), rcu.counts().spliced), (78, 78));
    assert_eq!((rcu.counts().pending, rcu.grace_periods()), (0, 2));
}

#[test]
fn a_stall_names_who_reads_at_the_deadline() {
    let rcu = up(8);
    cpus(&[2, 3, 5, 6, 7]).iter().for_each(|cpu| assert!(rcu.idle_enter(cpu)));
    let guard = rcu.read(CpuId(4));
    rcu.idle_enter(CpuId(4)); // has no effect while this CPU reads
    let m = Bench::new(|_| rcu.quiescent(CpuId(1)));
    let stall = rcu.synchronize(&m, ME, How::Normal, 3 * MS).unwrap_err();
    assert_eq!((stall.cpus, m.now()), (cpus(&[4]), 3 * MS));
    assert!(std::format!("{stall}").contains("CPU 4:"), "{stall}");
    drop(guard);
    rcu.idle_exit(CpuId(4));
    assert_eq!(rcu.running(), cpus(&[0, 1, 4]), "it never was idle, so nothing is undone");
    assert_eq!(rcu.counts().stalls, 1);
}

#[test]
fn a_reader_that_waits_for_itself_is_told_at_once() {
    let rcu = up(2);
    let _guard = rcu.read(ME);
    let m = Bench::new(|_| panic!("it slept"));
    let own = Err(Stall { cpus: cpus(&[0]) });
    assert_eq!(rcu.synchronize(&m, ME, How::Normal, MS), own);
    assert_eq!(rcu.barrier(&m, ME, MS), own);
}

#[test]
fn only_expedited_wakes_and_only_those_that_run() {
    for (how, ipis) in [(How::Normal, 0), (How::Expedited, 3)] {
        let rcu = up(4);
        rcu.idle_enter(CpuId(3));
        let m = Bench::new(|now| {
            rcu.quiescent(CpuId(1));
            if now > 100 {
                rcu.quiescent(CpuId(2));
            }
        });
        assert_eq!(rcu.synchronize(&m, ME, how, MS), Ok(()));
        let expected = [cpus(&[1, 2]), cpus(&[2]), cpus(&[2])];
        assert_eq!(*m.woken.borrow(), expected[..ipis]);
    }
}

#[test]
fn the_caller_is_idle_while_it_sleeps_and_its_interrupts_are_not() {
    let rcu = up(2);
    let inside = Cell::new(0);
    let m = Bench::new(|_| {
        assert_eq!(rcu.running(), cpus(&[1]));
        let was_idle = rcu.irq_enter(ME);
        assert_eq!(rcu.running(), cpus(&[0, 1]));
        let nested = rcu.irq_enter(ME);
        drop(rcu.read(ME));
        rcu.irq_exit(ME, nested);
        assert!(was_idle && !nested && rcu.running().contains(ME));
        rcu.irq_exit(ME, was_idle);
        rcu.quiescent(CpuId(1));
        inside.set(inside.get() + 1);
    });
    assert_eq!(rcu.synchronize(&m, ME, How::Normal, MS), Ok(()));
    assert_eq!((inside.get(), rcu.running()), (1, cpus(&[0, 1])));
}

#[test]
#[should_panic(expected = "CPU 1 reads while it is idle")]
fn reading_while_idle_is_a_panic() {
    let rcu = up(2);
    rcu.idle_enter(CpuId(1));
    let _guard = rcu.read(CpuId(1));
}

#[test]
fn a_cpu_that_did_not_say_that_it_dies_is_not_waited_for_once_it_is_off() {
    let rcu = up(3);
    core::mem::forget(rcu.read(CpuId(1)));
    let m = Bench::new(|_| rcu.quiescent(CpuId(2)));
    assert_eq!(rcu.synchronize(&m, ME, How::Normal, MS).unwrap_err().cpus, cpus(&[1]));
    assert_eq!(rcu.splice(&cpus(&[1]), target(0)), 0);
    assert_eq!(rcu.synchronize(&m, ME, How::Normal, 9 * MS), Ok(()));
    rcu.cpu_starting(CpuId(1));
    rcu.quiescent(CpuId(1));
    drop(rcu.read(CpuId(1)));
    rcu.cpu_dying(CpuId(1));
    assert_eq!(rcu.running(), cpus(&[0, 2]), "it started from nothing");
}

#[test]
fn a_value_that_could_not_be_freed_is_freed_later() {
    let (rcu, cell) = (up(2), RcuCell::new(Box::new(Arc::new(1))));
    let guard = rcu.read(CpuId(1));
    let seen = cell.read(&guard);
    let kept = seen.clone();
    let m = Bench::new(|_| ());
    let retired = cell.replace(Box::new(Arc::new(2)));
    assert!(rcu.free_after(&m, ME, How::Normal, MS, retired).is_err());
    assert_eq!((**seen, Arc::strong_count(&kept)), (1, 2));
    drop(guard);
    rcu.idle_enter(CpuId(1));
    assert_eq!((rcu.run_ready(&m, ME), Arc::strong_count(&kept)), (1, 1));
    let retired = cell.replace(Box::new(Arc::new(3)));
    assert_eq!(rcu.free_after(&m, ME, How::Normal, MS, retired).map(|v| **v), Ok(2));
}
