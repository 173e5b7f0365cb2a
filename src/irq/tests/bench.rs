//! A distributor with a few registers, and as much of the rest of a machine as the tests need.

extern crate std;

use std::boxed::Box;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::vec::Vec;

use crate::cpu::{CpuId, CpuMask, Survivors};
use crate::interrupt::Interrupt;
use crate::irq::{AffinityKind, Handled, Here, Irq, IrqError, Irqs, Wanted};
use crate::machine::irq::Private;
use crate::machine::pmu::{ClusterPmu, PmuReg};
use crate::machine::{
    Affinity, Clock, CpuMemory, Ipi, IrqChip, Local, Power, PsciError, Recorder, Route, RouteError,
    StepError,
};
use crate::rcu::Rcu;
use crate::trace::Event;

/// Interrupt number: the CPU of the route, and whether the interrupt is enabled.
pub type Routes = BTreeMap<u32, (CpuId, bool)>;

#[derive(Default)]
pub struct Bench {
    pub routes: Mutex<Routes>,
    /// The interrupts that were configured, in this order, and whether a route let each through at
    /// that time.
    pub configured: Mutex<Vec<(Interrupt, bool)>>,
    /// The interrupt whose route ignores writes.
    pub stuck: Mutex<Option<u32>>,
    /// Every look at the clock takes a tick.
    now: AtomicU64,
}

impl IrqChip for Bench {
    fn configure(&self, interrupt: Interrupt) {
        let enabled = self.routes.lock().unwrap().get(&interrupt.intid).is_some_and(|r| r.1);
        self.configured.lock().unwrap().push((interrupt, enabled));
    }

    fn apply(&self, routes: &[Route]) -> Result<(), RouteError> {
        let stuck = *self.stuck.lock().unwrap();
        let mut first = Ok(());
        for route in routes {
            let intid = route.intid;
            if stuck == Some(intid) {
                first = first.and(Err(RouteError { intid, is: self.route_of(intid) }));
            } else {
                self.routes.lock().unwrap().insert(intid, (route.to.cpu(), route.enable));
            }
        }
        first
    }

    fn route_of(&self, intid: u32) -> Option<CpuId> {
        self.routes.lock().unwrap().get(&intid).map(|r| r.0)
    }

    fn enable(&self, intid: u32, on: bool) {
        if let Some(route) = self.routes.lock().unwrap().get_mut(&intid) {
            route.1 = on;
        }
    }

    fn pend(&self, _: u32) {}

    fn status_of(&self, _: u32) -> crate::machine::irq::Status {
        crate::machine::irq::Status::default()
    }

    fn private_taken(&self) -> Private {
        Private::default()
    }

    fn lpis_left_on(&self) -> usize {
        0
    }

    fn quiesce(&self) {}
}

impl Clock for Bench {
    fn now(&self) -> u64 {
        self.now.fetch_add(1, Ordering::Relaxed)
    }

    fn hz(&self) -> u64 {
        1_000_000
    }

    fn wait(&self, deadline: Option<u64>) {
        self.now.fetch_max(deadline.unwrap_or(0), Ordering::Relaxed);
    }

    fn look_again(&self, _: &crate::sync::atomic::AtomicU64, _: u64) {}
}

impl Power for Bench {
    fn cpu_on(&self, _: CpuId) -> Result<(), PsciError> {
        Ok(())
    }

    fn affinity_info(&self, _: CpuId) -> Result<Affinity, PsciError> {
        Ok(Affinity::On)
    }
}

impl Ipi for Bench {
    fn wake(&self, _: &CpuMask) {}
}

impl CpuMemory for Bench {
    fn prepare(&self, _: CpuId) -> Result<(), StepError> {
        Ok(())
    }

    fn release(&self, _: CpuId) {}

    fn write_record(&self, _: CpuId, _: u32) {}
}

impl Local for Bench {
    fn check(&self) -> Result<(), StepError> {
        Ok(())
    }

    fn gic_up(&self) -> Result<(), StepError> {
        Ok(())
    }

    fn gic_down(&self) -> Result<(), StepError> {
        Ok(())
    }

    fn timer_up(&self) {}

    fn timer_down(&self) {}

    fn ipi_up(&self) {}

    fn ipi_down(&self) {}

    fn interrupts(&self, _: bool) {}
}

impl ClusterPmu for Bench {
    fn pmu_read(&self, _: PmuReg) -> u64 {
        0
    }

    fn pmu_write(&self, _: PmuReg, _: u64) {}

    fn pmu_emulated(&self) -> bool {
        true
    }
}

impl Recorder for Bench {
    fn record(&self, _: Event) {}
}

/// Interrupts of a machine with so many CPUs, all online.
pub struct Scene {
    pub bench: Bench,
    pub irqs: Irqs,
    pub rcu: Rcu,
    pub online: CpuMask,
}

impl Scene {
    pub fn new(cpus: usize) -> Self {
        let rcu = Rcu::new(cpus);
        let online = CpuMask::first(cpus);
        online.iter().for_each(|cpu| rcu.cpu_starting(cpu));
        Self { bench: Bench::default(), irqs: Irqs::default(), rcu, online }
    }

    pub fn everybody(&self) -> Survivors {
        Survivors::freeze(&self.online, &CpuMask::new())
    }

    pub fn without(&self, leaving: &[u16]) -> Survivors {
        Survivors::freeze(&self.online, &mask(leaving))
    }

    pub fn ask(&self, intid: u32, affinity: &CpuMask, kind: AffinityKind) -> Result<(), IrqError> {
        self.ask_for(intid, affinity, kind, || Handled::Yes)
    }

    pub fn ask_for(
        &self,
        intid: u32,
        affinity: &CpuMask,
        kind: AffinityKind,
        action: impl Fn() -> Handled + Send + Sync + 'static,
    ) -> Result<(), IrqError> {
        let name = std::format!("dev{intid}");
        let action = Box::new(move |_: &Irq<'_>| action());
        let interrupt = Interrupt::level(intid);
        let wanted = Wanted { interrupt, name, affinity: *affinity, kind, action };
        self.here(|here| self.irqs.request(here, wanted))
    }

    pub fn here<R>(&self, body: impl FnOnce(&Here<'_>) -> R) -> R {
        let online = self.everybody();
        body(&Here { machine: &self.bench, cpu: CpuId(0), rcu: &self.rcu, online: &online })
    }

    pub fn leave(&self, survivors: &Survivors) -> Result<(), IrqError> {
        let plan = self.irqs.plan(survivors)?;
        self.irqs.apply(&self.bench, &plan)
    }

    pub fn take(&self, cpu: u16, intid: u32) -> bool {
        self.irqs.handle(&self.rcu, &self.bench, CpuId(cpu), intid)
    }

    pub fn routes(&self) -> Routes {
        self.bench.routes.lock().unwrap().clone()
    }
}

pub fn mask(cpus: &[u16]) -> CpuMask {
    cpus.iter().map(|&cpu| CpuId(cpu)).collect()
}
