//! Taking CPUs down, all at once: online steps, one stop, one sweep, one clean-up.

use alloc::vec::Vec;

use super::state::Request;
use super::{Failure, Hotplug, Spans, Survivors, TeardownOutcome, Why};
use crate::cpu::{CpuId, CpuMask};
use crate::machine::{Affinity, Machine};
use crate::options::TeardownMode;
use crate::sync::Ticket;
use crate::trace::{Dir, Mark, Phase};

/// One teardown while it runs.
pub(super) struct Run<'a> {
    pub(super) hp: &'a Hotplug,
    pub(super) m: &'a dyn Machine,
    pub(super) survivors: Survivors,
    pub(super) spans: Spans,
    pub(super) stuck: Vec<Failure>,
    pub(super) off: CpuMask,
}

impl Hotplug {
    /// Takes down the CPUs of `cpus` that are online; the boot CPU never leaves. Boot CPU only,
    /// one operation at a time.
    ///
    /// Parallel: if a step refuses or a CPU does not answer while it can still be called off, all
    /// are brought back, the cause is named in `stuck`, and `off` is empty. After that the others
    /// go on leaving, and those that don't are named. Serial: the first CPU that does not leave
    /// ends it; those before it are in `off`. Either way nothing begins while a CPU, leaving or
    /// not, still owes an answer to an earlier teardown; if it owes it at the deadline, it is named.
    pub fn tear_down(
        &self,
        m: &dyn Machine,
        cpus: &CpuMask,
        mode: TeardownMode,
    ) -> TeardownOutcome {
        let begin = m.now();
        let silent = self.await_answers(m);
        let online = self.online();
        let leaving = self.can_leave(cpus);
        let survivors = Survivors::freeze(&online, &leaving);
        self.survivors.set(&survivors);
        let mut run = Run {
            hp: self,
            m,
            survivors,
            spans: Spans::default(),
            stuck: Vec::new(),
            off: CpuMask::new(),
        };
        match mode {
            _ if !silent.is_empty() => run.name_missing(&silent),
            TeardownMode::Serial => run.one_by_one(&leaving),
            TeardownMode::Parallel => run.all_at_once(&leaving),
        }
        let Run { spans, stuck, off, .. } = run;
        TeardownOutcome { off, stuck, spans, total: m.now() - begin }
    }

    /// Those of `cpus` that are ONLINE, or stayed behind at TEARDOWN_CPU in an earlier teardown.
    fn can_leave(&self, cpus: &CpuMask) -> CpuMask {
        let up = |&cpu: &CpuId| matches!(self.mark(cpu), Mark::Online | Mark::TeardownCpu);
        let up: CpuMask = self.topology.cpus().filter(up).collect();
        cpus.and(&up).and_not(&self.boot_mask())
    }

    /// CPUs that have not answered an earlier teardown. They may still be migrating to the
    /// survivors of that one, so nobody may leave now.
    pub(super) fn unanswered(&self) -> CpuMask {
        let silent = |&cpu: &CpuId| self.cell(cpu).request() != Request::Stay;
        self.can_leave(&CpuMask::first(self.cells.len())).iter().filter(silent).collect()
    }

    /// Waits until there are none of those; returns those that there are at the deadline.
    fn await_answers(&self, m: &dyn Machine) -> CpuMask {
        let deadline = m.now() + m.ticks_from_ms(self.timeout_ms());
        self.poll(m, deadline, || self.unanswered().is_empty());
        self.unanswered()
    }

    /// Asks AFFINITY_INFO about every CPU of `remaining` until each is DEAD or in quarantine, or
    /// the deadline passes. Sleeps between sweeps: the CPUs need the host's cores to get there.
    pub(super) fn sweep(&self, m: &dyn Machine, mut remaining: CpuMask, deadline: u64) {
        let off = |cpu: &CpuId| m.affinity_info(*cpu) == Ok(Affinity::Off);
        let gone = |&cpu: &CpuId| matches!(self.mark(cpu), Mark::Dead | Mark::Quarantined);
        self.poll(m, deadline, || {
            remaining.iter().filter(off).for_each(|cpu| self.dead(m, cpu));
            remaining = remaining.iter().filter(|c| !gone(c)).collect();
            remaining.is_empty()
        });
    }
}

impl Run<'_> {
    fn all_at_once(&mut self, leaving: &CpuMask) {
        if !self.leave_online(leaving) {
            let silent = self.silent();
            self.call_off(leaving, &silent);
            return;
        }
        // Nobody stands still: those that stay are not touched by those that leave, since every
        // migration target was frozen beforehand.
        let stopped = self.stopping(|run| run.stop(leaving, Ticket::NONE));
        self.off(&stopped);
        self.clean_up();
    }

    /// Online steps of all down at once. False if one refused or did not answer.
    pub(super) fn leave_online(&mut self, leaving: &CpuMask) -> bool {
        leaving.iter().for_each(|cpu| self.hp.cell(cpu).remote().clear_failure());
        let ticket = self.hp.latch.open(leaving.len());
        let (_, ticks) = self.hp.phase(self.m, Phase::OnlineDown, Dir::Down, || {
            self.ask(leaving, Request::Leave(ticket));
            self.wait(ticket)
        });
        self.spans.online_down += ticks;
        self.name_those_not_at(Mark::TeardownCpu, leaving)
    }

    /// True if all are at `mark`; names those that are not and have no name yet.
    fn name_those_not_at(&mut self, mark: Mark, cpus: &CpuMask) -> bool {
        let others: CpuMask = cpus.iter().filter(|&cpu| self.hp.mark(cpu) != mark).collect();
        let named = self.stuck.iter().map(|f| f.cpu).collect();
        for cpu in others.and_not(&named).iter() {
            let failure = self.hp.cell(cpu).failure();
            let missing = || Why::Missing(self.m.affinity_info(cpu));
            let why = failure.map_or_else(missing, Why::Step);
            self.stuck.push(Failure { cpu, mark: self.hp.mark(cpu), why });
        }
        others.is_empty()
    }

    /// Those that did not answer.
    pub(super) fn silent(&self) -> CpuMask {
        let missing = self.stuck.iter().filter(|f| matches!(f.why, Why::Missing(_)));
        missing.map(|f| f.cpu).collect()
    }

    /// Brings everybody back to ONLINE, and names those that do not get there. Those that are
    /// `silent` have had their deadline: they are asked too, and nobody waits for them.
    pub(super) fn call_off(&mut self, leaving: &CpuMask, silent: &CpuMask) {
        let present = leaving.and_not(silent);
        let ticket = self.hp.latch.open(present.len());
        self.ask(silent, Request::Return(Ticket::NONE));
        self.ask(&present, Request::Return(ticket));
        self.wait(ticket);
        self.name_those_not_at(Mark::Online, &present);
    }

    /// Tells the leaving CPUs to stop once `standstill` is complete; returns those that did. The
    /// others are named.
    pub(super) fn stop(&mut self, leaving: &CpuMask, standstill: Ticket) -> CpuMask {
        let ticket = self.hp.latch.open(leaving.len());
        leaving.iter().for_each(|cpu| self.hp.cell(cpu).remote().stop_after(standstill));
        self.ask(leaving, Request::Stop(ticket));
        let all = self.wait(ticket);
        let behind = |&cpu: &CpuId| self.hp.cell(cpu).request() == Request::Stop(ticket);
        let behind: CpuMask = leaving.iter().filter(|c| !all && behind(c)).collect();
        self.name_missing(&behind);
        leaving.and_not(&behind)
    }

    /// Runs `body` as the phase in which CPUs are stopped.
    pub(super) fn stopping<R>(&mut self, body: impl FnOnce(&mut Self) -> R) -> R {
        let (hp, m) = (self.hp, self.m);
        let (result, ticks) = hp.phase(m, Phase::Stop, Dir::Down, || body(self));
        self.spans.stop += ticks;
        result
    }

    pub(super) fn name_missing(&mut self, cpus: &CpuMask) {
        for cpu in cpus.iter() {
            let why = Why::Missing(self.m.affinity_info(cpu));
            self.stuck.push(Failure { cpu, mark: self.hp.mark(cpu), why });
        }
    }

    /// One sweep over AFFINITY_INFO for all that stopped.
    pub(super) fn off(&mut self, stopped: &CpuMask) {
        let (hp, m) = (self.hp, self.m);
        let deadline = m.now() + m.ticks_from_ms(hp.timeout_ms());
        let (_, ticks) = hp.phase(m, Phase::Off, Dir::Down, || hp.sweep(m, *stopped, deadline));
        self.spans.off += ticks;
        for cpu in stopped.iter() {
            match hp.mark(cpu) {
                Mark::Dead => self.off.insert(cpu),
                mark @ Mark::Quarantined => {
                    self.stuck.push(Failure { cpu, mark, why: Why::OffDenied });
                }
                mark => {
                    let why = Why::StillOn(m.affinity_info(cpu));
                    self.stuck.push(Failure { cpu, mark, why });
                }
            }
        }
    }

    /// Work for the dead, in bulk.
    pub(super) fn clean_up(&mut self) {
        let dead: CpuMask = self.off.iter().filter(|&c| self.hp.mark(c) == Mark::Dead).collect();
        let (_, ticks) = self.hp.phase(self.m, Phase::DeadWork, Dir::Down, || {
            for cpu in dead.iter() {
                // The CPU is off: a failing prepare teardown can't bring it back.
                let _ = self.hp.clean_up_dead(self.m, cpu, &self.survivors);
            }
        });
        self.spans.dead += ticks;
    }

    pub(super) fn ask(&self, cpus: &CpuMask, request: Request) {
        cpus.iter().for_each(|cpu| self.hp.cell(cpu).remote().ask(request));
        self.m.kick(cpus);
    }

    pub(super) fn wait(&self, ticket: Ticket) -> bool {
        let deadline = self.m.now() + self.m.ticks_from_ms(self.hp.timeout_ms());
        self.hp.wait_until(self.m, deadline, || self.hp.latch.complete(ticket))
    }
}
