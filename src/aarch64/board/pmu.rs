//! The performance monitors of a cluster behind the seam.

use super::{Board, SHARED};
use crate::aarch64::percpu::PerCpu;
use crate::aarch64::{dsu, timer};
use crate::machine::pmu::instruction::Access;
use crate::machine::pmu::{ClusterPmu, PmuReg};

impl ClusterPmu for Board {
    fn pmu_read(&self, register: PmuReg) -> u64 {
        dsu::read(register)
    }

    fn pmu_write(&self, register: PmuReg, value: u64) {
        dsu::write(register, value);
    }

    fn pmu_emulated(&self) -> bool {
        dsu::is_emulated(self.me().cpu)
    }
}

impl Board {
    /// The timer of this CPU has fired: an overflow may be due.
    pub(super) fn overflow_due(&self, me: &PerCpu) {
        dsu::tick(me.cpu, timer::now(), &|intid, up| self.gic.set_pending(intid, up));
    }

    /// When this CPU has to wake: at `deadline`, or for an overflow before.
    pub(super) fn earliest(&self, me: &PerCpu, deadline: Option<u64>) -> Option<u64> {
        match (deadline, dsu::deadline(me.cpu)) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// This CPU's timer goes: the others of its cluster have to look out for the next overflow.
    pub(super) fn hand_over_overflows(&self) {
        if let Some(heirs) = dsu::heirs(self.me().cpu) {
            self.send_ipi(&heirs);
        }
    }
}

/// Emulates an access that raised an exception; returns the value read, or `None` if the access is
/// not emulated and the exception is to be reported.
pub fn emulate(access: Access, value: u64) -> Option<u64> {
    let board = &SHARED.get()?.board;
    let set_line = |intid, up| board.gic.set_pending(intid, up);
    dsu::emulate(board.me().cpu, access, value, timer::now(), &set_line)
}
