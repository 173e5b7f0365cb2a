//! Steps that may run on one CPU at a time. Each such step has a [`Turn`]: one CPU runs the step,
//! and the CPUs that want the same step sleep until the turn is handed to one of them. All other
//! steps go on at the same time.
//!
//! An exclusive step makes CPUs wait for each other. So a parallel teardown with such a step in the
//! online section lets its CPUs assemble, as if one could refuse (`Hotplug::can_refuse`).

use super::Hotplug;
use super::steps::{CpuhpStep, STEPS, Section};
use crate::cpu::{CpuId, CpuMask};
use crate::machine::Seam;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::turn::Turn;
use crate::trace::{StepId, StepName};

// `Exclusive::on_purpose` has one bit for each step.
const _: () = assert!(STEPS.len() <= 64);

/// One turn for each step, and which steps were made exclusive on the console.
pub(super) struct Exclusive {
    turns: [Turn; STEPS.len()],
    /// Bit i: step i. Relaxed: the boot CPU changes the word between operations, and the next
    /// request publishes the change.
    on_purpose: AtomicU64,
}

impl Default for Exclusive {
    fn default() -> Self {
        let turns = core::array::from_fn(|_| Turn::default());
        Self { turns, on_purpose: AtomicU64::new(0) }
    }
}

impl Hotplug {
    /// Makes a parallel step run on one CPU at a time, or takes that back; to measure what
    /// serialising costs. Boot CPU, between operations.
    pub fn set_exclusive(&self, step: StepId, on: bool) {
        let bit = 1 << step.0;
        if on {
            self.exclusive.on_purpose.fetch_or(bit, Ordering::Relaxed);
        } else {
            self.exclusive.on_purpose.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    /// True if a step runs on one CPU at a time.
    pub fn is_exclusive(&self, id: StepId, step: &CpuhpStep) -> bool {
        !step.parallel || self.exclusive.on_purpose.load(Ordering::Relaxed) >> id.0 & 1 == 1
    }

    /// True if any step runs on one CPU at a time.
    pub(super) fn any_exclusive(&self) -> bool {
        const IN_TABLE: bool = {
            let (mut any, mut i) = (false, 0);
            while i < STEPS.len() {
                any |= !STEPS[i].parallel;
                i += 1;
            }
            any
        };
        IN_TABLE || self.exclusive.on_purpose.load(Ordering::Relaxed) != 0
    }

    /// Names of the steps that run on one CPU at a time.
    pub fn exclusive_steps(&self) -> impl Iterator<Item = StepName> + '_ {
        let all = STEPS.iter().enumerate().map(|(i, s)| (StepId(i as u8), s));
        all.filter(|(id, step)| self.is_exclusive(*id, step)).map(|(_, step)| step.name)
    }

    /// Runs `body` when this CPU has the turn of the step. Waits as long as the holder needs: the
    /// boot CPU keeps the operation's deadline, and names the CPUs that have not come.
    pub(super) fn in_turn<R>(
        &self,
        m: &dyn Seam,
        cpu: CpuId,
        (id, step): (StepId, &CpuhpStep),
        body: impl FnOnce() -> R,
    ) -> R {
        let turn = &self.exclusive.turns[usize::from(id.0)];
        // In the starting section this CPU's GIC may be down: no IPI can be sent or taken.
        let by_ipi = step.section == Section::Online;
        if !turn.take(cpu) {
            self.await_turn(m, cpu, turn, by_ipi);
        }
        let result = body();
        // The next CPU is woken by an IPI, or watches its word (`await_turn`).
        if let Some(next) = turn.release(cpu)
            && by_ipi
        {
            m.wake(&CpuMask::from_iter([next]));
        }
        result
    }

    /// A CPU that can't take IPIs watches the word that holds its waiting bit: before the timer's
    /// step nothing else would end its sleep.
    fn await_turn(&self, m: &dyn Seam, cpu: CpuId, turn: &Turn, by_ipi: bool) {
        loop {
            // The word first, then the look: a turn that is handed over after the look changes the
            // word, and ends the pause.
            let (word, seen) = turn.watch(cpu);
            if turn.mine(cpu) {
                return;
            }
            if by_ipi {
                self.services.idle(m, cpu, None);
            } else {
                m.look_again(word, seen);
            }
        }
    }
}
