//! Taking CPUs down one after another, as Linux does: each through all its steps, with its own
//! standstill of all other CPUs and its own wait for OFF, before the next begins. It is there to
//! be compared with, so it wastes nothing beyond that.

use super::Why;
use super::state::Request;
use super::teardown::Run;
use crate::cpu::{CpuId, CpuMask};
use crate::sync::Ticket;
use crate::sync::atomic::Ordering;
use crate::trace::Mark;

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
        let only = CpuMask::from_iter([cpu]);
        if !self.leave_online(&only) {
            let silent = self.silent();
            self.call_off(&only, &silent);
            return false;
        }
        let stopped = self.stopping(|run| run.stop_among_others(cpu));
        self.off(&stopped);
        self.clean_up();
        // A parked CPU is out of the way: it can't keep the others from leaving.
        self.stuck.iter().all(|failure| failure.why == Why::OffDenied)
    }

    /// stop_machine for one CPU: all others stand still until its dying steps are done.
    fn stop_among_others(&mut self, cpu: CpuId) -> CpuMask {
        let hp = self.hp;
        let only = CpuMask::from_iter([cpu]);
        let others = hp.online().and_not(&hp.boot_mask());
        let standstill = hp.standstill.open(others.len() + 1);
        // Relaxed: published by the requests below.
        hp.stopping.store(u32::from(cpu.0), Ordering::Relaxed);
        self.ask(&others, Request::StandStill(standstill));
        let stopped = self.stop(&only, standstill);
        if stopped.is_empty() {
            self.name_the_restless(&others, standstill);
            self.call_off(&only, &CpuMask::new());
        } else {
            self.wait_for_dying(cpu);
        }
        self.ask(&others, Request::Stay);
        stopped
    }

    /// The others stand still until its dying steps are done. Its last kick came before them.
    fn wait_for_dying(&self, cpu: CpuId) {
        let (hp, m) = (self.hp, self.m);
        let deadline = m.now() + m.ticks_from_ms(hp.timeout_ms());
        hp.poll(m, deadline, || hp.mark(cpu) != Mark::TeardownCpu);
    }

    /// A CPU could not be stopped: perhaps because others did not stand still.
    fn name_the_restless(&mut self, others: &CpuMask, standstill: Ticket) {
        let still = |cpu: &CpuId| self.hp.cell(*cpu).remote().stood_still(standstill);
        let restless: CpuMask = others.iter().filter(|cpu| !still(cpu)).collect();
        self.name_missing(&restless);
    }
}
