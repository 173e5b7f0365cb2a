//! Naming the CPUs that did not leave, and why.
//!
//! Each CPU is named once, with the first reason that was found: a later reason is usually a
//! consequence of the first. `stuck` has the CPUs that did not leave; `noted` has failures of CPUs
//! that left all the same.

use alloc::vec::Vec;

use super::teardown::TeardownRun;
use super::{Failure, Why};
use crate::cpu::{CpuId, CpuMask};
use crate::rcu::Stall;
use crate::sync::{StopState, Ticket};
use crate::trace::Mark;

impl TeardownRun<'_> {
    /// Names the CPUs that have not acknowledged a state that hung.
    pub(super) fn name_those_before(&mut self, ticket: Ticket, state: StopState) {
        let hp = self.hp;
        let late = |cpu: &CpuId| !hp.cell(*cpu).remote().acked(ticket, state);
        let missing: CpuMask = hp.asked(ticket).iter().filter(late).collect();
        self.name_missing(&missing);
    }

    /// Names the CPUs of which a step has failed, with that step.
    pub(super) fn name_refusals(&mut self, cpus: &CpuMask) {
        for cpu in cpus.iter() {
            let failure = self.hp.cell(cpu).failure();
            let named = self.stuck.iter().any(|f| f.cpu == cpu);
            if let (Some(failure), false) = (failure, named) {
                let why = Why::Step(failure);
                self.stuck.push(Failure { cpu, mark: self.hp.mark(cpu), why });
            }
        }
    }

    /// True if all are at `mark`. Names the CPUs that are not and have not been named before.
    pub(super) fn name_those_not_at(&mut self, mark: Mark, cpus: &CpuMask) -> bool {
        let others: CpuMask = cpus.iter().filter(|&cpu| self.hp.mark(cpu) != mark).collect();
        // A CPU whose step failed did answer: only the rest is missing.
        let named = self.stuck.iter().map(|f| f.cpu).collect();
        self.name_refusals(&others);
        let unnamed = self.stuck.iter().map(|f| f.cpu).collect::<CpuMask>();
        self.name_missing(&others.and_not(&named).and_not(&unnamed));
        others.is_empty()
    }

    /// The CPUs that did not answer.
    pub(super) fn silent(&self) -> CpuMask {
        let missing = self.stuck.iter().filter(|f| matches!(f.why, Why::Missing(_)));
        missing.map(|f| f.cpu).collect()
    }

    /// Names CPUs as missing, with what firmware says of each.
    pub(super) fn name_missing(&mut self, cpus: &CpuMask) {
        for cpu in cpus.iter() {
            let why = Why::Missing(self.m.affinity_info(cpu));
            self.stuck.push(Failure { cpu, mark: self.hp.mark(cpu), why });
        }
    }

    /// Names the CPUs that held up a grace period.
    pub(super) fn readers(&self, stall: &Stall) -> Vec<Failure> {
        let name = |cpu| Failure { cpu, mark: self.hp.mark(cpu), why: Why::Reading };
        stall.cpus.iter().map(name).collect()
    }

    /// Takes note of CPUs after the sweep.
    pub(super) fn verdicts(&mut self, cpus: &CpuMask) {
        for cpu in cpus.iter() {
            let cell = self.hp.cell(cpu);
            if cell.mark() == Mark::Dead && !cell.has_failed() {
                self.off.insert(cpu); // as nearly all are
            } else {
                self.verdict(cpu);
            }
        }
    }

    /// Takes note of one CPU after the sweep: off, parked, or stuck, with the reason. A step that
    /// failed on the way is noted, also if the CPU is off.
    #[cold]
    fn verdict(&mut self, cpu: CpuId) {
        let mark = self.hp.mark(cpu);
        let why = match mark {
            Mark::Dead => None,
            Mark::Quarantined => Some(Why::OffDenied),
            // The CPU has not undone its online steps.
            Mark::Online => Some(Why::Missing(self.m.affinity_info(cpu))),
            _ => Some(Why::StillOn(self.m.affinity_info(cpu))),
        };
        match why {
            Some(why) => self.stuck.push(Failure { cpu, mark, why }),
            None => self.off.insert(cpu),
        }
        if let Some(failure) = self.hp.cell(cpu).failure() {
            self.noted.push(Failure { cpu, mark, why: Why::Step(failure) });
        }
    }
}
