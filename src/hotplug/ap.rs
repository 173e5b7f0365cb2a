//! A secondary CPU's life, from its first Rust instruction to its last.
//!
//! What is true on entry: MMU and caches on, its own stacks and per-CPU area, interrupts masked,
//! GIC not touched. What this establishes: every step of the table done in order, then the work
//! loop; and on the way out every step undone, so that CPU_OFF is the only thing left to do.
//!
//! At each mark on the way up the boot CPU may have given this start up. The CPU finds out by the
//! exchange that fails, undoes the steps done so far, and returns [`ApNext::Off`]; its mark stays
//! SHOULD_DIE.
//!
//! Sending an IPI needs this CPU's GIC, which is up from the step `gic:starting` on the way up to
//! the same step on the way down. Outside of that the CPU only changes words, and the boot CPU
//! looks at them now and then.

use super::fault;
use super::pen::Pen;
use super::runner::Runner;
use super::state::{CpuRequest, LocalCell};
use super::steps::{Section, Staying};
use super::{Hotplug, StepFailure};
use crate::cpu::CpuId;
use crate::machine::Seam;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{StopState, Ticket};
use crate::trace::{Dir, Mark};

/// What the CPU has to do after [`Hotplug::secondary`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ApNext {
    /// Call CPU_OFF. If that returns, call [`Hotplug::off_denied`] and park.
    Off,
    /// Call [`Hotplug::off_denied`] and park, as if CPU_OFF had been denied.
    Park,
}

/// The last store that a CPU makes to memory, with release ordering: pairs with the acquire load of
/// `CpuCell::mark` on the boot CPU.
pub struct LastWord<'a> {
    /// Where.
    pub word: &'a AtomicU64,
    /// What.
    pub value: u64,
}

impl LastWord<'_> {
    /// Makes the store, for a machine whose CPU may go on using memory after that (tests).
    pub fn say(self) {
        // Release: pairs with `CpuCell::mark` on the boot CPU.
        self.word.store(self.value, Ordering::Release);
    }
}

struct Ap<'a> {
    hp: &'a Hotplug,
    m: &'a dyn Seam,
    cpu: CpuId,
    local: LocalCell<'a>,
    pen: Pen<'a>,
}

impl Hotplug {
    /// The whole life of a secondary CPU. `start` is the number of this start, from its boot
    /// record. Called once per start, on that CPU.
    pub fn secondary(&self, m: &dyn Seam, cpu: CpuId, start: u32) -> ApNext {
        let (local, pen) = (self.cell(cpu).local(start), Pen::new(m, cpu, self.generation));
        let ap = Ap { hp: self, m, cpu, local, pen };
        if ap.come_up() {
            ap.work();
        }
        ap.last_act()
    }

    /// CPU_OFF returned, on this CPU: firmware denied, and this CPU parks for good.
    ///
    /// The caller sets the mark, as this CPU's last access to memory: once the boot CPU sees
    /// QUARANTINED, the stack and everything else that this CPU has run on may be given away.
    pub fn off_denied(&self, m: &dyn Seam, cpu: CpuId, start: u32) -> LastWord<'_> {
        self.trace_mark(m, cpu, Mark::Quarantined, Dir::Down);
        self.cell(cpu).local(start).last_word(Mark::Quarantined)
    }
}

impl Ap<'_> {
    /// Up through the marks. False if this CPU has to turn itself off again, with every step
    /// undone.
    fn come_up(&self) -> bool {
        let CpuRequest::Come(ticket) = self.local.request() else { return false };
        // From here on the boot CPU knows that the CPU runs this kernel's Rust code.
        if !self.advance(Mark::Kicked, Mark::Alive) {
            return false; // late: the boot CPU has given this start up
        }
        // Before its own steps: the earlier the other CPUs are started, the more runs at once.
        self.hp.help_kick(self.m, ticket);
        self.advance(Mark::Alive, Mark::ApOffline) && self.starting(ticket)
    }

    fn starting(&self, ticket: Ticket) -> bool {
        // The section has undone its steps already if it fails.
        let runner = self.runner();
        if let Err(failure) = runner.up(Section::Starting) {
            self.failed(Mark::ApOffline, failure, ticket);
            return false;
        }
        if !self.advance(Mark::ApOffline, Mark::ApOnline) {
            self.dying();
            return false;
        }
        self.online(ticket, &runner)
    }

    fn online(&self, ticket: Ticket, runner: &Runner<'_>) -> bool {
        if let Err(failure) = runner.up(Section::Online) {
            self.dying();
            self.failed(Mark::ApOnline, failure, ticket);
            return false;
        }
        // Before ONLINE: a CPU that is ONLINE owes no answer (`Hotplug::unanswered`).
        self.local.served(CpuRequest::Come(ticket));
        let up = self.advance(Mark::ApOnline, Mark::Online);
        if up {
            self.arrive(ticket);
        } else {
            // The boot CPU gave this CPU up when the deadline passed. This CPU must turn itself
            // off; a teardown step that fails can't keep it.
            let _ = runner.down_all(Section::Online, None);
            self.dying();
        }
        up
    }

    /// Serves requests until the request word says to stop.
    fn work(&self) {
        loop {
            let (word, request) = self.local.request_word();
            // A sleep that a new request has ended leaves interrupts masked. They stay masked for
            // Stop, so that no handler runs on a CPU that leaves at once.
            if !matches!(request, CpuRequest::Stop(_)) {
                self.m.resume();
            }
            match request {
                CpuRequest::Stay | CpuRequest::Come(_) => self.breathe(word),
                CpuRequest::Leave(ticket) => self.leave(ticket),
                CpuRequest::Return(ticket) => self.come_back(ticket),
                CpuRequest::StandStill(ticket) => self.stand_still(ticket),
                CpuRequest::Stop(ticket) => {
                    if self.stop(ticket) {
                        return;
                    }
                }
            }
        }
    }

    /// Sleeps until the request word changes, an interrupt arrives, or the next timer or callback
    /// is due. If the word has changed when the sleep ends, no interrupt is served here:
    /// [`Self::work`] unmasks interrupts first unless the request is to stop, and what is still
    /// pending then goes when the GIC CPU interface closes.
    fn breathe(&self, quiet: u64) {
        let word = self.local.watch();
        self.hp.services.breathe_with(self.m, self.cpu, |deadline| {
            self.m.wait_unless(word, quiet, deadline);
        });
    }

    /// Leave, in a serial teardown: undoes the online steps and waits. The CPU arrives at the latch
    /// in any case; the boot CPU learns from the mark whether a step has refused.
    fn leave(&self, ticket: Ticket) {
        // This CPU may be at TEARDOWN_CPU already, from an operation that got no further.
        if self.hp.mark(self.cpu) == Mark::Online {
            self.undo_online();
        }
        self.local.served(CpuRequest::Leave(ticket));
        self.arrive(ticket);
    }

    /// Return: the teardown was called off. A CPU at TEARDOWN_CPU redoes its online steps; if one
    /// of these fails, the CPU stays at TEARDOWN_CPU, and a later teardown can take it down from
    /// there.
    fn come_back(&self, ticket: Ticket) {
        if self.hp.mark(self.cpu) == Mark::TeardownCpu {
            match self.runner().up(Section::Online) {
                Ok(()) => {
                    self.pen.mark(Mark::Online, Dir::Up);
                    self.set(Mark::Online);
                }
                Err(failure) => self.failed_and_stays(failure),
            }
        } else {
            // This CPU stayed at ONLINE. Its cluster may have become vacant: the owner left when
            // all other CPUs of the cluster were about to leave. This CPU becomes the owner then.
            self.hp.services.pmu.cpu_online(self.m, self.cpu);
        }
        self.local.served(CpuRequest::Return(ticket));
        self.arrive(ticket);
    }

    /// Takes part in the stop_machine that stops another CPU: interrupts are off from DISABLE_IRQ
    /// to EXIT.
    fn stand_still(&self, ticket: Ticket) {
        // Any other state means that the operation was called off: nothing has to be undone.
        if self.pass(ticket, StopState::Prepare) == StopState::DisableIrq {
            self.m.interrupts(false);
            if self.pass(ticket, StopState::DisableIrq) == StopState::Run {
                self.pass(ticket, StopState::Run);
            }
            self.m.interrupts(true);
        }
        self.local.served(CpuRequest::StandStill(ticket));
    }

    /// Out of all steps, together with the other leaving CPUs. False if this CPU stays: one of its
    /// own steps refused, or the stop_machine was called off.
    fn stop(&self, ticket: Ticket) -> bool {
        let runner = self.runner();
        // The operation was opened in RUN: no CPU can refuse, so this one need not assemble.
        if self.hp.stop.state(ticket) == StopState::Run {
            self.leave_online_for_good(&runner);
        } else if !self.assemble(ticket) {
            // This CPU may be at TEARDOWN_CPU; the boot CPU asks it to return.
            self.local.served(CpuRequest::Stop(ticket));
            return false;
        }
        self.die(&runner, Some(Mark::ApIdleDead));
        // No IPI to the sleepers: this CPU's GIC is down. The boot CPU polls for the end of RUN,
        // and wakes the CPUs that stand still (`wake_sleepers`).
        self.hp.stop.ack(ticket, StopState::Run);
        true
    }

    /// Undoes the online steps and waits until all CPUs have assembled. False if this CPU stays.
    fn assemble(&self, ticket: Ticket) -> bool {
        let ready = self.is_ready_to_stop();
        // Before the acknowledgement: a CPU that has acknowledged is never named as missing.
        self.local.acks(ticket, StopState::Prepare);
        if !ready {
            let acked = self.hp.stop.refuse(ticket);
            self.hp.after_ack(self.m, acked);
            return false;
        }
        // Interrupts are off since the online steps were undone, so this CPU is deaf to
        // DISABLE_IRQ.
        match self.hp.pass_deaf(self.m, self.cpu, ticket) {
            // In a serial teardown other CPUs stand still, with interrupts on until now.
            StopState::DisableIrq => self.pass(ticket, StopState::DisableIrq) == StopState::Run,
            state => state == StopState::Run,
        }
    }

    /// Undoes the online steps, unless that is done. The stop_machine runs, so this CPU can't be
    /// called back: a step that fails is noted, and the CPU goes on leaving.
    fn leave_online_for_good(&self, runner: &Runner<'_>) {
        if self.hp.mark(self.cpu) == Mark::Online {
            let done = runner.down_all(Section::Online, Some(Mark::TeardownCpu));
            done.unwrap_or_else(|failure| self.local.fail(failure));
            self.set(Mark::TeardownCpu);
        }
    }

    /// Undoes the online steps, unless that is done. False if a step failed.
    fn is_ready_to_stop(&self) -> bool {
        if self.hp.mark(self.cpu) == Mark::TeardownCpu {
            return true;
        }
        self.undo_online()
    }

    fn undo_online(&self) -> bool {
        match self.runner().down(Section::Online, Some(Mark::TeardownCpu)) {
            Ok(()) => self.set(Mark::TeardownCpu),
            Err(failure) => self.failed_and_stays(failure),
        }
        self.local.failure().is_none()
    }

    /// Acknowledges a state of the stop_machine; returns the state that follows.
    fn pass(&self, ticket: Ticket, state: StopState) -> StopState {
        self.local.acks(ticket, state);
        self.hp.pass(self.m, self.cpu, ticket, state)
    }

    fn dying(&self) {
        self.die(&self.runner(), None);
    }

    /// Undoes the starting steps, then sets the mark if the caller names one. A step that fails
    /// does not keep the CPU from CPU_OFF; only the first failure of an operation is kept.
    #[inline]
    fn die(&self, runner: &Runner<'_>, mark: Option<Mark>) {
        if let Err(failure) = runner.down_all(Section::Starting, mark)
            && self.local.failure().is_none()
        {
            self.local.fail(failure);
        }
        mark.into_iter().for_each(|mark| self.local.set(mark));
    }

    fn runner(&self) -> Runner<'_> {
        Runner::one(self.hp, &self.pen, self.cpu, Staying::Frozen(&self.hp.survivors))
    }

    /// Notes a step that failed on a CPU that stays, and goes on with something else.
    fn failed_and_stays(&self, failure: StepFailure) {
        self.pen.lift();
        self.local.fail(failure);
    }

    fn last_act(&self) -> ApNext {
        let dead = self.hp.mark(self.cpu) == Mark::ApIdleDead;
        if dead && self.hp.faults.hit(fault::OFF, self.cpu, Dir::Down) {
            return ApNext::Park;
        }
        ApNext::Off
    }

    /// A step failed on the way up, and every step is undone: notes the failure, moves to
    /// AP_IDLE_DEAD and arrives at the latch. No IPI: this CPU's GIC is down, and the boot CPU
    /// looks again within [`LOOK_AGAIN_MS`](super::LOOK_AGAIN_MS).
    fn failed(&self, at: Mark, failure: StepFailure, ticket: Ticket) {
        self.local.fail(failure);
        if self.advance(at, Mark::ApIdleDead) {
            self.hp.latch.arrive(ticket);
        }
    }

    fn advance(&self, from: Mark, to: Mark) -> bool {
        let now = if matches!(to, Mark::Alive | Mark::Online) { self.m.now() } else { 0 };
        let moved = self.local.advance(from, to, now).is_ok();
        if moved {
            self.pen.mark(to, Dir::Up);
            if to == Mark::Online {
                self.hp.tell(self.cpu, self.cpu, to);
            }
        }
        moved
    }

    /// Sets a mark that the trace holds already: a section that ends with a mark records the mark.
    fn set(&self, mark: Mark) {
        self.local.set(mark);
        self.hp.tell(self.cpu, self.cpu, mark);
    }

    /// Arrives at the latch; the last CPU to do so ends the boot CPU's sleep.
    fn arrive(&self, ticket: Ticket) {
        if self.hp.latch.arrive(ticket) {
            self.m.wake(&self.hp.boot_mask());
        }
    }
}
