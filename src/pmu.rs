//! The driver of the DSU's performance monitors: one instance per cluster of CPUs (device tree
//! binding `arm,dsu-pmu`; Arm DSU TRM, chapter "PMU").
//!
//! - `owner`: which CPU of the cluster answers for the cluster. One word; leaving, arriving and
//!   taking over are each one read-modify-write of that word, and a next owner is a
//!   [`Target`](crate::cpu::Target).
//! - `counters`: open events, totals of 64 bits, and the registers.
//! - `gate`: one CPU at a time at the registers, and no CPU waits: a CPU that finds the gate held
//!   leaves a reason, and the holder acts on that reason before the gate is free. So a leaving CPU
//!   never waits for another CPU, an interrupt handler never waits for the code that it interrupts,
//!   and nothing is masked.
//! - `mail`: requests from CPUs outside the cluster, where the registers can't be reached.
//! - [`model`]: the registers as a value, for cores without a DSU and for tests.
//!
//! The registers belong to the cluster, not to its owner: when a CPU takes over from another, the
//! counters just go on. The counters stop when an owner leaves and no CPU of the cluster stays; on
//! a machine with two CPUs a cluster, that happens to all clusters but one at a kexec. Totals stay,
//! and the next CPU that comes online goes on from there.
//!
//! The overflow interrupt may be taken by any CPU of the cluster, owner or not: this interrupt is
//! routed like every shared interrupt, with the cluster's CPUs as its affinity.
//!
//! Lock order: the gate is innermost; nothing is locked, allocated or waited for inside.

mod cluster;
mod counters;
mod error;
pub mod events;
mod gate;
mod mail;
pub mod model;
mod owner;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::cpu::{CpuId, CpuMask, Survivors};
use crate::machine::pmu::ClusterPmu;
use crate::platform;
use cluster::PmuCluster;
pub use error::PmuError;
pub use mail::Request;
use mail::{Answer, Posted, Refusal};
pub use owner::PmuLeft;

/// The PMUs of all clusters.
pub struct Pmu {
    clusters: Box<[PmuCluster]>,
    /// By CPU: the CPU's cluster and index there. `None` for a CPU whose cluster has no PMU. Does
    /// not change, so any CPU may read.
    places: Box<[Option<ClusterPlace>]>,
}

#[derive(Clone, Copy)]
struct ClusterPlace {
    cluster: u16,
    index: u8,
}

/// A cluster, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterInfo {
    /// The cluster's number on the console.
    pub number: usize,
    /// Name of the node in the device tree.
    pub name: String,
    /// The cluster's CPUs.
    pub cpus: CpuMask,
    /// The CPUs of the cluster that are online.
    pub present: CpuMask,
    /// The CPU that answers for the cluster; `None` if no CPU of the cluster is online.
    pub owner: Option<CpuId>,
    /// The overflow interrupt.
    pub intid: u32,
    /// True if the registers are emulated.
    pub emulated: bool,
    /// Event counters beside the cycle counter; `None` as long as no CPU of the cluster has been
    /// online.
    pub counters: Option<u32>,
    /// Events below 0x40 that the cluster can count, one bit each.
    pub has: u64,
    /// False while the counters are stopped: totals stand still.
    pub counting: bool,
    /// Overflows that were added to a total.
    pub overflows: u64,
    /// What is being counted.
    pub events: Vec<EventInfo>,
}

/// An event that is being counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventInfo {
    /// Its number.
    pub event: u16,
    /// The event's name, if there is one here.
    pub name: Option<&'static str>,
    /// The total as of the last look at the registers; [`Request::Read`] is such a look.
    pub total: u64,
}

impl Pmu {
    /// For the clusters of the machine, none of which has an owner yet. A CPU that is named
    /// twice belongs to the first cluster that names the CPU; of a cluster the first 16 CPUs count.
    pub fn new(clusters: &[platform::Cluster]) -> Self {
        let clusters: Box<[PmuCluster]> = clusters.iter().map(PmuCluster::new).collect();
        let last = clusters.iter().flat_map(|c| c.cpus()).map(|cpu| cpu.index() + 1).max();
        let mut places: Box<[Option<ClusterPlace>]> =
            (0..last.unwrap_or(0)).map(|_| None).collect();
        for (number, cluster) in clusters.iter().enumerate() {
            for (index, cpu) in cluster.cpus().iter().enumerate() {
                places[cpu.index()]
                    .get_or_insert(ClusterPlace { cluster: number as u16, index: index as u8 });
            }
        }
        Self { clusters, places }
    }

    /// How many clusters there are.
    pub fn clusters(&self) -> usize {
        self.clusters.len()
    }

    /// The cluster that a CPU belongs to.
    pub fn cluster_of(&self, cpu: CpuId) -> Option<usize> {
        self.places.get(cpu.index())?.map(|place| usize::from(place.cluster))
    }

    /// The CPU that answers for a cluster.
    pub fn owner(&self, cluster: usize) -> Option<CpuId> {
        self.clusters.get(cluster)?.owner()
    }

    /// The calling CPU comes online. True if this call made the CPU the owner of its cluster; the
    /// open events count then. For a CPU that is present already nothing changes, except that a
    /// vacancy is filled: so this may be called again after an operation that was called off.
    pub fn cpu_online(&self, m: &dyn ClusterPmu, cpu: CpuId) -> bool {
        self.place(cpu).is_some_and(|(cluster, index)| cluster.arrive(m, index))
    }

    /// The calling CPU leaves. Never waits; for all but an owner one read-modify-write. If no CPU
    /// takes the cluster over, this CPU stops the counters; or, if another CPU of the cluster holds
    /// the gate, that holder does, before it can leave itself.
    pub fn cpu_leaving(&self, m: &dyn ClusterPmu, cpu: CpuId, survivors: &Survivors) -> PmuLeft {
        let place = self.place(cpu);
        place.map_or(PmuLeft::Bystander, |(cluster, index)| cluster.leave(m, index, survivors))
    }

    /// Takes a CPU out that is off or parked without having left. If that CPU was the last of its
    /// cluster, the counts since the last look are lost. Boot CPU, once the CPU is known to be off
    /// or parked.
    pub fn forget(&self, cpu: CpuId, survivors: &Survivors) -> PmuLeft {
        let place = self.place(cpu);
        place.map_or(PmuLeft::Bystander, |(cluster, index)| cluster.forget(index, survivors))
    }

    /// The overflow interrupt of a cluster, taken by `cpu`, in its handler. False if that CPU does
    /// not belong to the cluster: the registers are out of its reach, and the line stays up.
    pub fn overflow(&self, m: &dyn ClusterPmu, cluster: usize, cpu: CpuId) -> bool {
        if self.cluster_of(cpu) != Some(cluster) {
            return false;
        }
        self.clusters[cluster].overflow(m);
        true
    }

    /// Carries out a request that waits for the calling CPU's cluster; one load if there is none.
    /// Online CPUs, in ordinary context: from the work loop, or while this CPU waits for an answer
    /// itself.
    pub fn serve(&self, m: &dyn ClusterPmu, cpu: CpuId) {
        if let Some((cluster, _)) = self.place(cpu) {
            cluster.serve(m);
        }
    }

    /// Asks a cluster, from any CPU in ordinary context; returns the total of the event, 0 for
    /// [`Request::Read`]. While the answer is not there, `pause` is called with the owner: `pause`
    /// makes that CPU call [`Pmu::serve`], sleeps a little, and returns false when the deadline has
    /// passed.
    ///
    /// # Errors
    /// The request makes no sense there, or no CPU of the cluster answers; nothing is changed,
    /// except in the case that [`PmuError::Silent`] names.
    pub fn ask(
        &self,
        m: &dyn ClusterPmu,
        me: CpuId,
        cluster: usize,
        request: Request,
        pause: &mut dyn FnMut(CpuId) -> bool,
    ) -> Result<u64, PmuError> {
        let no_cluster = PmuError::NoCluster { asked: cluster, clusters: self.clusters() };
        let unit = self.clusters.get(cluster).ok_or(no_cluster)?;
        if matches!(request, Request::Open(events::CHAIN)) {
            return Err(PmuError::Chain);
        }
        // Before posting: a cluster without an owner answers no request.
        self.stopped(cluster)?;
        let posted = unit.mail.post(request).ok_or(PmuError::Busy { cluster })?;
        let answer = self.wait(m, me, cluster, posted, pause)?;
        answer
            .map(|place| answered(unit, request, place))
            .map_err(|no| refused(no, cluster, unit, request))
    }

    /// What is known of all clusters.
    pub fn info(&self) -> Vec<ClusterInfo> {
        self.clusters.iter().enumerate().map(|(number, cluster)| cluster.info(number)).collect()
    }

    fn place(&self, cpu: CpuId) -> Option<(&PmuCluster, u32)> {
        let place = (*self.places.get(cpu.index())?)?;
        Some((self.clusters.get(usize::from(place.cluster))?, u32::from(place.index)))
    }

    fn stopped(&self, cluster: usize) -> Result<CpuId, PmuError> {
        let unit = &self.clusters[cluster];
        let cpus = unit.cpus().iter().copied().collect();
        unit.owner().ok_or(PmuError::Stopped { cluster, cpus })
    }

    fn wait(
        &self,
        m: &dyn ClusterPmu,
        me: CpuId,
        cluster: usize,
        posted: Posted,
        pause: &mut dyn FnMut(CpuId) -> bool,
    ) -> Result<Answer, PmuError> {
        let mail = &self.clusters[cluster].mail;
        loop {
            // A CPU of the cluster answers itself: the owner may be this very CPU.
            if self.cluster_of(me) == Some(cluster) {
                self.serve(m, me);
            }
            if let Some(answer) = mail.collect(posted) {
                return Ok(answer);
            }
            // The owner may change while this waits, so the new one is told each time.
            let missing = match self.stopped(cluster) {
                Ok(owner) if pause(owner) => continue,
                Ok(owner) => PmuError::Silent { cluster, owner, begun: false },
                Err(stopped) => stopped,
            };
            return self.give_up(cluster, posted, missing);
        }
    }

    /// The deadline has passed, or no CPU of the cluster is online: takes the request back, unless
    /// the answer has come at the last moment.
    fn give_up(
        &self,
        cluster: usize,
        posted: Posted,
        missing: PmuError,
    ) -> Result<Answer, PmuError> {
        let mail = &self.clusters[cluster].mail;
        if let Some(answer) = mail.collect(posted) {
            return Ok(answer);
        }
        match (mail.withdraw(posted), missing) {
            // Not withdrawn: a CPU has begun, and will carry the request out.
            (false, PmuError::Silent { owner, .. }) => {
                Err(PmuError::Silent { cluster, owner, begun: true })
            }
            (_, missing) => Err(missing),
        }
    }
}

/// What the asking CPU gets of an answer. The total was brought up to now inside the gate, and the
/// mail has published it.
fn answered(unit: &PmuCluster, request: Request, place: u8) -> u64 {
    match request {
        Request::Read => 0,
        Request::Open(_) | Request::Close(_) => unit.counters.total(place),
    }
}

fn refused(refusal: Refusal, cluster: usize, unit: &PmuCluster, request: Request) -> PmuError {
    let (Request::Open(event) | Request::Close(event)) = request else {
        return PmuError::Busy { cluster }; // a read is never refused
    };
    match refusal {
        Refusal::NoEvent => PmuError::NoEvent { cluster, event, has: unit.counters.has() },
        Refusal::Full => {
            PmuError::Full { cluster, counters: unit.counters.size().unwrap_or_default() }
        }
        Refusal::AlreadyOpen => PmuError::AlreadyOpen { cluster, event },
        Refusal::NotOpen => PmuError::NotOpen { cluster, event },
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
