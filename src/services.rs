//! The services that keep state per CPU, which has to move when a CPU leaves, and what a CPU does
//! when there is nothing else to do.
//!
//! Hotplug's steps act on these; interrupts and the CPUs' own loops reach them without hotplug.

mod idle;

use crate::cpu::Topology;
use crate::irq::Irqs;
use crate::platform::Cluster;
use crate::pmu::Pmu;
use crate::rcu::Rcu;
use crate::timer::Timers;
use crate::work::Work;

/// One of each, for all CPUs of a machine.
pub struct Services {
    /// Grace periods and callbacks.
    pub rcu: Rcu,
    /// Per-CPU timers.
    pub timers: Timers,
    /// Per-CPU work.
    pub work: Work,
    /// Performance monitors of the clusters.
    pub pmu: Pmu,
    /// Shared interrupts.
    pub irqs: Irqs,
}

impl Services {
    /// For the CPUs of `topology`, of which the boot CPU runs, and their clusters.
    pub fn new(topology: &Topology, clusters: &[Cluster]) -> Self {
        let (cpus, boot) = (topology.len(), topology.boot());
        Self {
            rcu: Rcu::new(cpus),
            timers: Timers::new(cpus, boot),
            work: Work::new(cpus, boot),
            pmu: Pmu::new(clusters),
            irqs: Irqs::default(),
        }
    }
}
