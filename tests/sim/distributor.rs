//! The simulated distributor: which shared interrupts are pending, active, enabled, and where they go.

use std::collections::{BTreeMap, BTreeSet};

use baton::cpu::CpuId;
use baton::machine::irq::Status;

/// What a line or a write can make of an interrupt.
#[derive(Default)]
pub struct Distributor {
    /// Where each interrupt goes, and whether it is enabled.
    pub routes: BTreeMap<u32, (CpuId, bool)>,
    pending: BTreeSet<u32>,
    /// Taken and not done with: nobody takes it a second time meanwhile.
    active: BTreeSet<u32>,
    /// How often each became pending that was not: a GIC counts no further.
    sent: BTreeMap<u32, u64>,
    /// These come at random, each call of any CPU with a chance of one in so many.
    rain: Option<(u64, Vec<u32>)>,
    /// Lines that are up stay pending, and are not counted.
    levels: BTreeSet<u32>,
}

impl Distributor {
    pub fn set_rain(&mut self, rain: Option<(u64, Vec<u32>)>) {
        self.rain = rain;
    }

    pub fn rain(&self) -> Option<&(u64, Vec<u32>)> {
        self.rain.as_ref()
    }

    pub fn pend(&mut self, intid: u32) {
        if self.pending.insert(intid) {
            *self.sent.entry(intid).or_default() += 1;
        }
    }

    /// A line goes up or down.
    pub fn level(&mut self, intid: u32, up: bool) {
        let _ = if up { self.levels.insert(intid) } else { self.levels.remove(&intid) };
    }

    pub fn status_of(&self, intid: u32) -> Status {
        Status {
            pending: self.pending.contains(&intid) || self.levels.contains(&intid),
            active: self.active.contains(&intid),
            enabled: self.routes.get(&intid).is_some_and(|route| route.1),
        }
    }

    /// Sent and not done with.
    pub fn waits(&self, intid: u32) -> u64 {
        u64::from(self.pending.contains(&intid)) + u64::from(self.active.contains(&intid))
    }

    /// How often it was sent, beside what its line did.
    pub fn sent(&self, intid: u32) -> u64 {
        self.sent.get(&intid).copied().unwrap_or(0)
    }

    /// CPUs that are to take something now.
    pub fn wanted(&self) -> impl Iterator<Item = (u32, CpuId)> + '_ {
        let all = self.pending.union(&self.levels);
        all.filter_map(|intid| {
            let &(cpu, enabled) = self.routes.get(intid)?;
            (enabled && !self.active.contains(intid)).then_some((*intid, cpu))
        })
    }

    /// The interrupt that this CPU takes now: active from here on.
    pub fn acknowledge(&mut self, cpu: CpuId) -> Option<u32> {
        let (intid, _) = self.wanted().find(|(_, to)| *to == cpu)?;
        self.pending.remove(&intid);
        self.active.insert(intid);
        Some(intid)
    }

    pub fn done(&mut self, intid: u32) {
        assert!(self.active.remove(&intid), "interrupt {intid} is done and was not taken");
    }

    /// Nothing pending or active.
    pub fn idle(&self) -> bool {
        self.pending.is_empty() && self.active.is_empty()
    }
}
