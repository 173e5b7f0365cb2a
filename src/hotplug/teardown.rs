//! Taking CPUs down, on the boot CPU: what the two ways down share. `parallel` and `serial` put
//! these parts in order: checks, shared steps, stop_machine, the sweep over AFFINITY_INFO, the
//! grace period, the clean-up. The module [`hotplug`](super) has diagrams of the hand-overs.
//!
//! What keeps a teardown safe:
//!
//! - A CPU that has not answered an earlier teardown may still be migrating to a survivor of that
//!   teardown. So no teardown begins before every CPU has answered (`Hotplug::unanswered`).
//! - Masks are frozen and written before the first CPU is asked. The swap of the request word
//!   publishes the masks to that CPU.
//! - A CPU counts as off only if its own mark says that it leaves, and firmware says OFF. The mark
//!   alone is not enough: the CPU still runs on its way to CPU_OFF. AFFINITY_INFO alone is not
//!   enough either: firmware says OFF of a CPU that is still to come, too.
//! - What belonged to a CPU is moved or freed only when the CPU is off or parked: before, the CPU
//!   may still use it.

use alloc::vec::Vec;

use super::runner::Runner;
use super::state::CpuRequest;
use super::steps::{self, Section, Staying};
use super::{Failure, Hotplug, StepFailure, TeardownOutcome, Way, Why};
use crate::cpu::{CpuId, CpuMask, Survivors};
use crate::machine::{Affinity, Seam};
use crate::rcu::{How, Stall};
use crate::report::{Grace, TeardownMode};
use crate::sync::{StopState, Ticket};
use crate::trace::{Dir, Mark, Phase, Spans};

/// One teardown while it runs.
pub(super) struct TeardownRun<'a> {
    pub(super) hp: &'a Hotplug,
    pub(super) m: &'a dyn Seam,
    pub(super) graces: Grace,
    pub(super) survivors: Survivors,
    pub(super) spans: Spans,
    pub(super) stuck: Vec<Failure>,
    pub(super) noted: Vec<Failure>,
    pub(super) off: CpuMask,
}

impl Hotplug {
    /// Takes down the CPUs of `cpus` that are online; the boot CPU never leaves. Boot CPU only,
    /// one operation at a time.
    ///
    /// Parallel: if a step refuses, or a CPU does not answer before the stop_machine runs, all CPUs
    /// are brought back, the cause is named in `stuck`, and `off` is empty. Once the stop_machine
    /// runs, every CPU that can leave goes on leaving, and a CPU that does not is named. Serial:
    /// the first CPU that does not leave ends the teardown; the CPUs before that one are in `off`.
    /// Either way nothing begins while a CPU, leaving or not, still owes an answer to an earlier
    /// teardown; a CPU that owes an answer at the deadline is named.
    pub fn tear_down(&self, m: &dyn Seam, cpus: &CpuMask, way: impl Into<Way>) -> TeardownOutcome {
        let Way { mode, grace: graces } = way.into();
        let begin = m.now();
        let silent = self.await_answers(m);
        let online = self.online();
        let leaving = self.can_leave(cpus);
        let mut run = TeardownRun {
            hp: self,
            m,
            graces,
            survivors: Survivors::freeze(&online, &leaving),
            spans: Spans::default(),
            stuck: Vec::new(),
            noted: Vec::new(),
            off: CpuMask::new(),
        };
        run.freeze(&online, &leaving);
        match mode {
            _ if !silent.is_empty() => run.name_missing(&silent),
            _ if leaving.is_empty() || run.refused(&leaving) => {}
            TeardownMode::Serial => run.one_by_one(&leaving),
            TeardownMode::Parallel => run.all_at_once(&leaving),
        }
        if run.off != leaving {
            // The CPUs that did not leave are online as before.
            self.publish_view(*self.everybody_stays().mask());
        }
        let TeardownRun { spans, stuck, noted, off, .. } = run;
        TeardownOutcome { off, stuck, noted, spans, total: m.now() - begin }
    }

    /// CPUs beside the boot CPU that are up: ONLINE, or stayed behind at TEARDOWN_CPU in an earlier
    /// teardown.
    pub fn up(&self) -> CpuMask {
        self.can_leave(&CpuMask::first(self.cells.len()))
    }

    /// The CPUs of `cpus` that are ONLINE, or stayed behind at TEARDOWN_CPU in an earlier teardown.
    fn can_leave(&self, cpus: &CpuMask) -> CpuMask {
        let up = self.those_at(|mark| matches!(mark, Mark::Online | Mark::TeardownCpu));
        cpus.and(&up).and_not(&self.boot_mask())
    }

    /// CPUs that have not answered an earlier teardown. Such a CPU may still be migrating to the
    /// survivors of that teardown, so no CPU may leave now.
    pub(super) fn unanswered(&self) -> CpuMask {
        let asked = self.asked.get();
        if asked.is_empty() {
            return asked;
        }
        let owes = |&cpu: &CpuId| self.cell(cpu).owes_answer();
        let owing: CpuMask = asked.iter().filter(owes).collect();
        self.asked.set(&owing);
        if owing.is_empty() { owing } else { self.can_leave(&owing) }
    }

    /// The unanswered CPUs that may still leave. A CPU that was only asked to stand still stays:
    /// the stop_machine was for another CPU.
    pub(super) fn may_leave_yet(&self) -> CpuMask {
        let stands = |&cpu: &CpuId| matches!(self.cell(cpu).request(), CpuRequest::StandStill(_));
        self.unanswered().iter().filter(|cpu| !stands(cpu)).collect()
    }

    /// Waits until no CPU owes an answer; returns the CPUs that do at the deadline.
    fn await_answers(&self, m: &dyn Seam) -> CpuMask {
        // Usually the first look finds nothing owed. A late CPU sends no IPI when it has answered,
        // since its ticket is of an older operation: so this polls.
        let deadline = m.now() + m.ticks_from_ms(self.timeout_ms());
        let mut silent = CpuMask::EMPTY;
        self.poll(m, deadline, || {
            silent = self.unanswered();
            silent.is_empty()
        });
        silent
    }

    /// Asks AFFINITY_INFO about every CPU of `remaining` that has set its last mark before CPU_OFF,
    /// until each is DEAD or QUARANTINED, or the deadline passes; true if all are. Gives way between
    /// sweeps: in a guest the leaving CPUs need the host's cores to get to CPU_OFF.
    pub(super) fn sweep(&self, m: &dyn Seam, mut remaining: CpuMask, deadline: u64) -> bool {
        self.poll(m, deadline, || {
            remaining = remaining.iter().filter(|&cpu| !self.is_gone(m, cpu)).collect();
            remaining.is_empty()
        })
    }

    /// True once the CPU is off or parked; asks firmware, and sets DEAD if firmware says OFF. The CPU's
    /// timers, work and RCU callbacks may then be moved to a survivor.
    fn is_gone(&self, m: &dyn Seam, cpu: CpuId) -> bool {
        match self.mark(cpu) {
            Mark::Dead | Mark::Quarantined => true,
            // The CPU has not set its last mark, so it is not off. Firmware may say OFF of a CPU
            // that is still to come, but not of one on the way down.
            Mark::Online | Mark::TeardownCpu => false,
            _ if m.affinity_info(cpu) == Ok(Affinity::Off) => {
                self.dead(m, cpu);
                true
            }
            _ => false,
        }
    }
}

impl TeardownRun<'_> {
    /// Freezes the survivors, and writes the masks that the leaving CPUs read. No operation is
    /// under way.
    pub(super) fn freeze(&mut self, online: &CpuMask, leaving: &CpuMask) {
        self.survivors = Survivors::freeze(online, leaving);
        self.hp.survivors.set(&self.survivors);
    }

    /// Asks every step with a check about every leaving CPU; names the refusals. Nothing has
    /// changed yet.
    fn refused(&mut self, leaving: &CpuMask) -> bool {
        // All are asked, also after a refusal, so that a report names every reason at once.
        for (step, check) in steps::checks() {
            for cpu in leaving.iter() {
                let context = self.context(cpu);
                if let Err(error) = check(&context) {
                    let why = Why::Step(StepFailure { step, dir: Dir::Down, error });
                    self.stuck.push(Failure { cpu, mark: self.hp.mark(cpu), why });
                }
            }
        }
        !self.stuck.is_empty()
    }

    fn context(&self, cpu: CpuId) -> steps::StepContext<'_> {
        let staying = Staying::Known(&self.survivors);
        steps::StepContext { machine: self.m, cpu, staying, services: &self.hp.services }
    }

    /// Runs the shared steps down: what CPUs share moves to the survivors. False if a step refused;
    /// all is as before then.
    pub(super) fn share_out(&mut self, leaving: &CpuMask) -> bool {
        let (result, ticks) = self.hp.phase(self.m, Phase::Migrate, Dir::Down, || {
            let pen = self.hp.own_pen(self.m);
            Runner::all(self.hp, &pen, leaving, &self.survivors).down(Section::Shared, None)
        });
        self.spans.migrate += ticks;
        match result {
            // Not before: a teardown that is refused has changed nothing.
            Ok(()) => self.hp.publish_view(*self.survivors.mask()),
            Err(failure) => {
                let (cpu, why) = (self.hp.topology.boot(), Why::Step(failure));
                self.stuck.push(Failure { cpu, mark: self.hp.mark(cpu), why });
            }
        }
        result.is_ok()
    }

    /// Gives back what [`Self::share_out`] moved. The survivors are all CPUs that are online again.
    pub(super) fn share_again(&self, leaving: &CpuMask) {
        let back = leaving.and(&self.hp.online());
        let survivors = self.hp.everybody_stays();
        // A failure is ignored: what was moved stays with the survivors, where it works as well.
        let pen = self.hp.own_pen(self.m);
        let _ = Runner::all(self.hp, &pen, &back, &survivors).up(Section::Shared);
    }

    /// Waits until the stop_machine runs. False if it was called off: by a refusal, or by this CPU
    /// at the deadline.
    pub(super) fn await_run(&mut self, ticket: Ticket) -> bool {
        let (hp, m) = (self.hp, self.m);
        let deadline = m.now() + m.ticks_from_ms(hp.timeout_ms());
        for state in [StopState::Prepare, StopState::DisableIrq] {
            hp.oversee(m, ticket, state, deadline);
        }
        // Does nothing if the stop_machine runs by now: the exchange decides between the last
        // acknowledgement and this.
        let hung = hp.stop.call_off(ticket);
        if let Some(state) = hung {
            hp.wake_sleepers(m);
            self.name_those_before(ticket, state);
        }
        matches!(hp.stop.state(ticket), StopState::Run | StopState::Exit)
    }

    /// Brings all leaving CPUs back to ONLINE, and names the CPUs that do not get there. The
    /// `silent` CPUs have had their deadline: each is asked too, with no ticket, and is not waited
    /// for.
    pub(super) fn call_off(&mut self, leaving: &CpuMask, silent: &CpuMask) {
        let present = leaving.and_not(silent);
        let ticket = self.hp.latch.open(present.len());
        // An arrival with that ticket counts for nothing.
        self.ask(silent, CpuRequest::Return(Ticket::NONE));
        self.ask(&present, CpuRequest::Return(ticket));
        self.wait(ticket);
        self.name_those_not_at(Mark::Online, &present);
    }

    /// One sweep over AFFINITY_INFO for all CPUs that were stopped.
    pub(super) fn off(&mut self, stopped: &CpuMask, ticket: Ticket) {
        let (hp, m) = (self.hp, self.m);
        let deadline = m.now() + m.ticks_from_ms(hp.timeout_ms());
        let (_, ticks) = hp.phase(m, Phase::Off, Dir::Down, || {
            // A few looks at the state first: where CPUs share a hardware thread, the leaving CPUs
            // need that thread. Then AFFINITY_INFO, which is a call of firmware for each CPU.
            hp.give_way(m, ticket, StopState::Run);
            let gone = hp.sweep(m, *stopped, hp.soon(m, deadline));
            // A CPU that still sleeps in the stop_machine may have missed its IPI (`wake_all`).
            if !gone {
                hp.wake_all(m, ticket);
                hp.sweep(m, *stopped, deadline);
            }
        });
        self.spans.off += ticks;
        self.verdicts(stopped);
        // A CPU that is off answers nothing any more.
        hp.asked.remove(&self.off);
    }

    /// Waits for a grace period: after this no reader acts on the online view of before.
    pub(super) fn grace(&mut self, how: How) -> Result<(), Stall> {
        let (hp, m) = (self.hp, self.m);
        // A CPU that has not left may be reading, and has had its deadline: no more patience then. A
        // CPU that is parked reads nothing, and one whose step refused has answered.
        let answered = |failure: &Failure| matches!(failure.why, Why::OffDenied | Why::Step(_));
        let patience = if self.stuck.iter().all(answered) { hp.timeout_ms() } else { 0 };
        let deadline = m.now() + m.ticks_from_ms(patience);
        let (result, ticks) = hp.phase(m, Phase::Grace, Dir::Down, || {
            let begin = m.now();
            let over = hp.services.rcu.synchronize(m, hp.topology.boot(), how, deadline);
            over.inspect(|()| hp.await_tick(m, begin))
        });
        self.spans.grace += ticks;
        result
    }

    /// What is left to do for CPUs that have left together: a grace period, or one for each of them,
    /// and the clean-up. A reader that holds one up is noted, and no further one is waited for: the
    /// CPUs are off.
    pub(super) fn finish(&mut self, stopped: &CpuMask, how: How) {
        let times = if self.graces == Grace::Each { stopped.len() } else { 1 };
        for _ in 0..times {
            if let Err(stall) = self.grace(how) {
                let readers = self.readers(&stall);
                self.noted.extend(readers);
                break;
            }
        }
        self.clean_up(stopped);
    }

    /// The prepare section down for the dead of `stopped`, in bulk.
    pub(super) fn clean_up(&mut self, stopped: &CpuMask) {
        let dead = stopped.and(&self.off);
        // Also for the CPUs that have parked since an earlier sweep: no other operation takes their
        // timers, work and callbacks over.
        let gone = self.hp.those_at(|mark| mark == Mark::Quarantined).or(&dead);
        let (result, ticks) = self.hp.phase(self.m, Phase::DeadWork, Dir::Down, || {
            self.hp.clean_up_dead(self.m, &dead, &gone, &self.survivors)
        });
        self.spans.dead += ticks;
        // The CPUs are off: a failing prepare teardown can't bring them back.
        if let Err((cpu, failure)) = result {
            self.noted.push(Failure { cpu, mark: self.hp.mark(cpu), why: Why::Step(failure) });
        }
    }

    /// Writes the request of each CPU, then sends one IPI to all. A CPU that is about to sleep
    /// finds the IPI pending, so no request is slept over.
    pub(super) fn ask(&self, cpus: &CpuMask, request: CpuRequest) {
        self.hp.asked.insert(cpus);
        for cpu in cpus.iter() {
            let remote = self.hp.cell(cpu).remote();
            // A new departure: what failed before is not its failure. A Return keeps the failure,
            // which says why the teardown was called off.
            if matches!(request, CpuRequest::Stop(_) | CpuRequest::Leave(_)) {
                remote.clear_failure();
            }
            remote.ask(request);
        }
        self.m.wake(cpus);
    }

    /// Sleeps until all CPUs of the latch have arrived; false at the deadline.
    pub(super) fn wait(&self, ticket: Ticket) -> bool {
        let deadline = self.m.now() + self.m.ticks_from_ms(self.hp.timeout_ms());
        self.hp.wait_until(self.m, deadline, || self.hp.latch.complete(ticket))
    }
}
