use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::string::{String, ToString};

use proptest::prelude::*;

use super::model::{COUNTERS, ClusterModel, Rate};
use super::*;
use crate::machine::pmu::PmuReg;

extern crate std;

const BUS: u16 = 0x19;
const BUS_CYCLES: u16 = 0x1d;

/// Clusters of CPUs with modelled registers, a clock that runs while registers are accessed, and
/// the interrupt: taken wherever the line goes up, also between two accesses of ordinary code.
struct Bench {
    pmu: Pmu,
    models: Vec<RefCell<ClusterModel>>,
    now: Cell<u64>,
    /// Ticks that one access takes.
    step: Cell<u64>,
    accesses: Cell<usize>,
    handling: Cell<bool>,
    handled: Cell<usize>,
    online: RefCell<CpuMask>,
    /// What was really counted, by cluster and event.
    truth: RefCell<BTreeMap<(usize, u16), u64>>,
}

struct On<'a>(&'a Bench, CpuId);

impl Bench {
    /// `sizes`: CPUs per cluster, numbered through.
    fn new(sizes: &[u16]) -> Self {
        let mut next = 0;
        let clusters: Vec<_> = sizes
            .iter()
            .map(|&size| {
                let cpus = (next..next + size).map(CpuId).collect();
                next += size;
                platform::Cluster { cpus, intid: 64 + u32::from(next), name: "dsu".into() }
            })
            .collect();
        Self {
            pmu: Pmu::new(&clusters),
            models: sizes.iter().map(|_| RefCell::default()).collect(),
            now: Cell::new(1000),
            step: Cell::new(0),
            accesses: Cell::new(0),
            handling: Cell::new(false),
            handled: Cell::new(0),
            online: RefCell::default(),
            truth: RefCell::default(),
        }
    }

    fn on(&self, cpu: u16) -> On<'_> {
        On(self, CpuId(cpu))
    }

    fn online(&self, cpus: impl IntoIterator<Item = u16>) {
        for cpu in cpus {
            self.online.borrow_mut().insert(CpuId(cpu));
            self.pmu.cpu_online(&self.on(cpu), CpuId(cpu));
        }
    }

    /// All of them leave together; their steps run in this order.
    fn leave(&self, cpus: &[u16]) -> Vec<Left> {
        let leaving = cpus.iter().map(|&c| CpuId(c)).collect();
        let survivors = Survivors::freeze(&self.online.borrow(), &leaving);
        let leave = |&cpu: &u16| {
            let left = self.pmu.cpu_leaving(&self.on(cpu), CpuId(cpu), &survivors);
            self.online.borrow_mut().remove(CpuId(cpu));
            left
        };
        cpus.iter().map(leave).collect()
    }

    fn ask(&self, me: u16, cluster: usize, request: Request) -> Result<u64, PmuError> {
        let mut asked = 0;
        self.pmu.ask(&self.on(me), CpuId(me), cluster, request, &mut |owner| {
            asked += 1;
            self.pmu.serve(&On(self, owner), owner);
            asked < 3
        })
    }

    /// Time passes; what overflows is handled at once by a CPU of the cluster.
    fn pass(&self, ticks: u64) {
        let end = self.now.get() + ticks;
        loop {
            let next = |model: &RefCell<ClusterModel>| model.borrow().next_overflow();
            let first = self.models.iter().filter_map(next).min().unwrap_or(end).min(end);
            self.tick(first - self.now.get());
            for cluster in 0..self.models.len() {
                let cpus = self.pmu.clusters[cluster].cpus();
                if let Some(&cpu) = cpus.iter().rfind(|&&c| self.online.borrow().contains(c)) {
                    self.interrupt(cluster, cpu);
                }
            }
            if self.now.get() == end {
                return;
            }
        }
    }

    fn interrupt(&self, cluster: usize, cpu: CpuId) {
        let line = |b: &Self| b.models[cluster].borrow_mut().line(b.now.get());
        if self.handling.get() || !line(self) {
            return;
        }
        self.handling.set(true);
        let step = self.step.replace(0);
        assert!(self.pmu.overflow(&On(self, cpu), cluster, cpu));
        assert!(!line(self), "the line is up after the handler: it would come again for ever");
        self.step.set(step);
        self.handling.set(false);
        self.handled.set(self.handled.get() + 1);
    }

    fn tick(&self, ticks: u64) {
        let (from, to) = (self.now.get(), self.now.get() + ticks);
        for (cluster, model) in self.models.iter().enumerate() {
            for event in counting(&model.borrow(), from) {
                if let Some(rate) = Rate::of(event) {
                    let mut truth = self.truth.borrow_mut();
                    *truth.entry((cluster, event)).or_default() +=
                        rate.until(to) - rate.until(from);
                }
            }
            model.borrow_mut().read(PmuReg::Control, to);
        }
        self.now.set(to);
    }

    fn totals(&self, cluster: usize) -> Vec<(u16, u64)> {
        self.pmu.info()[cluster].events.iter().map(|e| (e.event, e.total)).collect()
    }

    /// Totals are what was really counted, and registers, owner and presence agree.
    fn check(&self) {
        let step = self.step.replace(0);
        for (cluster, info) in self.pmu.info().iter().enumerate() {
            let online = self.online.borrow().and(&info.cpus);
            assert_eq!(info.present, online);
            match info.owner {
                Some(owner) => {
                    assert!(online.contains(owner), "the owner is not there");
                    assert_eq!(self.ask(owner.0, cluster, Request::Read), Ok(0));
                }
                None => {
                    assert!(online.is_empty(), "vacant, and {} are there", online.ranges());
                    self.silent(cluster);
                }
            }
            assert_eq!(info.counting, info.owner.is_some());
            for (event, total) in self.totals(cluster) {
                let truth = self.truth.borrow().get(&(cluster, event)).copied();
                assert_eq!(total, truth.unwrap_or(0), "cluster {cluster} event {event:#x}");
            }
        }
        self.step.set(step);
    }

    fn silent(&self, cluster: usize) {
        let mut model = self.models[cluster].borrow().clone();
        for register in
            [PmuReg::CountersOn, PmuReg::InterruptsOn, PmuReg::OverflowSet, PmuReg::Control]
        {
            assert_eq!(model.read(register, self.now.get()) & 0x7ff, 0, "{register:?}");
        }
    }
}

/// The events whose counters run.
fn counting(model: &ClusterModel, now: u64) -> Vec<u16> {
    let mut model = model.clone();
    if model.read(PmuReg::Control, now) & 1 == 0 {
        return vec![];
    }
    let on = model.read(PmuReg::CountersOn, now);
    let cycles = (on >> 31 & 1 == 1).then_some(events::CYCLES);
    let mut event = |i: usize| {
        model.write(PmuReg::Select, i as u64, now);
        (on >> i & 1 == 1).then(|| model.read(PmuReg::EventType, now) as u16)
    };
    (0..COUNTERS).filter_map(&mut event).chain(cycles).collect()
}

impl On<'_> {
    fn access<T>(&self, act: impl FnOnce(&mut ClusterModel, u64) -> T) -> T {
        let (bench, cluster) = (self.0, self.0.pmu.cluster_of(self.1).expect("no registers here"));
        assert!(bench.online.borrow().contains(self.1), "CPU {} is off", self.1);
        bench.accesses.set(bench.accesses.get() + 1);
        bench.tick(bench.step.get());
        let result = act(&mut bench.models[cluster].borrow_mut(), bench.now.get());
        bench.interrupt(cluster, self.1);
        result
    }
}

impl ClusterPmu for On<'_> {
    fn pmu_read(&self, register: PmuReg) -> u64 {
        self.access(|model, now| model.read(register, now))
    }

    fn pmu_write(&self, register: PmuReg, value: u64) {
        self.access(|model, now| model.write(register, value, now));
    }

    fn pmu_emulated(&self) -> bool {
        true
    }
}

fn open(bench: &Bench, me: u16, cluster: usize, events: &[u16]) {
    for &event in events {
        bench.ask(me, cluster, Request::Open(event)).unwrap();
    }
}

#[test]
fn cycles_and_events_are_counted_from_their_opening_to_their_close() {
    let bench = Bench::new(&[2]);
    bench.online([0, 1]);
    bench.pass(500);
    open(&bench, 0, 0, &[events::CYCLES, BUS]);
    let from = bench.now.get();
    bench.pass(12345);
    let bus = Rate::of(BUS).unwrap();
    let counted = bus.until(bench.now.get()) - bus.until(from);
    assert_eq!(bench.ask(1, 0, Request::Close(events::CYCLES)), Ok(16 * 12345));
    bench.pass(100);
    assert_eq!(bench.ask(1, 0, Request::Read), Ok(0));
    let more = bus.until(bench.now.get()) - bus.until(from);
    assert_eq!((bench.totals(0), more > counted), (vec![(BUS, more)], true));
    assert_eq!(bench.ask(0, 0, Request::Close(BUS)), Ok(more));
    bench.silent(0);
}

#[test]
fn totals_have_64_bits_and_each_overflow_is_handled_once() {
    let bench = Bench::new(&[2]);
    bench.online([0, 1]);
    open(&bench, 0, 0, &[BUS_CYCLES]);
    bench.pass(10 << 29); // 2^29 ticks are 2^32 events; the counter starts half way
    assert_eq!(bench.ask(1, 0, Request::Close(BUS_CYCLES)), Ok(10 << 32));
    assert_eq!((bench.handled.get(), bench.pmu.info()[0].overflows), (10, 10));
}

#[test]
fn an_overflow_that_nobody_handled_counts_when_it_is_read() {
    let bench = Bench::new(&[1]);
    bench.online([0]);
    open(&bench, 0, 0, &[BUS_CYCLES]);
    bench.handling.set(true); // interrupts are off
    bench.tick((3 << 28) - 1);
    assert_eq!(bench.ask(0, 0, Request::Close(BUS_CYCLES)), Ok((3 << 31) - 8));
}

/// Each access takes so long that a counter wraps every 16th of them, in the middle of the code that
/// reads it, and the interrupt comes there as well.
#[test]
fn overflows_in_the_middle_of_a_read_are_neither_lost_nor_counted_twice() {
    let bench = Bench::new(&[2]);
    bench.online([0, 1]);
    open(&bench, 0, 0, &[events::CYCLES, BUS_CYCLES, 0x2b]);
    for step in [(1 << 25) - 12345, (1 << 24) + 77, (1 << 23) - 1, 999] {
        bench.step.set(step);
        for reader in [0, 1].repeat(8) {
            bench.ask(reader, 0, Request::Read).unwrap();
            bench.check();
        }
    }
    assert!(bench.handled.get() > 10, "{} interrupts", bench.handled.get());
    bench.leave(&[0, 1]);
    bench.check();
}

#[test]
fn a_hand_over_costs_no_register_and_no_count() {
    let bench = Bench::new(&[8, 2]);
    bench.online(0..10);
    open(&bench, 3, 0, &[events::CYCLES, BUS]);
    bench.pass(1 << 20);
    bench.accesses.set(0);
    let left = bench.leave(&[0, 2, 4]);
    let Left::Passed(to) = left[0] else { panic!("{left:?}") };
    assert_eq!((to.cpu(), &left[1..]), (CpuId(1), &[Left::Bystander; 2][..]));
    assert_eq!((bench.pmu.owner(0), bench.accesses.get()), (Some(CpuId(1)), 0));
    bench.pass(1 << 20);
    bench.check();
    assert_eq!(bench.totals(0)[0], (events::CYCLES, 16 << 21));
}

#[test]
fn a_cluster_that_loses_all_its_cpus_stops_and_goes_on_when_one_comes_back() {
    let bench = Bench::new(&[1, 2]);
    bench.online(0..3);
    open(&bench, 0, 1, &[events::CYCLES, BUS_CYCLES]);
    bench.pass(1 << 20);
    assert_eq!(bench.leave(&[2, 1]), [Left::Bystander, Left::Vacant]);
    let totals = bench.totals(1);
    assert_eq!(totals, [(events::CYCLES, 16 << 20), (BUS_CYCLES, 8 << 20)]);
    bench.pass(1 << 30);
    bench.check();
    assert_eq!(bench.totals(1), totals, "stopped");
    let stopped = bench.ask(0, 1, Request::Read).unwrap_err();
    assert!(stopped.to_string().contains("bring one of CPUs 1-2 online"), "{stopped}");
    bench.online([2]);
    bench.pass(1 << 20);
    bench.check();
    assert_eq!(bench.totals(1)[0], (events::CYCLES, 32 << 20));
}

/// What a teardown costs: 40 clusters of two, as on an 80-core machine, of which one CPU stays.
#[test]
fn leaving_touches_registers_only_to_stop_what_is_open() {
    let bench = Bench::new(&[2; 40]);
    bench.online(0..80);
    let all: Vec<u16> = (1..80).collect();
    bench.accesses.set(0);
    bench.leave(&all);
    assert_eq!(bench.accesses.get(), 0, "nothing is open");
    bench.online(1..80);
    for cluster in 0..40 {
        open(&bench, 0, cluster, &[events::CYCLES]);
    }
    bench.accesses.set(0);
    let left = bench.leave(&all);
    assert_eq!(left.iter().filter(|&&l| l == Left::Vacant).count(), 39);
    assert_eq!(bench.accesses.get(), 39 * 5, "two of the whole, two of the counter, one flag word");
    bench.check();
}

#[test]
fn what_an_earlier_kernel_left_running_is_silenced() {
    let bench = Bench::new(&[2]);
    for (register, value) in [
        (PmuReg::EventType, u64::from(BUS_CYCLES)),
        (PmuReg::CountersOn, u64::MAX),
        (PmuReg::InterruptsOn, u64::MAX),
        (PmuReg::OverflowSet, 0xff),
        (PmuReg::Control, 1),
    ] {
        bench.models[0].borrow_mut().write(register, value, 0);
    }
    bench.handling.set(true);
    bench.online([1]);
    bench.silent(0);
}

#[test]
fn an_owner_that_is_gone_is_replaced_and_counting_begins_anew_after_the_last() {
    let bench = Bench::new(&[3]);
    bench.online(0..3);
    open(&bench, 0, 0, &[events::CYCLES]);
    let survivors = |leaving: &[u16]| {
        let leaving = leaving.iter().map(|&c| CpuId(c)).collect();
        Survivors::freeze(&CpuMask::first(3), &leaving)
    };
    let passed = bench.pmu.forget(CpuId(0), &survivors(&[0]));
    assert!(matches!(passed, Left::Passed(to) if to.cpu() == CpuId(1)), "{passed:?}");
    bench.pass(100);
    assert_eq!(bench.ask(1, 0, Request::Read), Ok(0));
    assert_eq!(bench.pmu.cpu_leaving(&bench.on(2), CpuId(2), &survivors(&[1, 2])), Left::Bystander);
    assert_eq!(bench.pmu.forget(CpuId(1), &survivors(&[1, 2])), Left::Vacant);
    bench.pass(1000);
    bench.models[0].replace(ClusterModel::default());
    bench.online([2]);
    bench.pass(10);
    assert_eq!(bench.ask(2, 0, Request::Close(events::CYCLES)), Ok(16 * 110));
}

#[test]
fn requests_that_make_no_sense_say_what_to_do() {
    let bench = Bench::new(&[2, 1]);
    bench.online(0..2);
    let text =
        |cluster, request| -> String { bench.ask(0, cluster, request).unwrap_err().to_string() };
    assert_eq!(text(7, Request::Read), "there is no cluster 7; use one of 0-1");
    let unknown = text(0, Request::Open(0x12));
    assert!(unknown.starts_with("cluster 0 has no event 0x12; use one of 0x11 (cycles) 0x19"));
    assert!(text(0, Request::Open(0x1e)).contains("CHAIN"));
    open(&bench, 0, 0, &[BUS]);
    assert!(text(0, Request::Open(BUS)).contains("already; read it"));
    assert!(text(0, Request::Close(0x2a)).contains("does not count event 0x2a"));
    open(&bench, 0, 0, &[0x29, 0x2a, 0x2b, 0x2c, 0x123]);
    assert!(text(0, Request::Open(BUS_CYCLES)).contains("all 6 event counters"));
    open(&bench, 0, 0, &[events::CYCLES]); // has a counter of its own
    assert!(text(1, Request::Open(BUS)).contains("bring one of CPUs 2 online"));
    assert!(!bench.pmu.overflow(&bench.on(2), 0, CpuId(2)), "not of the cluster");
    let none = Pmu::new(&[]).ask(&bench.on(0), CpuId(0), 0, Request::Read, &mut |_| false);
    assert!(none.unwrap_err().to_string().contains("no DSU PMU"));
}

#[test]
fn an_owner_that_does_not_answer_is_named_and_the_next_request_works() {
    let bench = Bench::new(&[1, 1]);
    bench.online(0..2);
    let ask = |serve: bool| {
        let mut turns = 0;
        bench.pmu.ask(&bench.on(0), CpuId(0), 1, Request::Open(BUS), &mut |owner| {
            turns += 1;
            if serve {
                bench.pmu.serve(&On(&bench, owner), owner);
            }
            turns < 5
        })
    };
    let silent = PmuError::Silent { cluster: 1, owner: CpuId(1), begun: false };
    assert_eq!(ask(false), Err(silent));
    assert!(silent.to_string().contains("CPU 1, which owns cluster 1"));
    bench.pmu.serve(&bench.on(1), CpuId(1));
    assert_eq!(bench.totals(1), [], "it was withdrawn");
    assert_eq!(ask(true), Ok(0));
}

#[derive(Clone, Debug)]
enum Act {
    Pass(u64),
    Step(u64),
    Online(u16),
    Leave(Vec<u16>),
    Open(usize, u16),
    Close(usize, u16),
    Read(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let event = prop::sample::select(vec![0x11u16, 0x19, 0x1d, 0x29, 0x2a, 0x2b, 0x2c, 0x12, 0x99]);
    let some = prop::collection::btree_set(0u16..11, 0..11).prop_map(Vec::from_iter).prop_shuffle();
    prop_oneof![
        (0u64..1 << 30).prop_map(Act::Pass),
        (0u64..1 << 22).prop_map(Act::Step),
        (0u16..11).prop_map(Act::Online),
        some.prop_map(Act::Leave),
        (0usize..3, event.clone()).prop_map(|(c, e)| Act::Open(c, e)),
        (0usize..3, event).prop_map(|(c, e)| Act::Close(c, e)),
        (0usize..3).prop_map(Act::Read),
    ]
}

fn carry_out(bench: &Bench, act: Act) {
    let me = bench.online.borrow().iter().last().unwrap_or(CpuId(0)).0; // asks nobody if all are off
    match act {
        Act::Pass(ticks) => bench.pass(ticks),
        Act::Step(ticks) => bench.step.set(ticks),
        Act::Online(cpu) => bench.online([cpu]),
        Act::Leave(cpus) => {
            let there = |&cpu: &u16| bench.online.borrow().contains(CpuId(cpu));
            let leaving: Vec<u16> = cpus.into_iter().filter(there).collect();
            for left in bench.leave(&leaving) {
                assert!(!matches!(left, Left::Passed(to) if leaving.contains(&to.cpu().0)));
            }
        }
        Act::Open(cluster, event) => {
            if !bench.totals(cluster).iter().any(|(open, _)| *open == event) {
                bench.truth.borrow_mut().remove(&(cluster, event));
            }
            let _ = bench.ask(me, cluster, Request::Open(event));
        }
        Act::Close(cluster, event) => {
            let closed = bench.ask(me, cluster, Request::Close(event));
            let truth = bench.truth.borrow().get(&(cluster, event)).copied();
            if let Ok(total) = closed {
                assert_eq!(total, truth.unwrap_or(0));
            }
        }
        Act::Read(cluster) => {
            let _ = bench.ask(me, cluster, Request::Read);
        }
    }
}

proptest! {
    /// Whatever happens in whatever order: an owner where a CPU is, silence where none is, and
    /// every total exact to the event.
    #[test]
    fn totals_are_exact_and_every_cluster_has_its_owner(
        acts in prop::collection::vec(act(), 1..40),
    ) {
        let bench = Bench::new(&[8, 2, 1]);
        for act in acts {
            carry_out(&bench, act);
            bench.check();
        }
    }

    /// A cluster of eight whose CPUs all leave at once, in every order, and come back.
    #[test]
    fn all_leave_at_once_in_every_order_and_come_back(
        out in Just((0u16..8).collect::<Vec<_>>()).prop_shuffle(),
        back in Just((0u16..8).collect::<Vec<_>>()).prop_shuffle(),
        step in 0u64..1 << 20,
    ) {
        let bench = Bench::new(&[8]);
        bench.online(back.iter().copied());
        open(&bench, 0, 0, &[events::CYCLES, BUS_CYCLES, 0x2c]);
        bench.step.set(step);
        bench.pass(1 << 29);
        let left = bench.leave(&out);
        prop_assert_eq!(left.iter().filter(|&&l| l == Left::Vacant).count(), 1);
        bench.check();
        bench.online(back.iter().copied());
        prop_assert_eq!(bench.pmu.owner(0), Some(CpuId(back[0])));
        bench.pass(1 << 29);
        bench.check();
    }
}
