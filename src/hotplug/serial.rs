//! Taking CPUs down one after another, as Linux does: each through all its steps, with its own
//! standstill of all other CPUs and its own wait for OFF, before the next begins. It is there to
//! be compared with, so it wastes nothing beyond that.

use super::state::Request;
use super::teardown::Run;
use super::{Failure, Why};
use crate::cpu::{CpuId, CpuMask};
use crate::sync::Ticket;
use crate::sync::atomic::Ordering;

impl Run<'_> {
    pub(super) fn one_by_one(&mut self, leaving: &CpuMask) {
        for cpu in leaving.iter() {
            if !self.one(cpu) {
                break;
            }
        }
    }

    /// False if the CPU did not leave: those after it stay, as in Linux.
    fn one(&mut self, cpu: CpuId) -> bool {
        let hp = self.hp;
        let only = CpuMask::from_iter([cpu]);
        if !self.leave_online(&only) {
            self.call_off(&only);
            return false;
        }
        let others = hp.online().and_not(&hp.boot_mask());
        let standstill = hp.standstill.open(others.len() + 1);
        // Relaxed: published by the requests below.
        hp.stopping.store(u32::from(cpu.0), Ordering::Relaxed);
        self.ask(&others, Request::StandStill(standstill));
        let ticket = hp.latch.open(1);
        let stopped = self.stop(&only, ticket);
        if stopped.is_empty() {
            self.name_the_restless(&others, standstill);
            self.call_off(&only);
        }
        self.ask(&others, Request::Stay);
        self.off(&stopped);
        self.clean_up();
        self.stuck.is_empty()
    }

    /// A CPU could not be stopped: perhaps because others did not stand still.
    fn name_the_restless(&mut self, others: &CpuMask, standstill: Ticket) {
        for cpu in others.iter().filter(|&c| !self.hp.cell(c).remote().stood_still(standstill)) {
            let why = Why::Missing(self.m.affinity_info(cpu));
            self.stuck.push(Failure { cpu, mark: self.hp.mark(cpu), why });
        }
    }
}
