//! Operations as scenarios use them, with what must hold after each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use baton::cpu::{CpuId, CpuMask};
use baton::hotplug::{TeardownOutcome, Way};
use baton::interrupt::Interrupt;
use baton::irq::{AffinityKind, Handled, Here, Irq, Row, Wanted};
use baton::pmu::{PmuError, Request};
use baton::report::{BringupPolicy, TeardownMode};
use baton::trace::{Dir, StepId};

use super::{Cpu, Random, Sim};

pub const POLICIES: [BringupPolicy; 3] =
    [BringupPolicy::Serial, BringupPolicy::Parallel, BringupPolicy::Fanout];
pub const MODES: [TeardownMode; 2] = [TeardownMode::Serial, TeardownMode::Parallel];

/// How often each of some things happened.
#[derive(Clone)]
pub struct Tally(Arc<Vec<AtomicU64>>);

impl Tally {
    pub fn new(n: usize) -> Self {
        Self(Arc::new((0..n).map(|_| AtomicU64::new(0)).collect()))
    }

    pub fn count(&self, i: usize) {
        self.0[i].fetch_add(1, Relaxed);
    }

    pub fn get(&self, i: usize) -> u64 {
        self.0[i].load(Relaxed)
    }

    pub fn all(&self) -> Vec<u64> {
        (0..self.0.len()).map(|i| self.get(i)).collect()
    }

    /// Each exactly once.
    pub fn each_once(&self) {
        let bad: Vec<_> = self.all().into_iter().enumerate().filter(|(_, n)| *n != 1).collect();
        assert!(bad.is_empty(), "not once (which, how often): {bad:?}");
    }
}

impl Sim {
    /// Everybody comes.
    pub fn up(&self, m: &Cpu<'_>, policy: BringupPolicy) {
        let outcome = self.hp.bring_up(m, &self.aps(), policy);
        assert_eq!(outcome.failed, []);
        self.whole(m);
    }

    pub fn down(&self, m: &Cpu<'_>, cpus: &CpuMask, way: impl Into<Way>) -> TeardownOutcome {
        let way = way.into();
        self.set_serial(way.mode == TeardownMode::Serial);
        let outcome = self.hp.tear_down(m, cpus, way);
        self.set_serial(false);
        self.truth();
        outcome
    }

    /// They go, and nothing is said about it.
    pub fn gone(&self, m: &Cpu<'_>, cpus: &CpuMask, way: impl Into<Way>) -> TeardownOutcome {
        let outcome = self.down(m, cpus, way);
        assert_eq!((outcome.off, &outcome.stuck, &outcome.noted), (*cpus, &vec![], &vec![]));
        assert_eq!(self.view(m), self.hp.online());
        outcome
    }

    /// Who is online is what everybody sees, and their request words are empty.
    pub fn whole(&self, m: &Cpu<'_>) {
        self.truth();
        assert_eq!(self.view(m), self.hp.online(), "the view");
    }

    /// The online view, as the calling CPU reads it.
    pub fn view(&self, m: &Cpu<'_>) -> CpuMask {
        *self.hp.online_view(&self.services.rcu.read(m.id))
    }

    /// A random set of APs, never empty.
    pub fn subset(&self, random: &mut Random) -> CpuMask {
        let of = 1 + random.below(4);
        let mut cpus: CpuMask = self.aps().iter().filter(|_| random.below(4) < of).collect();
        cpus.insert(self.ap(random.below(self.aps().len() as u64) as usize));
        cpus
    }

    /// Asks for an interrupt that software sends; its action counts in `tally`.
    pub fn ask_for(
        &self,
        m: &Cpu<'_>,
        intid: u32,
        cpus: CpuMask,
        kind: AffinityKind,
        tally: &Tally,
        i: usize,
    ) {
        let tally = tally.clone();
        self.ask(m, Interrupt::edge(intid), cpus, kind, move |irq| {
            irq.machine.now(); // others run, and time passes
            tally.count(i);
            Handled::Yes
        });
    }

    pub fn ask(
        &self,
        m: &Cpu<'_>,
        interrupt: Interrupt,
        affinity: CpuMask,
        kind: AffinityKind,
        action: impl Fn(&Irq<'_>) -> Handled + Send + Sync + 'static,
    ) {
        let online = self.hp.everybody_stays();
        let here = Here { machine: m, cpu: m.id, rcu: &self.services.rcu, online: &online };
        let (name, action) = (format!("device {}", interrupt.intid), Box::new(action));
        let wanted = Wanted { interrupt, name, affinity, kind, action };
        self.services.irqs.request(&here, wanted).unwrap();
    }

    /// Asks for the overflow interrupts of all clusters.
    pub fn ask_for_clusters(self: &Arc<Self>, m: &Cpu<'_>) {
        for (number, info) in self.services.pmu.info().into_iter().enumerate() {
            let sim = Arc::downgrade(self);
            self.ask(
                m,
                Interrupt::level(info.intid),
                info.cpus,
                AffinityKind::Managed,
                move |irq| {
                    let sim = sim.upgrade().expect("a machine that runs");
                    let had = sim.services.pmu.overflow(irq.machine, number, irq.cpu);
                    if had { Handled::Yes } else { Handled::No }
                },
            );
        }
    }

    /// These interrupts come at random from now on, one in so many calls; none with `None`.
    pub fn rain(&self, rain: Option<(u64, Vec<u32>)>) {
        self.state().spis.set_rain(rain);
    }

    /// How often an interrupt was sent.
    pub fn sent(&self, intid: u32) -> u64 {
        self.state().spis.sent(intid)
    }

    /// How many of those sent are not handled yet: pending, or under way.
    pub fn waits(&self, intid: u32) -> u64 {
        self.state().spis.waits(intid)
    }

    /// How many interrupts were taken by a CPU that they did not go to any more.
    pub fn late(&self) -> u64 {
        self.state().spis.late()
    }

    /// True if nothing is pending or active.
    pub fn dry(&self) -> bool {
        self.state().spis.idle()
    }

    /// Where it goes, and whether it is enabled.
    pub fn route(&self, intid: u32) -> (CpuId, bool) {
        self.state().spis.routes[&intid]
    }

    pub fn row(&self, intid: u32) -> Row {
        self.services.irqs.rows().into_iter().find(|row| row.intid == intid).unwrap()
    }

    /// Lets one CPU at a time into a step, and watches that; or lets that be.
    pub fn set_exclusive(&self, step: StepId, on: bool) {
        self.hp.set_exclusive(step, on);
        let rules = &mut self.state().rules;
        let bit = 1 << step.0;
        rules.exclusive = if on { rules.exclusive | bit } else { rules.exclusive & !bit };
        rules.together = 0;
    }

    /// The most CPUs that were in one step at a time since that was said.
    pub fn most_together(&self) -> usize {
        self.state().rules.together
    }

    /// The CPU stops for good when it begins this step.
    pub fn lose_in(&self, cpu: CpuId, step: StepId, dir: Dir) {
        self.faults(cpu, |f| f.lose_in = Some((step, dir)));
    }

    /// Asks a cluster, from the boot CPU.
    pub fn pmu(&self, m: &Cpu<'_>, cluster: usize, request: Request) -> Result<u64, PmuError> {
        use baton::machine::{Clock, Ipi};
        let deadline = m.now() + m.ticks_from_ms(super::TIMEOUT_MS);
        self.services.pmu.ask(m, m.id, cluster, request, &mut |owner| {
            m.wake(&CpuMask::from_iter([owner]));
            let now = m.now();
            self.services.idle(m, m.id, Some(now + 50_000));
            now < deadline
        })
    }

    /// How many of an event there were while a cluster counted, and whether it counts now.
    pub fn counted(&self, cluster: usize, event: u16) -> (u64, bool) {
        let mut state = self.state();
        let now = state.now;
        let cluster = &mut state.clusters[cluster];
        (cluster.counted(event, now), cluster.counting())
    }
}
