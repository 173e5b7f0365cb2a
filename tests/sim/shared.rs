//! Shared interrupts and cluster registers, as one simulated CPU sees them.

use std::sync::MutexGuard;

use baton::cpu::CpuId;
use baton::interrupt::Interrupt;
use baton::machine::irq::{Private, Status};
use baton::machine::pmu::{ClusterPmu, PmuReg};
use baton::machine::{IrqChip, Route, RouteError};
use baton::trace::Mark;

use super::Cpu;
use super::faults::Act;
use super::state::{Power, State};

impl Cpu<'_> {
    /// Takes what is pending for this CPU, if its interrupts are on; true if there was anything.
    pub(super) fn interrupted(&self) -> bool {
        let mut any = false;
        while let Some(intid) = self.acknowledge() {
            any = true;
            let services = &self.sim.services;
            let known = services.irqs.handle(&services.rcu, self, self.id, intid);
            assert!(known, "interrupt {intid} came to cpu {}, and is nobody's", self.id);
            self.done(intid);
        }
        any
    }

    fn acknowledge(&self) -> Option<u32> {
        let mut state = self.sim.state();
        let me = state.cpu(self.id);
        if !me.takes_interrupts() {
            return None;
        }
        let (intid, goes_here) = state.spis.acknowledge(self.id)?;
        state.cpu(self.id).in_handler = true;
        // What KVM has put into its list register, a CPU may take on its way out.
        let may = !goes_here || self.sim.may_take(self.id);
        assert!(may, "interrupt {intid}: cpu {} is leaving", self.id);
        Some(intid)
    }

    fn done(&self, intid: u32) {
        let mut state = self.sim.state();
        state.cpu(self.id).in_handler = false;
        state.spis.done(intid);
        state.lines();
        state.nudge();
    }

    /// Disables them all, with time for what goes on meanwhile, as the wait for the distributor gives
    /// it; then routes and enables.
    fn reroute(&self, routes: &[Route]) -> MutexGuard<'_, State> {
        let mut state = self.call(18);
        self.boot_only(&state);
        for route in routes {
            if let Some(now) = state.spis.routes.get_mut(&route.intid) {
                now.1 = false;
            }
        }
        drop(state);
        self.call(25)
    }
}

impl IrqChip for Cpu<'_> {
    fn configure(&self, interrupt: Interrupt) {
        let mut state = self.call(28);
        self.boot_only(&state);
        state.spis.configure(interrupt);
    }

    fn apply(&self, routes: &[Route]) -> Result<(), RouteError> {
        let mut first = Ok(());
        let was = self.sim.state().spis.routes.clone();
        let mut state = self.reroute(routes);
        for &Route { intid, to, enable } in routes {
            let to = to.cpu();
            assert!(state.spis.is_configured(intid), "interrupt {intid} has no trigger yet");
            assert_eq!(self.sim.hp.mark(to), Mark::Online, "interrupt {intid} goes to cpu {to}");
            if state.cpu(to).faults.take(Act::Route).is_ok() {
                state.spis.routes.insert(intid, (to, enable));
            } else {
                let is = was.get(&intid).copied();
                is.into_iter().for_each(|is| _ = state.spis.routes.insert(intid, is));
                first = first.and(Err(RouteError { intid, is: is.map(|is| is.0) }));
            }
        }
        state.nudge();
        first
    }

    fn route_of(&self, intid: u32) -> Option<CpuId> {
        self.call(19).spis.routes.get(&intid).map(|route| route.0)
    }

    fn enable(&self, intid: u32, on: bool) {
        let mut state = self.call(22);
        if let Some(route) = state.spis.routes.get_mut(&intid) {
            route.1 = on;
        }
        state.nudge();
    }

    fn pend(&self, intid: u32) {
        let mut state = self.call(26);
        state.spis.pend(intid);
        state.nudge();
    }

    fn status_of(&self, intid: u32) -> Status {
        self.call(27).spis.status_of(intid)
    }

    fn private_taken(&self) -> Private {
        Private::default()
    }

    fn lpis_left_on(&self) -> usize {
        0
    }

    fn quiesce(&self) {
        let mut state = self.call(21);
        self.boot_only(&state);
        let others = state.cpus.iter().filter(|c| c.power != Power::Off).count();
        assert_eq!(others, 1, "quiesced while other CPUs are on");
        let me = state.cpu(self.id);
        (me.gic, me.ipi, me.timer, me.interrupts) = (false, false, false, false);
    }
}

impl ClusterPmu for Cpu<'_> {
    fn pmu_read(&self, register: PmuReg) -> u64 {
        let mut state = self.call(23);
        let now = state.now;
        state.cluster(self.id).read(register, now)
    }

    fn pmu_write(&self, register: PmuReg, value: u64) {
        let mut state = self.call(24);
        let now = state.now;
        state.cluster(self.id).write(register, value, now);
        state.lines();
        state.nudge();
    }

    fn pmu_emulated(&self) -> bool {
        true
    }
}
