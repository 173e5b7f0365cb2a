//! What is written into one CPU's ring of the trace while that CPU comes or goes.
//!
//! Nothing lies between two steps: one look at the counter is the end of the first and the begin of
//! the second, and a mark has the time at which the last step before it ended. So the end of a step
//! is held back until the next event, and both are written together.

use core::cell::Cell;

use crate::cpu::CpuId;
use crate::machine::Seam;
use crate::trace::{Dir, Edge, Mark, Ring, StepId, Untimed, What};

/// Writes the events of one CPU: on that CPU, or on the boot CPU while that CPU is off.
pub(super) struct Pen<'a> {
    pub(super) machine: &'a dyn Seam,
    /// `None` if the machine wants to see each event.
    ring: Option<Ring<'a>>,
    /// Any event of this CPU and kernel.
    stem: Untimed,
    /// The end of the last step, not written yet.
    held: Cell<Option<Untimed>>,
}

impl<'a> Pen<'a> {
    pub(super) fn new(machine: &'a dyn Seam, cpu: CpuId, generation: u32) -> Self {
        let mut pen = Self::by_call(machine, cpu, generation);
        pen.ring = machine.ring(cpu);
        pen
    }

    /// The same for few events, which the machine writes one by one: to look for the ring would cost
    /// more than that.
    #[inline]
    pub(super) fn by_call(machine: &'a dyn Seam, cpu: CpuId, generation: u32) -> Self {
        let stem = Untimed::new(cpu, generation, Dir::Up, Edge::Point, What::Step(StepId(0)));
        Self { machine, ring: None, stem, held: Cell::new(None) }
    }

    /// The ring itself, if the machine gives it.
    pub(super) fn ring(&self) -> Option<&Ring<'a>> {
        self.ring.as_ref()
    }

    /// Any event of this CPU and kernel.
    pub(super) fn stem(&self) -> Untimed {
        self.stem
    }

    /// A step begins.
    #[inline]
    pub(super) fn begin(&self, step: StepId, dir: Dir) {
        self.next(self.stem.with_step(step, dir, Edge::Begin));
    }

    /// The step has ended. Written with the next event.
    #[inline]
    pub(super) fn end(&self, step: StepId, dir: Dir) {
        self.hold(self.stem.with_step(step, dir, Edge::End));
    }

    /// The same, of an end as the ring has it.
    #[inline]
    pub(super) fn hold(&self, ended: Untimed) {
        self.held.set(Some(ended));
    }

    /// A mark is reached.
    #[inline]
    pub(super) fn mark(&self, mark: Mark, dir: Dir) {
        self.next(self.stem.with_mark(mark, dir));
    }

    /// Writes the end that is held: time passes now that belongs to no step.
    #[inline]
    pub(super) fn lift(&self) {
        if let Some(held) = self.held.take() {
            self.write(held, None);
        }
    }

    #[inline]
    fn next(&self, event: Untimed) {
        match self.held.take() {
            Some(held) => self.write(held, Some(event)),
            None => self.write(event, None),
        }
    }

    #[inline]
    fn write(&self, first: Untimed, second: Option<Untimed>) {
        match &self.ring {
            Some(ring) => ring.append_at(self.machine.now(), first, second),
            None => self.machine.record_now(first, second),
        }
    }
}

impl Drop for Pen<'_> {
    fn drop(&mut self) {
        self.lift();
    }
}
