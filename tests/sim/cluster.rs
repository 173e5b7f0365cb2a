//! A simulated cluster's PMU: the registers, and what a perfect observer has counted beside them.

use std::collections::BTreeMap;

use baton::cpu::CpuMask;
use baton::machine::pmu::PmuReg;
use baton::platform;
use baton::pmu::model::{ClusterModel, Rate};

/// The place of the cycle counter; the others are event counters.
const CYCLES: (usize, u16) = (31, 0x11);

pub struct Cluster {
    pub cpus: CpuMask,
    pub intid: u32,
    model: ClusterModel,
    truth: Truth,
}

/// Counts that never wrap, from the same writes.
#[derive(Default)]
struct Truth {
    enabled: bool,
    on: u64,
    selected: usize,
    events: [u16; 6],
    until: u64,
    counted: BTreeMap<u16, u64>,
}

impl Truth {
    fn advance(&mut self, now: u64) {
        let from = std::mem::replace(&mut self.until, now);
        let places = self.events.into_iter().enumerate().chain([CYCLES]);
        for (_, event) in places.filter(|(place, _)| self.enabled && self.on >> place & 1 == 1) {
            let happened = Rate::of(event).map_or(0, |r| r.until(now) - r.until(from));
            *self.counted.entry(event).or_default() += happened;
        }
    }

    fn write(&mut self, register: PmuReg, value: u64, now: u64) {
        self.advance(now);
        match register {
            PmuReg::Control => self.enabled = value & 1 == 1,
            PmuReg::CountersOn => self.on |= value,
            PmuReg::CountersOff => self.on &= !value,
            PmuReg::Select => self.selected = value as usize,
            PmuReg::EventType => self.events[self.selected] = value as u16,
            _ => {}
        }
    }
}

impl Cluster {
    pub fn new(cluster: &platform::Cluster) -> Self {
        let (model, truth) = (ClusterModel::default(), Truth::default());
        Self { cpus: cluster.cpus, intid: cluster.interrupt.intid, model, truth }
    }

    pub fn read(&mut self, register: PmuReg, now: u64) -> u64 {
        self.model.read(register, now)
    }

    pub fn write(&mut self, register: PmuReg, value: u64, now: u64) {
        self.model.write(register, value, now);
        self.truth.write(register, value, now);
    }

    pub fn line(&mut self, now: u64) -> bool {
        self.model.line(now)
    }

    pub fn next_overflow(&self) -> Option<u64> {
        self.model.next_overflow()
    }

    /// How many of an event there were while somebody counted them.
    pub fn counted(&mut self, event: u16, now: u64) -> u64 {
        self.truth.advance(now);
        self.truth.counted.get(&event).copied().unwrap_or(0)
    }

    /// True if it counts anything.
    pub fn counting(&self) -> bool {
        self.truth.enabled && self.truth.on != 0
    }
}
