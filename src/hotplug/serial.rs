//! Taking CPUs down one after another, as Linux does: each CPU through all its steps, with its own
//! migration, its own grace period, its own stop_machine over all CPUs that are online, and its own
//! wait for OFF, before the next CPU begins. This is the way that the parallel one is compared
//! with, so it wastes nothing beyond that.

use super::Why;
use super::state::CpuRequest;
use super::teardown::TeardownRun;
use crate::cpu::{CpuId, CpuMask};
use crate::rcu::How;
use crate::report::Grace;
use crate::sync::{StopState, Ticket};
use crate::trace::{Dir, Mark, Phase};

impl TeardownRun<'_> {
    pub(super) fn one_by_one(&mut self, leaving: &CpuMask) {
        let mut stopped = CpuMask::new();
        for cpu in leaving.iter() {
            if !self.one(cpu, &mut stopped) {
                break;
            }
        }
        if self.graces == Grace::Once && !stopped.is_empty() {
            self.finish(&stopped, How::Normal);
        }
    }

    /// One CPU, from its shared steps to its clean-up. False if the CPU did not leave: the CPUs
    /// after this one stay, as in Linux.
    ///
    /// The grace period comes while the CPU can still be brought back: a reader that holds it up
    /// ends the teardown, and the CPU returns. With one grace period for all, that and the clean-up
    /// come when the last CPU has left.
    fn one(&mut self, cpu: CpuId, stopped: &mut CpuMask) -> bool {
        let only = CpuMask::from_iter([cpu]);
        // Each CPU has survivors of its own: all that are online but this one.
        self.freeze(&self.hp.online(), &only);
        if !self.share_out(&only) {
            return false;
        }
        // Up to the stop_machine each failure brings the CPU back.
        if !self.leave_online(&only) {
            return self.stays(&only);
        }
        let each = self.graces == Grace::Each;
        if each && let Err(stall) = self.grace(How::Normal) {
            let readers = self.readers(&stall);
            self.stuck.extend(readers);
            return self.stays(&only);
        }
        let Some(ticket) = self.stop_among_others(cpu) else { return self.stays(&only) };
        self.off(&only, ticket);
        stopped.insert(cpu);
        if each {
            self.clean_up(&only);
        }
        // A parked CPU takes no part any more, and can't keep the others from leaving.
        self.stuck.iter().all(|failure| failure.why == Why::OffDenied)
    }

    /// Brings the CPU back to ONLINE, with what it shares. Always false, for the caller to return.
    fn stays(&mut self, only: &CpuMask) -> bool {
        let silent = self.silent();
        self.call_off(only, &silent);
        self.share_again(only);
        false
    }

    /// Online steps of one CPU down. False if a step refused or the CPU did not answer.
    fn leave_online(&mut self, only: &CpuMask) -> bool {
        let ticket = self.hp.latch.open(1);
        let (_, ticks) = self.hp.phase(self.m, Phase::OnlineDown, Dir::Down, || {
            self.ask(only, CpuRequest::Leave(ticket));
            self.wait(ticket)
        });
        self.spans.online_down += ticks;
        self.name_those_not_at(Mark::TeardownCpu, only)
    }

    /// stop_machine for one CPU: all others stand still until its dying steps are done. `None` if a
    /// CPU did not come.
    fn stop_among_others(&mut self, cpu: CpuId) -> Option<Ticket> {
        let (hp, m) = (self.hp, self.m);
        // The leaving CPU is at TEARDOWN_CPU, and so is not among these. The boot CPU takes no
        // part: it only looks on, and calls the operation off at the deadline.
        let others = hp.online().and_not(&hp.boot_mask());
        let begin = m.now();
        let ticket = hp.stop.open(others.len() + 1);
        self.ask(&others, CpuRequest::StandStill(ticket));
        self.ask(&CpuMask::from_iter([cpu]), CpuRequest::Stop(ticket));
        let runs = self.await_run(ticket);
        if runs {
            self.release(ticket);
        }
        let end = m.now();
        hp.record_phase(m, Phase::Stop, Dir::Down, begin, end);
        self.spans.stop += end - begin;
        runs.then_some(ticket)
    }

    /// Lets the CPUs that stand still go on, once the dying steps are done or the deadline has
    /// passed.
    fn release(&self, ticket: Ticket) {
        let (hp, m) = (self.hp, self.m);
        let deadline = m.now() + m.ticks_from_ms(hp.timeout_ms());
        // The leaving CPU sends no IPI at the end of RUN, since its GIC is down: so this looks, and
        // wakes the CPUs that stand still.
        hp.give_way(m, ticket, StopState::Run);
        let over = || hp.stop.state(ticket) != StopState::Run;
        if !hp.poll(m, hp.soon(m, deadline), over) {
            hp.wake_all(m, ticket);
            hp.poll(m, deadline, over);
        }
        hp.stop.finish(ticket);
        hp.wake_sleepers(m);
    }
}
