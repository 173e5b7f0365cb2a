//! A machine of clusters for the tests.

use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::super::model::{COUNTERS, ClusterModel, Rate};
use super::super::*;
use super::std;
use crate::interrupt::Interrupt;
use crate::machine::pmu::PmuReg;

/// Clusters of CPUs with modelled registers, a clock that runs while registers are accessed, and
/// the interrupt: taken wherever the line goes up, also between two accesses of ordinary code.
pub(super) struct Bench {
    pub(super) pmu: Pmu,
    pub(super) models: Vec<RefCell<ClusterModel>>,
    pub(super) now: Cell<u64>,
    /// Ticks that one access takes.
    pub(super) step: Cell<u64>,
    pub(super) accesses: Cell<usize>,
    pub(super) handling: Cell<bool>,
    pub(super) handled: Cell<usize>,
    pub(super) online: RefCell<CpuMask>,
    /// What was really counted, by cluster and event.
    pub(super) truth: RefCell<BTreeMap<(usize, u16), u64>>,
}

pub(super) struct On<'a>(pub(super) &'a Bench, pub(super) CpuId);

impl Bench {
    /// `sizes`: CPUs per cluster, numbered through.
    pub(super) fn new(sizes: &[u16]) -> Self {
        let mut next = 0;
        let clusters: Vec<_> = sizes
            .iter()
            .map(|&size| {
                let cpus = (next..next + size).map(CpuId).collect();
                next += size;
                let interrupt = Interrupt::edge(64 + u32::from(next));
                platform::Cluster { cpus, interrupt, name: "dsu".into(), emulate: true }
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

    pub(super) fn on(&self, cpu: u16) -> On<'_> {
        On(self, CpuId(cpu))
    }

    pub(super) fn online(&self, cpus: impl IntoIterator<Item = u16>) {
        for cpu in cpus {
            self.online.borrow_mut().insert(CpuId(cpu));
            self.pmu.cpu_online(&self.on(cpu), CpuId(cpu));
        }
    }

    /// These CPUs leave together; the steps run in this order.
    pub(super) fn leave(&self, cpus: &[u16]) -> Vec<PmuLeft> {
        let leaving = cpus.iter().map(|&c| CpuId(c)).collect();
        let survivors = Survivors::freeze(&self.online.borrow(), &leaving);
        let leave = |&cpu: &u16| {
            let left = self.pmu.cpu_leaving(&self.on(cpu), CpuId(cpu), &survivors);
            self.online.borrow_mut().remove(CpuId(cpu));
            left
        };
        cpus.iter().map(leave).collect()
    }

    pub(super) fn ask(&self, me: u16, cluster: usize, request: Request) -> Result<u64, PmuError> {
        let mut asked = 0;
        self.pmu.ask(&self.on(me), CpuId(me), cluster, request, &mut |owner| {
            asked += 1;
            self.pmu.serve(&On(self, owner), owner);
            asked < 3
        })
    }

    /// Time passes; what overflows is handled at once by a CPU of the cluster.
    pub(super) fn pass(&self, ticks: u64) {
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

    pub(super) fn tick(&self, ticks: u64) {
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

    pub(super) fn totals(&self, cluster: usize) -> Vec<(u16, u64)> {
        self.pmu.info()[cluster].events.iter().map(|e| (e.event, e.total)).collect()
    }

    /// Totals are what was really counted, and registers, owner and presence agree.
    pub(super) fn check(&self) {
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

    pub(super) fn silent(&self, cluster: usize) {
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
