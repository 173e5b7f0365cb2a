//! Taking CPUs down, all at once: online steps, one stop, one sweep, one clean-up.

use alloc::vec::Vec;

use super::state::Request;
use super::{Failure, Hotplug, Spans, Survivors, TeardownOutcome, Why};
use crate::cpu::{CpuId, CpuMask};
use crate::machine::{Affinity, Machine};
use crate::options::TeardownMode;
use crate::sync::Ticket;
use crate::trace::{Dir, Mark, Phase};

/// First pause between two sweeps over AFFINITY_INFO; doubles up to [`LONGEST_PAUSE_US`].
const FIRST_PAUSE_US: u64 = 20;
const LONGEST_PAUSE_US: u64 = 1000;

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
    /// ends it; those before it are in `off`.
    pub fn tear_down(
        &self,
        m: &dyn Machine,
        cpus: &CpuMask,
        mode: TeardownMode,
    ) -> TeardownOutcome {
        let begin = m.now();
        let online = self.online();
        let leaving = cpus.and(&online).and_not(&self.boot_mask());
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
            TeardownMode::Serial => run.one_by_one(&leaving),
            TeardownMode::Parallel => run.all_at_once(&leaving),
        }
        let Run { spans, stuck, off, .. } = run;
        TeardownOutcome { off, stuck, spans, total: m.now() - begin }
    }

    /// Asks AFFINITY_INFO about every CPU of `remaining` until all are OFF, taking out those that
    /// are. Sleeps between sweeps: the CPUs need the host's cores to get there.
    pub(super) fn sweep(&self, m: &dyn Machine, remaining: &mut CpuMask, deadline: u64) {
        let mut pause = FIRST_PAUSE_US;
        loop {
            let still_on = |&cpu: &CpuId| m.affinity_info(cpu) != Ok(Affinity::Off);
            for cpu in remaining.iter().filter(|c| !still_on(c)) {
                self.cell(cpu).remote().set_off(Mark::Dead);
                self.trace_mark(m, cpu, Mark::Dead, Dir::Down);
            }
            let gone = |&cpu: &CpuId| matches!(self.mark(cpu), Mark::Dead | Mark::Quarantined);
            *remaining = remaining.iter().filter(|c| !gone(c)).collect();
            if remaining.is_empty() || m.now() >= deadline {
                return;
            }
            m.wait(Some(deadline.min(m.now() + m.ticks_from_us(pause))));
            pause = (pause * 2).min(LONGEST_PAUSE_US);
        }
    }
}

impl Run<'_> {
    fn all_at_once(&mut self, leaving: &CpuMask) {
        if !self.leave_online(leaving) {
            self.call_off(leaving);
            return;
        }
        let ticket = self.hp.latch.open(leaving.len());
        // Nobody stands still: those that stay are not touched by those that leave, since every
        // migration target was frozen beforehand.
        self.hp.standstill.open(0);
        let stopped = self.stop(leaving, ticket);
        self.off(&stopped);
        self.clean_up();
    }

    /// Online steps of all down at once. False if one refused or did not answer.
    pub(super) fn leave_online(&mut self, leaving: &CpuMask) -> bool {
        let ticket = self.hp.latch.open(leaving.len());
        let (_, ticks) = self.hp.phase(self.m, Phase::OnlineDown, Dir::Down, || {
            self.ask(leaving, Request::Leave(ticket));
            self.wait(ticket)
        });
        self.spans.online_down += ticks;
        let refused: Vec<Failure> = leaving.iter().filter_map(|cpu| self.refusal(cpu)).collect();
        self.stuck.extend(refused.iter().copied());
        refused.is_empty()
    }

    fn refusal(&self, cpu: CpuId) -> Option<Failure> {
        let cell = self.hp.cell(cpu);
        let mark = cell.mark();
        let why = || match cell.failure() {
            Some(failure) => Why::Step(failure),
            None => Why::Missing(self.m.affinity_info(cpu)),
        };
        (mark != Mark::TeardownCpu).then(|| Failure { cpu, mark, why: why() })
    }

    /// Brings everybody back to ONLINE.
    pub(super) fn call_off(&self, leaving: &CpuMask) {
        let ticket = self.hp.latch.open(leaving.len());
        self.ask(leaving, Request::Return(ticket));
        self.wait(ticket);
        leaving.iter().for_each(|cpu| self.hp.cell(cpu).remote().clear_failure());
    }

    /// Tells the leaving CPUs to stop; returns those that did. The others are named.
    pub(super) fn stop(&mut self, leaving: &CpuMask, ticket: Ticket) -> CpuMask {
        let (_, ticks) = self.hp.phase(self.m, Phase::Stop, Dir::Down, || {
            self.ask(leaving, Request::Stop(ticket));
            self.wait(ticket)
        });
        self.spans.stop += ticks;
        let missing =
            |cpu: CpuId, mark| Failure { cpu, mark, why: Why::Missing(self.m.affinity_info(cpu)) };
        let stuck: Vec<Failure> = leaving
            .iter()
            .filter(|_| !self.hp.latch.complete(ticket))
            .filter(|&cpu| self.hp.mark(cpu) == Mark::TeardownCpu)
            .map(|cpu| missing(cpu, Mark::TeardownCpu))
            .collect();
        let mask = stuck.iter().map(|f| f.cpu).collect();
        self.stuck.extend(stuck);
        leaving.and_not(&mask)
    }

    /// One sweep over AFFINITY_INFO for all that stopped.
    pub(super) fn off(&mut self, stopped: &CpuMask) {
        let (hp, m) = (self.hp, self.m);
        let deadline = m.now() + m.ticks_from_ms(hp.timeout_ms());
        let mut remaining = *stopped;
        let (_, ticks) =
            hp.phase(m, Phase::Off, Dir::Down, || hp.sweep(m, &mut remaining, deadline));
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
