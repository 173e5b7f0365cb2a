//! Interrupts of the machine, behind the seam.

use super::Board;
use crate::aarch64::percpu::PerCpu;
use crate::cpu::CpuId;
use crate::interrupt::Interrupt;
use crate::machine::irq::{Private, Status};
use crate::machine::{IrqChip, Route, RouteError};

impl IrqChip for Board {
    fn configure(&self, interrupt: Interrupt) {
        self.gic.configure(interrupt);
    }

    fn apply(&self, routes: &[Route]) -> Result<(), RouteError> {
        let applied = self.gic.apply(routes, &|cpu| self.destination(cpu));
        applied.map_err(|(intid, to)| RouteError { intid, is: self.cpu_at(to) })
    }

    fn route_of(&self, intid: u32) -> Option<CpuId> {
        self.cpu_at(self.gic.route_of(intid))
    }

    fn enable(&self, intid: u32, on: bool) {
        self.gic.enable_shared(intid, on);
    }

    fn pend(&self, intid: u32) {
        self.gic.set_pending(intid, true);
    }

    fn status_of(&self, intid: u32) -> Status {
        self.gic.status_of(intid)
    }

    fn shared_end(&self) -> u32 {
        self.gic.shared_end()
    }

    fn private_taken(&self) -> Private {
        let taken = self.areas.iter().map(PerCpu::taken);
        taken.fold(Private::default(), |sum, one| Private {
            ipis: sum.ipis + one.ipis,
            timer: sum.timer + one.timer,
        })
    }

    fn lpis_left_on(&self) -> usize {
        self.lpis_left_on
    }

    fn quiesce(&self) {
        self.leave_all();
    }
}

impl Board {
    /// How the distributor names a CPU.
    fn destination(&self, cpu: CpuId) -> u64 {
        let mpidr = self.topology.mpidr(cpu).expect("a CPU of the topology");
        self.gic.destination(&self.areas[cpu.index()], mpidr)
    }

    fn cpu_at(&self, destination: u64) -> Option<CpuId> {
        self.topology.cpus().find(|&cpu| self.destination(cpu) == destination)
    }
}
