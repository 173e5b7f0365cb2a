//! Bringing CPUs up, on the boot CPU: prepare all, kick all by policy, wait once for all, name the
//! missing. The module [`hotplug`](super) has a diagram of the hand-overs.
//!
//! What holds at the end, for each CPU that was asked for:
//!
//! - ONLINE, and in the online view that RCU readers see; or
//! - named with a reason. If firmware has said OFF before the deadline, the prepare steps are
//!   undone and the mark is OFFLINE. Otherwise the mark is SHOULD_DIE or AP_IDLE_DEAD: the CPU may
//!   still be running, so its stack and per-CPU area are kept, and the next bring-up of that CPU
//!   begins with `BringupRun::reclaim`.

use alloc::vec::Vec;

use super::runner::Runner;
use super::state::CpuRequest;
use super::steps::{self, Acting, Section};
use super::{BringupOutcome, Failure, Hotplug, StepFailure, Why, fault};
use crate::cpu::{CpuId, CpuMask, Survivors};
use crate::machine::{Affinity, Seam};
use crate::report::BringupPolicy;
use crate::sync::Ticket;
use crate::trace::{Dir, Mark, Phase, StepId};

/// One bring-up while it runs.
struct BringupRun<'a> {
    hp: &'a Hotplug,
    m: &'a dyn Seam,
    survivors: Survivors,
    /// CPUs that are ONLINE.
    online: CpuMask,
    begin: u64,
    failed: Vec<Failure>,
}

impl Hotplug {
    /// Brings up every CPU of `cpus` that is not online. Boot CPU only, one operation at a time.
    /// Returns when all are ONLINE or named as failed, at the latest after [`Self::timeout_ms`]
    /// (serial: each CPU has its own deadline). A CPU that failed is off, or will turn itself off.
    pub fn bring_up(&self, m: &dyn Seam, cpus: &CpuMask, policy: BringupPolicy) -> BringupOutcome {
        let online = self.online();
        let survivors = self.those_stay(&online);
        // Before the first CPU_ON: arriving CPUs read the masks for their steps.
        self.survivors.set(&survivors);
        let begin = m.now();
        let mut run = BringupRun { hp: self, m, survivors, online, begin, failed: Vec::new() };
        let asked = cpus.and_not(&online);
        match policy {
            BringupPolicy::Serial => asked.iter().for_each(|cpu| {
                run.together(&CpuMask::from_iter([cpu]), false);
            }),
            BringupPolicy::Parallel => run.together(&asked, false),
            BringupPolicy::Fanout => run.together(&asked, true),
        }
        // Once for all, also under the serial policy.
        run.share(&asked);
        run.outcome(&asked)
    }

    /// Under the fanout policy: kicks CPUs as long as an index is left unclaimed. On the boot CPU,
    /// and on every arriving CPU once that CPU is ALIVE.
    pub(super) fn help_kick(&self, m: &dyn Seam, ticket: Ticket) {
        while let Some(index) = self.claims.claim(ticket, self.cells.len()) {
            self.kick(m, CpuId(index as u16), ticket);
        }
    }

    /// CPU_ON for one CPU, if it is KICKED. A refusal counts as that CPU's arrival at the latch. No
    /// IPI follows: the caller is the boot CPU itself, or a helper whose GIC is not up yet.
    fn kick(&self, m: &dyn Seam, cpu: CpuId, ticket: Ticket) {
        let remote = self.cell(cpu).remote();
        let Some(start) = remote.to_be_kicked() else {
            // The start was given up meanwhile. The CPU that claimed this CPU_ON says that no
            // CPU_ON will follow (`CpuCell::kick_returned`).
            if self.cell(cpu).request() == CpuRequest::Come(ticket) {
                remote.kicked(m.now());
            }
            return;
        };
        if self.faults.hit(fault::KICK, cpu, Dir::Up) {
            remote.kicked(m.now());
            return;
        }
        match m.cpu_on(cpu) {
            Ok(()) => remote.kicked(m.now()),
            Err(error) => {
                remote.refused(start, error);
                self.latch.arrive(ticket);
            }
        }
    }

    /// Undoes the prepare section of `dead`, CPUs that are off. Each is OFFLINE after that, or DEAD
    /// if a step failed; the next start of such a CPU tries again first. Steps that act once for
    /// all CPUs act for all that are `gone`: the dead and the parked.
    ///
    /// # Errors
    /// A step that failed, and one of the CPUs for which it failed.
    pub(super) fn clean_up_dead(
        &self,
        m: &dyn Seam,
        dead: &CpuMask,
        gone: &CpuMask,
        survivors: &Survivors,
    ) -> Result<(), (CpuId, StepFailure)> {
        // A leaving CPU's own step has done this, unless the step was made to fail or the CPU was
        // turned off halfway. After this no request is sent to the CPU as owner of its cluster.
        if self.services.pmu.clusters() > 0 {
            gone.iter().for_each(|cpu| _ = self.services.pmu.forget(cpu, survivors));
        }
        let steps = steps::acting(Section::Prepare, Dir::Down);
        let (result, failed) = self.unprepare(m, steps, (dead, gone), survivors);
        for cpu in dead.and_not(&failed).iter() {
            self.cell(cpu).remote().set_off(Mark::Offline);
            self.trace_mark(m, cpu, Mark::Offline, Dir::Down);
            self.tell(self.topology.boot(), cpu, Mark::Offline);
        }
        failed.iter().for_each(|cpu| self.cell(cpu).remote().set_off(Mark::Dead));
        let about = failed.iter().next().unwrap_or(self.topology.boot());
        result.map_err(|failure| (about, failure))
    }
}

impl BringupRun<'_> {
    /// Brings up `cpus` at the same time, under one deadline.
    fn together(&mut self, cpus: &CpuMask, fanout: bool) {
        let (hp, m) = (self.hp, self.m);
        // Of the whole bring-up: the prepare steps and CPU_ON count too.
        let deadline = m.now() + m.ticks_from_ms(hp.timeout_ms());
        let (prepared, _) = hp.phase(m, Phase::Prepare, Dir::Up, || self.prepare(cpus));
        // Before the first CPU_ON: a CPU may arrive before the next one is kicked.
        let ticket = hp.latch.open(prepared.len());
        hp.asked.insert(&prepared);
        hp.phase(m, Phase::Kick, Dir::Up, || self.kick_all(&prepared, ticket, fanout));
        hp.phase(m, Phase::Sync, Dir::Up, || {
            hp.wait_until(m, deadline, || hp.latch.complete(ticket))
        });
        // Before any CPU is given up: no CPU_ON is claimed from here on.
        hp.claims.close();
        let came: CpuMask = prepared.iter().filter(|&cpu| self.settle(cpu, deadline)).collect();
        // A CPU that is ONLINE has answered.
        hp.asked.remove(&came);
        self.online = self.online.or(&came);
    }

    /// Runs the prepare steps, each for all CPUs before the next one; returns the CPUs that can be
    /// kicked. A CPU of which a step fails is left out, and the steps before that one are undone.
    fn prepare(&mut self, cpus: &CpuMask) -> CpuMask {
        let mut ready: CpuMask = cpus.iter().filter(|&cpu| self.is_ready(cpu)).collect();
        for step in steps::acting(Section::Prepare, Dir::Up) {
            let failed = self.prepare_step(step, &ready);
            if !failed.is_empty() {
                ready = ready.and_not(&failed);
                self.undo_before(step.id, &failed);
            }
        }
        ready
    }

    /// One prepare step; returns the CPUs for which it failed.
    fn prepare_step(&mut self, step: &Acting, cpus: &CpuMask) -> CpuMask {
        let (hp, m, mut failed) = (self.hp, self.m, CpuMask::EMPTY);
        let (survivors, list) = (&self.survivors, &mut self.failed);
        hp.run_prepare_step(m, (step, Dir::Up), cpus, survivors, |cpus, failure| {
            failed = failed.or(cpus);
            for cpu in cpus.iter() {
                let cell = hp.cell(cpu);
                cell.remote().note_failure(failure);
                list.push(Failure { cpu, mark: cell.mark(), why: Why::Step(failure) });
            }
        });
        failed
    }

    /// Undoes the prepare steps before `step`. A failure shows in the trace only: there is nowhere
    /// further back to go.
    fn undo_before(&self, step: StepId, cpus: &CpuMask) {
        let before = steps::behind(Section::Prepare, Dir::Down, step);
        let _ = self.hp.unprepare(self.m, before, (cpus, cpus), &self.survivors);
    }

    /// True if the CPU is OFFLINE and can be prepared; if not, the CPU is named.
    fn is_ready(&mut self, cpu: CpuId) -> bool {
        let ready = self.reclaim(cpu);
        if !ready {
            let mark = self.hp.mark(cpu);
            self.failed.push(Failure { cpu, mark, why: Why::NotReady });
        }
        ready
    }

    /// True if the CPU is OFFLINE. A CPU that was given up, or that left after the deadline, may
    /// still be on its way: this makes it OFFLINE once firmware says OFF.
    fn reclaim(&self, cpu: CpuId) -> bool {
        let cell = self.hp.cell(cpu);
        if cell.mark() == Mark::Offline {
            return true;
        }
        let settled = cell.startable() && cell.kick_returned();
        if !settled || self.m.affinity_info(cpu) != Ok(Affinity::Off) {
            return false;
        }
        // DEAD already: a prepare step failed on the way down, and is tried again.
        if cell.mark() != Mark::Dead {
            self.hp.dead(self.m, cpu);
        }
        self.clean_up(cpu);
        cell.mark() == Mark::Offline
    }

    /// Says KICKED and writes the boot record of every CPU, and issues CPU_ON: right after each
    /// record, or (fanout) once all records are written.
    fn kick_all(&self, cpus: &CpuMask, ticket: Ticket, fanout: bool) {
        let (hp, m) = (self.hp, self.m);
        for cpu in cpus.iter() {
            let start = hp.cell(cpu).remote().begin_start(ticket);
            // The record has the number of the start, and is cleaned to the point of coherency
            // before CPU_ON: the arriving CPU reads it with its MMU off.
            m.write_record(cpu, start);
            hp.trace_mark(m, cpu, Mark::Kicked, Dir::Up);
            if !fanout {
                hp.kick(m, cpu, ticket);
            }
        }
        if fanout {
            // Opening publishes all records and marks. No CPU can help before the boot CPU has
            // kicked one.
            hp.claims.open(ticket);
            hp.help_kick(m, ticket);
        }
    }

    /// Takes note of one CPU that was to be kicked: ONLINE (true), refused, failed, or given up here.
    fn settle(&mut self, cpu: CpuId, deadline: u64) -> bool {
        let Some((mark, why)) = self.verdict(cpu) else { return true };
        self.failed.push(Failure { cpu, mark, why });
        match mark {
            // The CPU has set its last mark, and turns itself off next.
            Mark::ApIdleDead => self.wait_off(cpu, deadline),
            Mark::Offline => self.clean_up(cpu),
            // Never seen, or too slow. A CPU that still comes finds SHOULD_DIE and turns itself
            // off, and needs its stack for that: the prepare section is not undone here.
            _ => {}
        }
        false
    }

    /// Why the CPU has not come, with its mark; `None` if it is ONLINE.
    fn verdict(&self, cpu: CpuId) -> Option<(Mark, Why)> {
        let cell = self.hp.cell(cpu);
        if cell.mark() == Mark::Online && !cell.was_refused() {
            return None;
        }
        let failure = || cell.failure().map_or(Why::NotReady, Why::Step);
        // Given up first: after this the CPU can't become ONLINE, and a refusal that came before is
        // visible (`Remote::refused`).
        let given_up = cell.remote().give_up();
        if let Some(error) = cell.refusal() {
            return Some((cell.mark(), Why::CpuOn(error)));
        }
        match given_up {
            Ok(mark) => Some((mark, Why::Missing(self.m.affinity_info(cpu)))),
            Err(Mark::Online) => None,
            Err(mark) => Some((mark, failure())),
        }
    }

    /// Waits until firmware says OFF of a CPU that turns itself off, then undoes its prepare steps.
    fn wait_off(&self, cpu: CpuId, deadline: u64) {
        self.hp.sweep(self.m, CpuMask::from_iter([cpu]), deadline);
        if self.hp.mark(cpu) == Mark::Dead {
            self.clean_up(cpu);
        }
    }

    /// A failure in here changes nothing, and is not reported: the failure of the bring-up itself
    /// is what the user has to know.
    fn clean_up(&self, cpu: CpuId) {
        let only = CpuMask::from_iter([cpu]);
        let _ = self.hp.clean_up_dead(self.m, &only, &only, &self.survivors);
    }

    /// Runs the shared steps for the CPUs that have come online.
    fn share(&mut self, asked: &CpuMask) {
        let came = asked.and(&self.online);
        // The arrivals are survivors now, so that shared steps may give them something to do.
        let survivors = self.hp.those_stay(&self.online);
        self.hp.survivors.set(&survivors);
        self.hp.publish_view(*survivors.mask());
        let pen = self.hp.own_pen(self.m);
        let runner = Runner::all(self.hp, &pen, &came, &survivors);
        if let Err(failure) = runner.up(Section::Shared) {
            // The arrivals stay ONLINE: what is shared works where it is.
            let (cpu, why) = (self.hp.topology.boot(), Why::Step(failure));
            self.failed.push(Failure { cpu, mark: self.hp.mark(cpu), why });
        }
    }

    fn outcome(self, asked: &CpuMask) -> BringupOutcome {
        let online = asked.and(&self.online);
        let mut last = [0; 3];
        for cpu in online.iter() {
            let times = self.hp.cell(cpu).times();
            last = core::array::from_fn(|i| last[i].max(times[i]));
        }
        let [kick, alive, last_online] = last.map(|t: u64| t.saturating_sub(self.begin));
        BringupOutcome { online, kick, alive, last_online, failed: self.failed }
    }
}
