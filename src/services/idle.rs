//! The loop of a CPU that has nothing else to do: one round of it.

use super::Services;
use crate::cpu::CpuId;
use crate::machine::Seam;

impl Services {
    /// One round of a CPU that has nothing else to do: what is due, then sleep until something is.
    /// The CPU itself, in ordinary context, no read side open.
    pub fn breathe(&self, m: &dyn Seam, cpu: CpuId) {
        self.breathe_with(m, cpu, |deadline| m.wait(deadline));
    }

    /// [`Self::breathe`] with the caller's own way to sleep, which is given the tick of the next
    /// timer or callback. Running a tenant is such a way, too.
    pub fn breathe_with(&self, m: &dyn Seam, cpu: CpuId, sleep: impl FnOnce(Option<u64>)) {
        let ran = self.run_due(m, cpu);
        // A timer, item or callback that ran may have slept, and that sleep may have consumed the
        // IPI for a new request to this CPU. So there is no sleep here after one ran: the caller
        // looks at its request word first.
        if ran == 0 && self.work.is_empty(cpu) {
            let deadlines = [self.timers.next(cpu), self.rcu.next_wake(m, cpu)];
            self.idle_with(cpu, || sleep(deadlines.into_iter().flatten().min()));
        }
    }

    /// Runs the timers, work, callbacks and cluster requests of a CPU that are due; returns how
    /// many of the first three have run. The CPU itself, in ordinary context; a quiescent state.
    pub fn run_due(&self, m: &dyn Seam, cpu: CpuId) -> usize {
        // Without this, a CPU that always has something to do would never be idle, and count as a
        // reader for ever.
        self.rcu.quiescent(cpu);
        let timers = self.timers.run_due(m, cpu);
        let items = self.work.run(m, cpu);
        let callbacks = self.rcu.run_ready(m, cpu);
        self.pmu.serve(m, cpu);
        timers + items + callbacks
    }

    /// [`wait`](crate::machine::Clock::wait); no grace period waits for this CPU meanwhile.
    /// The CPU itself, in ordinary context, no read side open.
    pub fn idle(&self, m: &dyn Seam, cpu: CpuId, deadline: Option<u64>) {
        self.idle_with(cpu, || m.wait(deadline));
    }

    fn idle_with(&self, cpu: CpuId, sleep: impl FnOnce()) {
        let entered = self.rcu.idle_enter(cpu);
        sleep();
        if entered {
            self.rcu.idle_exit(cpu);
        }
    }
}
