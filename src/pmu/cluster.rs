//! One cluster: the owner, the counters, and the gate to the counters.
//!
//! Every event (a CPU comes or goes, an overflow, a request) is first noted in a word that needs no
//! lock: the owner word, the overflow flags of the hardware, the mail. Then the CPU goes to the
//! gate with the reason. The CPU that is inside, this one or another, compares what the words say
//! with what the registers do, and makes the two agree (`PmuCluster::act`). So it does not matter
//! in which order events come, nor which CPU acts on them.
//!
//! A leaving CPU that leaves its reason to the holder may go at once. The holder is a CPU of the
//! cluster inside the gate, and acts before it leaves the gate, so before it can leave itself.

use alloc::string::String;
use alloc::vec::Vec;

use super::counters::Counters;
use super::events;
use super::gate::{Gate, GateReason};
use super::mail::{Mail, Request};
use super::owner::{Arrival, CPUS, PmuLeft, PmuOwner};
use super::{ClusterInfo, EventInfo};
use crate::cpu::{CpuId, CpuMask, Survivors, Target};
use crate::machine::pmu::{ClusterPmu, PmuReg};
use crate::platform;

/// On cache lines of its own, because CPUs of other clusters leave at the same time.
#[repr(align(128))]
pub(super) struct PmuCluster {
    /// Which CPUs are present, and which one answers for the cluster.
    owner: PmuOwner,
    /// To the registers, and to `counters`.
    gate: Gate,
    /// Requests from any CPU.
    pub(super) mail: Mail,
    /// Changed inside the gate only.
    pub(super) counters: Counters,
    /// By index: an index is a CPU's bit in the owner word.
    cpus: Vec<CpuId>,
    intid: u32,
    name: String,
}

impl PmuCluster {
    pub(super) fn new(cluster: &platform::Cluster) -> Self {
        Self {
            owner: PmuOwner::default(),
            gate: Gate::default(),
            mail: Mail::default(),
            counters: Counters::default(),
            cpus: cluster.cpus.iter().take(CPUS).collect(),
            intid: cluster.interrupt.intid,
            name: cluster.name.clone(),
        }
    }

    pub(super) fn cpus(&self) -> &[CpuId] {
        &self.cpus
    }

    pub(super) fn owner(&self) -> Option<CpuId> {
        self.owner.get().and_then(|index| self.cpus.get(index as usize).copied())
    }

    /// The CPU with this index comes. True if this made that CPU the owner.
    pub(super) fn arrive(&self, m: &dyn ClusterPmu, index: u32) -> bool {
        // The owner word first: the holder of the gate may act on the change before this CPU gets
        // there.
        let reason = match self.owner.arrive(index) {
            Arrival::Joined => return false,
            Arrival::Took => GateReason::OWNER,
            Arrival::TookLost => GateReason::ANEW,
        };
        self.settle(m, reason);
        true
    }

    /// The CPU with this index goes.
    pub(super) fn leave(&self, m: &dyn ClusterPmu, index: u32, survivors: &Survivors) -> PmuLeft {
        // If the cluster was passed on, the registers go on as they are: nothing to settle.
        let left = self.owner.leave(index, &|i| self.stays(i, survivors));
        if left == PmuLeft::Vacant {
            self.settle(m, GateReason::OWNER);
        }
        left
    }

    /// The CPU with this index is gone without having left.
    pub(super) fn forget(&self, index: u32, survivors: &Survivors) -> PmuLeft {
        if self.owner.present() >> index & 1 == 0 {
            return PmuLeft::Bystander; // that CPU has left
        }
        self.owner.forget(index, &|i| self.stays(i, survivors))
    }

    /// Handles overflows, in an interrupt handler of a CPU of the cluster.
    pub(super) fn overflow(&self, m: &dyn ClusterPmu) {
        if self.settle(m, GateReason::OVERFLOW) {
            return;
        }
        // The holder may be the very code that this handler interrupts, and the line is a level
        // that must drop before the handler returns. The register written here needs no gate: a
        // write clears the bits that are ones and nothing else. The second entry comes after the
        // write, so the CPU that acts on HUSHED, the holder or this one, turns the interrupts on
        // again.
        m.pmu_write(PmuReg::InterruptsOff, u64::from(u32::MAX));
        self.settle(m, GateReason::HUSHED);
    }

    /// Carries out the waiting request, if there is one. On a CPU of the cluster.
    pub(super) fn serve(&self, m: &dyn ClusterPmu) {
        if self.mail.waiting() {
            self.settle(m, GateReason::MAIL);
        }
    }

    /// Makes the registers agree with the owner, counts overflows and answers the mail: done by
    /// this CPU, or (false) by the CPU that holds the gate.
    fn settle(&self, m: &dyn ClusterPmu, reason: GateReason) -> bool {
        self.gate.enter(reason, |reason| self.act(m, reason))
    }

    /// Inside the gate: makes the registers agree with the owner word, then answers the mail. What
    /// is to be done follows from owner and registers; the reason only adds what these don't show.
    fn act(&self, m: &dyn ClusterPmu, reason: GateReason) {
        let counters = &self.counters;
        if reason.has(GateReason::ANEW) {
            counters.begin_anew(m);
        }
        match (self.owner.get().is_some(), counters.running()) {
            (true, false) => counters.start(m),
            (false, true) => counters.stop(m),
            (true, true) => self.go_on(m, reason),
            (false, false) => return,
        }
        // A request needs registers that are set up. Without an owner it stays in the mail: the
        // poster withdraws it, or the next owner answers.
        if counters.running() {
            self.mail.serve(|request| match request {
                Request::Open(event) => counters.open(m, event),
                Request::Close(event) => counters.close(m, event),
                Request::Read => {
                    counters.fold(m);
                    Ok(0)
                }
            });
        }
    }

    /// The owner has not changed. After HUSHED the interrupts are turned on again, behind the fold:
    /// the flags that kept the line up are clear by then.
    fn go_on(&self, m: &dyn ClusterPmu, reason: GateReason) {
        if reason.has(GateReason::OVERFLOW) || reason.has(GateReason::HUSHED) {
            self.counters.fold(m);
        }
        if reason.has(GateReason::HUSHED) {
            self.counters.rearm(m);
        }
    }

    /// The CPU with this index as a target, if it stays. A CPU that came up after the survivors
    /// were frozen is not among these, and is not leaving either.
    fn stays(&self, index: u32, survivors: &Survivors) -> Option<Target> {
        let cpu = *self.cpus.get(index as usize)?;
        survivors.stays(cpu).or_else(|| survivors.newcomer(cpu))
    }

    pub(super) fn info(&self, number: usize) -> ClusterInfo {
        let at = |mask: u32| {
            let present = move |(i, _): &(usize, &CpuId)| mask >> i & 1 == 1;
            self.cpus.iter().enumerate().filter(present).map(|(_, &cpu)| cpu).collect::<CpuMask>()
        };
        let counters = &self.counters;
        let event = |(event, total)| EventInfo { event, name: events::name(event), total };
        ClusterInfo {
            number,
            name: self.name.clone(),
            cpus: self.cpus.iter().copied().collect(),
            present: at(self.owner.present()),
            owner: self.owner(),
            intid: self.intid,
            emulated: counters.emulated(),
            counters: counters.size(),
            has: counters.has(),
            counting: counters.running(),
            overflows: counters.overflows(),
            events: counters.events().map(event).collect(),
        }
    }
}
