//! Runs the steps of one section on behalf of one CPU, traced, with fault injection and rollback.

use super::steps::{self, Context, Section, Step};
use super::{Hotplug, StepError, StepFailure, Survivors};
use crate::cpu::CpuId;
use crate::machine::Machine;
use crate::trace::{Dir, Edge, Event, StepId, What};

impl Hotplug {
    /// Runs a section upwards. On failure what was done is undone before this returns.
    pub(super) fn section_up(
        &self,
        m: &dyn Machine,
        cpu: CpuId,
        section: Section,
        survivors: &Survivors,
    ) -> Result<(), StepFailure> {
        let context = Context::new(m, cpu, survivors);
        for (id, step) in steps::of(section) {
            if let Err(failure) = self.run(&context, id, step, Dir::Up) {
                self.undo(&context, section, |done| done < id, Dir::Down);
                return Err(failure);
            }
        }
        Ok(())
    }

    /// Runs a section downwards. On failure what was undone is done again: the CPU is whole.
    pub(super) fn section_down(
        &self,
        m: &dyn Machine,
        cpu: CpuId,
        section: Section,
        survivors: &Survivors,
    ) -> Result<(), StepFailure> {
        let context = Context::new(m, cpu, survivors);
        for (id, step) in steps::of(section).rev() {
            if let Err(failure) = self.run(&context, id, step, Dir::Down) {
                self.undo(&context, section, |undone| undone > id, Dir::Up);
                return Err(failure);
            }
        }
        Ok(())
    }

    /// Runs a section downwards to its end whatever fails; returns the first failure.
    pub(super) fn section_down_all(
        &self,
        m: &dyn Machine,
        cpu: CpuId,
        section: Section,
        survivors: &Survivors,
    ) -> Result<(), StepFailure> {
        let context = Context::new(m, cpu, survivors);
        let mut first = Ok(());
        for (id, step) in steps::of(section).rev() {
            first = first.and(self.run(&context, id, step, Dir::Down));
        }
        first
    }

    /// A failure while undoing is traced by the step's own span and changes nothing: there is
    /// nowhere further back to go.
    fn undo(
        &self,
        context: &Context<'_>,
        section: Section,
        which: impl Fn(StepId) -> bool,
        dir: Dir,
    ) {
        let run = |(id, step): (StepId, &Step)| {
            let _ = self.run(context, id, step, dir);
        };
        let chosen = steps::of(section).filter(|(id, _)| which(*id));
        match dir {
            Dir::Up => chosen.for_each(run),
            Dir::Down => chosen.rev().for_each(run),
        }
    }

    /// One step. Of two steps in a row one counter read is the end of the first and the begin of
    /// the second: nothing lies between them.
    fn run(
        &self,
        context: &Context<'_>,
        id: StepId,
        step: &Step,
        dir: Dir,
    ) -> Result<(), StepFailure> {
        let (m, cpu) = (context.machine, context.cpu);
        let event = |at, edge| Event {
            at,
            cpu,
            generation: self.generation,
            dir,
            edge,
            what: What::Step(id),
        };
        m.record(event(context.now.get(), Edge::Begin));
        let act = if dir == Dir::Up { step.up } else { step.down };
        let result =
            if self.faults.hit(id, cpu, dir) { Err(StepError::Injected) } else { act(context) };
        context.now.set(m.now());
        m.record(event(context.now.get(), Edge::End));
        result.map_err(|error| StepFailure { step: id, dir, error })
    }
}
