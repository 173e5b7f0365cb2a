//! What lives on CPUs and has to leave them: the subsystems that the steps act on.

use super::Hotplug;
use crate::cpu::{CpuId, Topology};
use crate::irq::Irqs;
use crate::machine::Machine;
use crate::platform::Cluster;
use crate::pmu::Pmu;
use crate::rcu::Rcu;
use crate::timer::Timers;
use crate::work::Work;

/// One of each, for all CPUs.
pub struct Subsystems {
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

impl Subsystems {
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

impl Hotplug {
    /// One round of a CPU that has nothing else to do: what is due, then sleep until something is.
    /// The CPU itself, in ordinary context, no read side open.
    pub fn breathe(&self, m: &dyn Machine, cpu: CpuId) {
        self.breathe_with(m, cpu, |deadline| m.wait(deadline));
    }

    /// [`Self::breathe`], with a way to sleep of the caller's.
    pub(super) fn breathe_with(
        &self,
        m: &dyn Machine,
        cpu: CpuId,
        sleep: impl FnOnce(Option<u64>),
    ) {
        let ran = self.run_due(m, cpu);
        let parts = &self.parts;
        // What ran may have slept, and taken the kick of somebody who wants something else of this
        // CPU: then the caller looks for that before there is another sleep.
        if ran == 0 && parts.work.is_empty(cpu) {
            let deadlines = [parts.timers.next(cpu), parts.rcu.next_wake(m, cpu)];
            self.idle_with(cpu, || sleep(deadlines.into_iter().flatten().min()));
        }
    }

    /// Timers, work, callbacks and requests to the cluster of a CPU that are due; how many of the
    /// first three have run. The CPU itself, in ordinary context; a quiescent state.
    pub fn run_due(&self, m: &dyn Machine, cpu: CpuId) -> usize {
        let parts = &self.parts;
        // Or a CPU that always has something to do would never be idle, and pass for a reader.
        parts.rcu.quiescent(cpu);
        let timers = parts.timers.run_due(m, cpu);
        let items = parts.work.run(m, cpu);
        let callbacks = parts.rcu.run_ready(m, cpu);
        parts.pmu.serve(m, cpu);
        timers + items + callbacks
    }

    /// [`wait`](crate::machine::Clock::wait), and nobody waits for this CPU's read sides meanwhile.
    /// The CPU itself, in ordinary context, no read side open.
    pub fn idle(&self, m: &dyn Machine, cpu: CpuId, deadline: Option<u64>) {
        self.idle_with(cpu, || m.wait(deadline));
    }

    fn idle_with(&self, cpu: CpuId, sleep: impl FnOnce()) {
        let entered = self.parts.rcu.idle_enter(cpu);
        sleep();
        if entered {
            self.parts.rcu.idle_exit(cpu);
        }
    }
}
