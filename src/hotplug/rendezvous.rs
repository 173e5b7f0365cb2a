//! How CPUs wait for each other in a stop_machine: a few looks first, then sleep.
//!
//! The looks matter where CPUs share a hardware thread, as in a guest: giving way lets the other
//! CPUs arrive, and a CPU that finds the state changed needs no IPI.
//!
//! How no wake-up is lost: a CPU that is about to sleep enters itself among the sleepers
//! (`falls_asleep`), then looks at the state once more, then sleeps. The CPU that changes the state
//! does so first, then takes the set of sleepers, then sends the IPIs. Either the set names the
//! sleeper, or the sleeper's last look sees the change. An IPI that comes between that look and the
//! sleep stays pending, and ends the sleep at once.
//!
//! How a lost CPU does not keep the others asleep: the boot CPU looks every [`LOOK_AGAIN_MS`], and
//! wakes the CPUs itself; at the deadline it calls the operation off.

use super::state::CpuRequest;
use super::{Hotplug, LOOK_AGAIN_MS};
use crate::cpu::{CpuId, CpuMask};
use crate::machine::Seam;
use crate::sync::{Acked, StopState, Ticket};
use crate::trace::Mark;

/// Looks before a CPU sleeps.
const LOOKS: usize = 4;

impl Hotplug {
    /// Acknowledges a state. `cpu` is the calling CPU. Returns the state that follows.
    pub(super) fn pass(
        &self,
        m: &dyn Seam,
        cpu: CpuId,
        ticket: Ticket,
        state: StopState,
    ) -> StopState {
        self.passed(m, cpu, ticket, state, self.stop.ack(ticket, state))
    }

    /// The same for PREPARE, by a CPU whose interrupts are off.
    pub(super) fn pass_deaf(&self, m: &dyn Seam, cpu: CpuId, ticket: Ticket) -> StopState {
        self.passed(m, cpu, ticket, StopState::Prepare, self.stop.ack_deaf(ticket))
    }

    fn passed(
        &self,
        m: &dyn Seam,
        cpu: CpuId,
        ticket: Ticket,
        state: StopState,
        acked: Acked,
    ) -> StopState {
        // First the IPIs: the sleepers wake while this CPU goes on.
        self.after_ack(m, acked);
        match acked {
            Acked::Advanced(next) => next,
            Acked::Over => StopState::CalledOff,
            Acked::Waiting => {
                self.await_change(m, cpu, ticket, state);
                self.stop.state(ticket)
            }
        }
    }

    /// If an acknowledgement has changed the state, wakes the CPUs that sleep for the change. The
    /// last CPU to assemble notes the time.
    pub(super) fn after_ack(&self, m: &dyn Seam, acked: Acked) {
        let Acked::Advanced(to) = acked else { return };
        if matches!(to, StopState::DisableIrq | StopState::Run) {
            self.note_assembled(m.now());
        }
        self.wake_sleepers(m);
    }

    /// Sends an IPI to each CPU that sleeps for a change of the state; the set is empty after that.
    pub(super) fn wake_sleepers(&self, m: &dyn Seam) {
        let sleepers = self.stop.sleepers();
        if !sleepers.is_empty() {
            m.wake(&sleepers);
        }
    }

    /// Wakes every CPU that takes part, has not answered and has not died. A CPU that was lost
    /// between [`sleepers`](crate::sync::StopMachine::sleepers), which clears the set, and the IPI
    /// has left sleepers that no set names any more. Boot CPU, when the state does not change.
    pub(super) fn wake_all(&self, m: &dyn Seam, ticket: Ticket) {
        let alive = |&cpu: &CpuId| self.mark(cpu) != Mark::ApIdleDead;
        let asleep: CpuMask = self.asked(ticket).iter().filter(alive).collect();
        m.wake(&asleep);
    }

    /// When the boot CPU sends the IPIs of [`Self::wake_all`] if nothing has changed.
    pub(super) fn soon(&self, m: &dyn Seam, deadline: u64) -> u64 {
        deadline.min(m.now() + m.ticks_from_ms(LOOK_AGAIN_MS))
    }

    /// The CPUs that were asked to take part and have not answered.
    pub(super) fn asked(&self, ticket: Ticket) -> CpuMask {
        let ours = [CpuRequest::Stop(ticket), CpuRequest::StandStill(ticket)];
        self.topology.cpus().filter(|&cpu| ours.contains(&self.cell(cpu).request())).collect()
    }

    /// Sleeps until the state is not `state` any more. The CPU that changes the state wakes the
    /// sleepers.
    fn await_change(&self, m: &dyn Seam, cpu: CpuId, ticket: Ticket, state: StopState) {
        if self.give_way(m, ticket, state) {
            return;
        }
        // No deadline here: the boot CPU keeps that of the operation, and changes the state then.
        loop {
            self.stop.falls_asleep(cpu);
            if self.stop.state(ticket) != state {
                return;
            }
            self.services.idle(m, cpu, None);
        }
    }

    /// Sleeps until the state is not `state` any more, or the deadline passes. Boot CPU. Every
    /// [`LOOK_AGAIN_MS`] the boot CPU wakes the sleepers too: the CPU whose duty that was may be
    /// lost.
    pub(super) fn oversee(&self, m: &dyn Seam, ticket: Ticket, state: StopState, deadline: u64) {
        if self.give_way(m, ticket, state) {
            return;
        }
        loop {
            self.stop.falls_asleep(self.topology.boot());
            let now = m.now();
            if self.stop.state(ticket) != state || now >= deadline {
                return;
            }
            let look_again = now + m.ticks_from_ms(LOOK_AGAIN_MS);
            self.services.idle(m, self.topology.boot(), Some(look_again.min(deadline)));
            if m.now() >= look_again {
                self.wake_all(m, ticket);
            }
        }
    }

    /// Looks a few times, giving way to other CPUs between the looks. True if the state is not
    /// `state` any more.
    pub(super) fn give_way(&self, m: &dyn Seam, ticket: Ticket, state: StopState) -> bool {
        for _ in 0..LOOKS {
            if self.stop.state(ticket) != state {
                return true;
            }
            let (word, seen) = self.stop.watch(ticket, state);
            m.look_again(word, seen);
        }
        self.stop.state(ticket) != state
    }
}
