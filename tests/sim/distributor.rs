//! The simulated distributor: which shared interrupts are pending, active, enabled, how they are
//! triggered and where they go. It is that of the architecture, or KVM's virtual one, which differs
//! where doc/gic-under-kvm.md says so.

use std::collections::{BTreeMap, BTreeSet};

use baton::cpu::CpuId;
use baton::interrupt::{Interrupt, Trigger};
use baton::machine::irq::Status;

/// Whose distributor it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Controller {
    /// As IHI 0069 has it: an interrupt whose disabling has taken comes to no CPU, and one that is
    /// made pending again while it is active comes again.
    Architecture,
    /// KVM's. A CPU that runs has what it can take in list registers, and takes it from there even if
    /// it has been disabled or routed elsewhere since; there is nothing to wait for (RWP is never
    /// set). What a CPU has not taken goes back when it stops running for a moment. And a level that
    /// software made pending is not pending any more when its handler has ended, whoever made it
    /// pending meanwhile.
    Kvm,
}

/// What a line or a write can make of an interrupt.
pub struct Distributor {
    controller: Controller,
    /// Where each interrupt goes, and whether it is enabled.
    pub routes: BTreeMap<u32, (CpuId, bool)>,
    triggers: BTreeMap<u32, Trigger>,
    pending: BTreeSet<u32>,
    /// In a list register of a CPU, and not taken. One of KVM's interrupts is at one CPU at a time.
    listed: BTreeMap<u32, CpuId>,
    /// Taken and not done with: nobody takes it a second time meanwhile.
    active: BTreeSet<u32>,
    /// How often each became pending that was not: a GIC counts no further.
    sent: BTreeMap<u32, u64>,
    /// Taken from a list register although they were disabled or routed elsewhere by then.
    late: u64,
    /// These come at random, each call of any CPU with a chance of one in so many.
    rain: Option<(u64, Vec<u32>)>,
    /// Lines that are up stay pending, and are not counted.
    levels: BTreeSet<u32>,
}

impl Distributor {
    pub fn new(controller: Controller) -> Self {
        Self {
            controller,
            routes: BTreeMap::new(),
            triggers: BTreeMap::new(),
            pending: BTreeSet::new(),
            listed: BTreeMap::new(),
            active: BTreeSet::new(),
            sent: BTreeMap::new(),
            late: 0,
            rain: None,
            levels: BTreeSet::new(),
        }
    }

    /// Sets the trigger. What becomes of one that is pending or enabled then, the architecture does
    /// not say.
    pub fn configure(&mut self, interrupt: Interrupt) {
        let Interrupt { intid, trigger } = interrupt;
        let status = self.status_of(intid);
        assert!(!status.enabled, "the trigger of {intid} changes, and it is enabled");
        let quiet = !status.pending && !status.active;
        let was = self.triggers.insert(intid, trigger);
        assert!(quiet || was == Some(trigger), "the trigger of {intid} changes: {status}");
    }

    pub fn is_configured(&self, intid: u32) -> bool {
        self.triggers.contains_key(&intid)
    }

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
            trigger: self.trigger(intid),
        }
    }

    fn trigger(&self, intid: u32) -> Trigger {
        self.triggers.get(&intid).copied().unwrap_or_default()
    }

    /// Sent and not done with.
    pub fn waits(&self, intid: u32) -> u64 {
        let one = |has: bool| u64::from(has);
        let edge_listed = self.listed.contains_key(&intid) && self.trigger(intid) == Trigger::Edge;
        one(self.pending.contains(&intid)) + one(edge_listed) + one(self.active.contains(&intid))
    }

    /// How often it was sent, beside what its line did.
    pub fn sent(&self, intid: u32) -> u64 {
        self.sent.get(&intid).copied().unwrap_or(0)
    }

    /// How many were taken by a CPU that they did not go to any more, or after they were disabled.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// CPUs that are to take something now.
    pub fn wanted(&self) -> impl Iterator<Item = (u32, CpuId)> + '_ {
        let listed = self.listed.iter().map(|(intid, cpu)| (*intid, *cpu));
        listed.filter(|(intid, _)| !self.active.contains(intid)).chain(self.forwarded())
    }

    /// What goes to a CPU by its route, and is in no list register.
    fn forwarded(&self) -> impl Iterator<Item = (u32, CpuId)> + '_ {
        let all = self.pending.union(&self.levels);
        all.filter_map(|intid| {
            let &(cpu, enabled) = self.routes.get(intid)?;
            let held = self.active.contains(intid) || self.listed.contains_key(intid);
            (enabled && !held).then_some((*intid, cpu))
        })
    }

    /// The CPU stops running for a moment: what it has not taken goes back, and what goes to it now is
    /// in its list registers when it runs on. Only KVM's has any.
    pub fn exit(&mut self, cpu: CpuId, runs_on: bool) {
        if self.controller != Controller::Kvm {
            return;
        }
        self.give_back(cpu);
        if runs_on {
            let mine: Vec<u32> =
                self.forwarded().filter(|(_, to)| *to == cpu).map(|(intid, _)| intid).collect();
            mine.into_iter().for_each(|intid| self.list(intid, cpu));
        }
    }

    fn list(&mut self, intid: u32, cpu: CpuId) {
        self.listed.insert(intid, cpu);
        if self.trigger(intid) == Trigger::Edge {
            self.pending.remove(&intid);
        }
    }

    fn give_back(&mut self, cpu: CpuId) {
        let mine: Vec<u32> =
            self.listed.iter().filter(|(_, at)| **at == cpu).map(|(intid, _)| *intid).collect();
        for intid in mine {
            self.listed.remove(&intid);
            if self.trigger(intid) == Trigger::Edge && !self.pending.insert(intid) {
                // It was sent once more meanwhile, and both are one now.
                *self.sent.entry(intid).or_default() -= 1;
            }
        }
    }

    /// The interrupt that this CPU takes now: active from here on. And whether the distributor would
    /// still send it there.
    pub fn acknowledge(&mut self, cpu: CpuId) -> Option<(u32, bool)> {
        let (intid, _) = self.wanted().find(|(_, to)| *to == cpu)?;
        let goes_here = self.routes.get(&intid) == Some(&(cpu, true));
        self.late += u64::from(!goes_here);
        let listed = self.listed.remove(&intid).is_some();
        if !listed && (self.controller, self.trigger(intid)) != (Controller::Kvm, Trigger::Level) {
            self.pending.remove(&intid);
        }
        self.active.insert(intid);
        Some((intid, goes_here))
    }

    pub fn done(&mut self, intid: u32) {
        assert!(self.active.remove(&intid), "interrupt {intid} is done and was not taken");
        if (self.controller, self.trigger(intid)) == (Controller::Kvm, Trigger::Level) {
            self.pending.remove(&intid);
        }
    }

    /// Nothing pending or active.
    pub fn idle(&self) -> bool {
        self.pending.is_empty() && self.listed.is_empty() && self.active.is_empty()
    }
}
