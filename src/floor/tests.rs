//! A machine whose firmware takes known times, loses CPUs, refuses and denies.

extern crate std;

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use super::*;
use crate::cpu::{Mpidr, Topology};
use crate::machine::{Bare, Clock, Power, PsciError, Timed};
use crate::report::{PsciScope, contention};

const HZ: u64 = 1_000_000_000;

/// What goes wrong with a CPU.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Refused,
    Lost,
    Denied,
    NeverOff,
}

#[derive(Clone, Copy, Default)]
struct Cpu {
    on_at: Option<u64>,
    leaves_at: Option<u64>,
    off_at: Option<u64>,
}

/// CPU_ON takes 10 us; the CPU comes 100 us after that, and is OFF 50 us after it has left. Each CPU
/// that is on beside makes CPU_ON slower by 1 us.
struct Fake {
    now: Cell<u64>,
    go: Cell<bool>,
    cpus: RefCell<Vec<Cpu>>,
    fault: Option<(usize, Fault)>,
    longest: Cell<u64>,
}

impl Fake {
    fn new(cpus: usize, fault: Option<(usize, Fault)>) -> Self {
        let cpus = RefCell::new(alloc::vec![Cpu::default(); cpus]);
        Self { now: Cell::new(1), go: Cell::new(false), cpus, fault, longest: Cell::new(0) }
    }

    fn has(&self, cpu: CpuId, fault: Fault) -> bool {
        self.fault == Some((cpu.index(), fault))
    }

    fn pass(&self, ticks: u64) -> u64 {
        self.now.set(self.now.get() + ticks);
        self.now.get()
    }

    /// A CPU that has come and may go has left.
    fn settle(&self, cpu: CpuId) -> Cpu {
        let mut all = self.cpus.borrow_mut();
        let state = &mut all[cpu.index()];
        let came = state.on_at.filter(|&at| at <= self.now.get());
        if let (Some(at), true, None) = (came, self.go.get(), state.leaves_at) {
            state.leaves_at = Some(at.max(self.now.get()));
            state.off_at = state.leaves_at.map(|at| at + 50_000);
        }
        *state
    }

    fn is_on(&self, cpu: usize) -> bool {
        let cpu = self.settle(CpuId(cpu as u16));
        cpu.on_at.is_some() && cpu.off_at.is_none_or(|at| at > self.now.get())
    }
}

impl Clock for Fake {
    fn now(&self) -> u64 {
        self.now.get()
    }

    fn hz(&self) -> u64 {
        HZ
    }

    fn wait(&self, deadline: Option<u64>) {
        let until = deadline.expect("each wait has a deadline").max(self.now.get());
        self.longest.set(self.longest.get().max(until - self.now.get()));
        self.now.set(until);
    }
}

impl Power for Fake {
    fn cpu_on(&self, _: CpuId) -> Result<(), PsciError> {
        unreachable!("CPUs come without a kernel")
    }

    fn affinity_info(&self, cpu: CpuId) -> Result<Affinity, PsciError> {
        self.pass(1000);
        let on = self.is_on(cpu.index()) || self.has(cpu, Fault::NeverOff);
        let held = self.has(cpu, Fault::Denied) && self.cpus.borrow()[cpu.index()].on_at.is_some();
        Ok(if on || held { Affinity::On } else { Affinity::Off })
    }
}

impl Bare for Fake {
    fn bare_open(&self, cpus: usize) {
        let all = self.cpus.borrow().len();
        assert!(cpus <= all);
    }

    fn bare_go(&self, go: bool) {
        self.go.set(go);
    }

    fn bare_forget(&self, cpu: CpuId) {
        assert!(!self.is_on(cpu.index()), "cpu {cpu} is on");
        self.cpus.borrow_mut()[cpu.index()] = Cpu::default();
    }

    fn bare_on(&self, cpu: CpuId) -> Timed<Result<(), PsciError>> {
        let all = self.cpus.borrow().len();
        let beside = (0..all).filter(|&i| self.is_on(i)).count() as u64;
        let begin = self.now.get();
        let end = self.pass(10_000 + 1000 * beside);
        if self.has(cpu, Fault::Refused) {
            return Timed { begin, end, answer: Err(PsciError::InternalFailure) };
        }
        if !self.has(cpu, Fault::Lost) {
            self.cpus.borrow_mut()[cpu.index()].on_at = Some(end + 100_000);
        }
        Timed { begin, end, answer: Ok(()) }
    }

    fn bare_seen(&self, cpu: CpuId) -> BareSeen {
        let state = self.settle(cpu);
        let past = |at: &u64| *at <= self.now.get();
        let denied = self.has(cpu, Fault::Denied) && state.leaves_at.is_some();
        BareSeen {
            first_at: state.on_at.filter(past),
            leaving_at: state.leaves_at.filter(past),
            denied: denied.then_some(PsciError::Denied),
        }
    }

    fn bare_wait(&self) {
        self.pass(700);
    }

    fn bare_call(&self) -> Timed<()> {
        let begin = self.now.get();
        Timed { begin, end: self.pass(300), answer: () }
    }

    fn has_threads(&self) -> bool {
        false
    }
}

fn cpus(numbers: core::ops::Range<u16>) -> Vec<CpuId> {
    numbers.map(CpuId).collect()
}

fn run(machine: &Fake, numbers: core::ops::Range<u16>) -> Result<Measured, FloorError> {
    measure(machine, &cpus(numbers), (2, 20), &|| true)
}

#[test]
fn every_cpu_comes_and_goes_in_each_round() {
    let machine = Fake::new(5, None);
    let measured = run(&machine, 1..5).unwrap();
    assert_eq!((measured.serial.len(), measured.parallel.len()), (2, 2));
    assert_eq!((measured.calls.len(), measured.calls[0]), (CALLS, 300));
    for round in &measured.serial {
        assert_eq!(round.samples.iter().map(|s| s.cpu).collect::<Vec<_>>(), cpus(1..5));
        assert!(round.samples.iter().all(|s| s.call == 10_000 && s.first == 110_000));
        // Until OFF was seen: a sixteenth, a look and the least pause later at most.
        assert!(round.samples.iter().all(|s| (50_000..60_000).contains(&s.off)), "{round:?}");
        assert_eq!(round.up, 440_000);
    }
    for round in &measured.parallel {
        let calls: Vec<u64> = round.samples.iter().map(|s| s.call).collect();
        assert_eq!(calls, [10_000, 11_000, 12_000, 13_000], "each finds one more on");
        assert!(round.samples.iter().all(|s| s.off >= 50_000));
        assert!((50_000..70_000).contains(&round.down), "{}", round.down);
    }
    assert!(machine.longest.get() <= HZ / 1000, "a look every millisecond");
}

#[test]
fn ctrl_c_ends_it_between_rounds_and_keeps_what_there_is() {
    let machine = Fake::new(3, None);
    let asked = Cell::new(0);
    let go_on = || asked.replace(asked.get() + 1) < 1;
    let measured = measure(&machine, &cpus(1..3), (9, 20), &go_on).unwrap();
    assert_eq!((measured.serial.len(), measured.parallel.len()), (1, 1));
}

#[test]
fn a_cpu_that_does_not_come_is_named_and_the_others_are_off_again() {
    for (fault, wanted) in [
        (Fault::Refused, "CPU_ON of cpu 2: INTERNAL_FAILURE"),
        (Fault::Lost, "CPU 2 ran no instruction within 20 ms of CPU_ON"),
    ] {
        let machine = Fake::new(5, Some((2, fault)));
        let why = run(&machine, 1..5).unwrap_err();
        assert_eq!(std::format!("{why}"), wanted);
        assert!((0..5).all(|cpu| !machine.is_on(cpu)));
        assert!(why.parked().is_empty());
        assert!(machine.now() < HZ / 10, "no wait without an end");
    }
}

#[test]
fn a_cpu_that_does_not_leave_is_named() {
    let machine = Fake::new(4, Some((3, Fault::NeverOff)));
    let why = run(&machine, 1..4).unwrap_err();
    assert_eq!(std::format!("{why}"), "CPU 3 is not OFF 20 ms after CPU_OFF");
    let machine = Fake::new(4, Some((1, Fault::Denied)));
    let why = run(&machine, 1..4).unwrap_err();
    assert_eq!(std::format!("{why}"), "CPU_OFF came back on cpu 1: DENIED; parked for good");
    assert_eq!(why.parked().iter().collect::<Vec<_>>(), cpus(1..2));
}

/// Two sockets of two clusters of two cores, as Altra counts them, without threads.
fn topology() -> Topology {
    let all = [0x0, 0x1, 0x100, 0x101, 0x1_0000_0000, 0x1_0000_0001, 0x1_0000_0100, 0x1_0000_0101];
    Topology::new(&all.map(Mpidr::from_register), Mpidr::from_register(0)).unwrap()
}

#[test]
fn figures_are_of_all_then_of_sockets_and_clusters() {
    let measured = run(&Fake::new(8, None), 1..8).unwrap();
    let topology = topology();
    let shared = Figures { topology: &topology, threads: false, generation: 3, ns: &|ticks| ticks };
    let records = figures(&shared, &cpus(1..8), &measured);
    let found: Vec<_> =
        records.iter().map(|r| (r.scope.known().unwrap(), r.number, r.cpus)).collect();
    let wanted = [
        (PsciScope::All, 0, 7),
        (PsciScope::Socket, 0, 3),
        (PsciScope::Socket, 1, 4),
        (PsciScope::Cluster, 0, 1),
        (PsciScope::Cluster, 1, 2),
        (PsciScope::Cluster, 0x100_0000, 2),
        (PsciScope::Cluster, 0x100_0001, 2),
    ];
    assert_eq!(found, wanted);
    let all = &records[0];
    assert_eq!((all.generation, all.rounds, all.version_ns.unwrap().max), (3, 2, 300));
    assert_eq!(all.serial.call_ns.all(), [10_000; 5]);
    assert_eq!(all.parallel.call_ns.all(), [10_000, 13_000, 16_000, 16_000, 16_000]);
    assert_eq!(contention(all.serial.call_ns.p50, all.parallel.call_ns.p50), Some(130));
    assert_eq!(all.up_ns.unwrap()[0], 770_000);
    assert!(records[1..].iter().all(|r| r.version_ns.is_none() && r.up_ns.is_none()));
    // With threads, cores are level 1: here each socket is one cluster.
    let records = figures(&Figures { threads: true, ..shared }, &cpus(1..8), &measured);
    let clusters = records.iter().filter(|r| r.scope == PsciScope::Cluster).count();
    assert_eq!(clusters, 2);
    // A socket that is the only one is all.
    let records = figures(&shared, &cpus(1..2), &measured);
    assert_eq!(records.len(), 1);
}
