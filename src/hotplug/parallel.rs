//! Taking CPUs down all at once: shared steps, one stop_machine, one sweep, one grace period, one
//! clean-up. If none of the leaving CPUs can refuse or has to wait for another one, the
//! stop_machine starts in RUN: the CPUs do not assemble, and each leaves as soon as it can.
//!
//! Why the CPUs assemble at all: a teardown that one CPU refuses brings all others back, and only a
//! CPU that still runs can be brought back by a request. So no CPU may undo its starting steps
//! before every CPU has undone its online steps. Where no step can refuse, the answer is known, and
//! the wait would cost each CPU a second wake-up.

use super::Hotplug;
use super::state::CpuRequest;
use super::steps::{self, Act, STEPS, Section};
use super::teardown::TeardownRun;
use crate::cpu::CpuMask;
use crate::rcu::How;
use crate::sync::{StopState, Ticket};
use crate::trace::{Dir, Phase, StepId};

impl Hotplug {
    /// True if a CPU that is asked to leave could refuse, or could have to wait for another one in
    /// an exclusive step. All leaving CPUs assemble then before the first one turns itself off.
    fn can_refuse(&self) -> bool {
        let fails = |i: usize| matches!(STEPS[i].down, Act::Each(_));
        let waits = |i: usize| self.is_exclusive(StepId(i as u8), &STEPS[i]);
        self.faults.any() || steps::of(Section::Online).any(|i| fails(i) || waits(i))
    }
}

impl TeardownRun<'_> {
    pub(super) fn all_at_once(&mut self, leaving: &CpuMask) {
        if !self.share_out(leaving) {
            return;
        }
        let Some(ticket) = self.set_off(leaving) else { return };
        self.off(leaving, ticket);
        // CPUs that did not answer are named by now. If such a CPU wakes up after all, it finds the
        // request to return, or the operation over.
        self.withdraw(&self.silent(), ticket);
        // One grace period for all leaving CPUs, whatever their number, if not asked otherwise.
        self.finish(leaving, How::Expedited);
    }

    /// Stops all leaving CPUs. `None` if one refused or did not answer, and the others are back.
    ///
    /// RUN is the point of no return of each CPU: from then on a failure is noted, and changes
    /// nothing.
    fn set_off(&mut self, leaving: &CpuMask) -> Option<Ticket> {
        if !self.hp.can_refuse() {
            return Some(self.let_go(leaving));
        }
        let begin = self.m.now();
        let ticket = self.hp.stop.open(leaving.len());
        self.ask(leaving, CpuRequest::Stop(ticket));
        let runs = self.await_run(ticket);
        self.span_until_run(begin);
        if !runs {
            self.take_back(leaving);
        }
        runs.then_some(ticket)
    }

    /// The stop_machine runs from the start, so each CPU leaves at once. A few looks here give most
    /// CPUs the time for all their steps; the sweep waits for the rest.
    fn let_go(&mut self, leaving: &CpuMask) -> Ticket {
        let (hp, m) = (self.hp, self.m);
        let ticket = hp.stop.open_running(leaving.len());
        let (_, ticks) = hp.phase(m, Phase::OnlineDown, Dir::Down, || {
            self.ask(leaving, CpuRequest::Stop(ticket));
            hp.give_way(m, ticket, StopState::Run);
        });
        self.spans.online_down += ticks;
        ticket
    }

    /// Ends the stop_machine, and tells each CPU that did not answer to stay, should that CPU wake
    /// up after all.
    fn withdraw(&self, silent: &CpuMask, ticket: Ticket) {
        self.hp.stop.finish(ticket);
        self.ask(silent, CpuRequest::Return(Ticket::NONE));
    }

    /// Splits the time into undoing the online steps and stopping, at the moment when the last CPU
    /// had assembled.
    fn span_until_run(&mut self, begin: u64) {
        let end = self.m.now();
        // The last CPU to assemble advances the state before that CPU notes the time: the time may
        // not be there yet.
        let noted = self.hp.assembled_at();
        let assembled = if (begin..=end).contains(&noted) { noted } else { end };
        self.hp.record_phase(self.m, Phase::OnlineDown, Dir::Down, begin, assembled);
        self.hp.record_phase(self.m, Phase::Stop, Dir::Down, assembled, end);
        self.spans.online_down += assembled - begin;
        self.spans.stop += end - assembled;
    }

    /// The stop_machine was called off: names the CPUs that refused, and brings all of them back.
    fn take_back(&mut self, leaving: &CpuMask) {
        // Those that `await_run` has named as missing.
        let silent = self.silent();
        self.name_refusals(leaving);
        self.call_off(leaving, &silent);
        self.share_again(leaving);
    }
}
