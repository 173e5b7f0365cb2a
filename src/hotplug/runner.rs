//! Runs the steps of one section, traced, with fault injection and rollback: on behalf of one CPU,
//! or of all CPUs of an operation.

use super::steps::{self, Act, Context, Section, Step, Together};
use super::{Hotplug, StepError, StepFailure, Survivors};
use crate::cpu::{CpuId, CpuMask};
use crate::machine::Machine;
use crate::trace::{Dir, Edge, Event, StepId, What};

/// For whom the steps run.
pub(super) struct Runner<'a> {
    hp: &'a Hotplug,
    context: Context<'a>,
    all: Together<'a>,
}

impl<'a> Runner<'a> {
    /// For one CPU.
    pub(super) fn one(
        hp: &'a Hotplug,
        machine: &'a dyn Machine,
        cpu: CpuId,
        survivors: &'a Survivors,
    ) -> Self {
        Self::new(hp, machine, cpu, &CpuMask::EMPTY, survivors)
    }

    /// For all of `cpus`, on the boot CPU.
    pub(super) fn all(
        hp: &'a Hotplug,
        machine: &'a dyn Machine,
        cpus: &'a CpuMask,
        survivors: &'a Survivors,
    ) -> Self {
        Self::new(hp, machine, hp.topology().boot(), cpus, survivors)
    }

    fn new(
        hp: &'a Hotplug,
        machine: &'a dyn Machine,
        cpu: CpuId,
        cpus: &'a CpuMask,
        survivors: &'a Survivors,
    ) -> Self {
        let context = Context::new(machine, &hp.parts, cpu, survivors);
        Self { hp, context, all: Together { machine, cpus, survivors, parts: &hp.parts } }
    }

    /// Runs a section upwards. On failure what was done is undone before this returns.
    pub(super) fn up(&self, section: Section) -> Result<(), StepFailure> {
        for (id, step) in steps::of(section) {
            if let Err(failure) = self.run(id, step, Dir::Up) {
                self.undo(section, |done| done < id, Dir::Down);
                return Err(failure);
            }
        }
        Ok(())
    }

    /// Runs a section downwards. On failure what was undone is done again: the CPU is whole.
    pub(super) fn down(&self, section: Section) -> Result<(), StepFailure> {
        for (id, step) in steps::of(section).rev() {
            if let Err(failure) = self.run(id, step, Dir::Down) {
                self.undo(section, |undone| undone > id, Dir::Up);
                return Err(failure);
            }
        }
        Ok(())
    }

    /// Runs a section downwards to its end whatever fails; returns the first failure.
    pub(super) fn down_all(&self, section: Section) -> Result<(), StepFailure> {
        let mut first = Ok(());
        for (id, step) in steps::of(section).rev() {
            first = first.and(self.run(id, step, Dir::Down));
        }
        first
    }

    /// A failure while undoing is traced by the step's own span and changes nothing: there is
    /// nowhere further back to go.
    fn undo(&self, section: Section, which: impl Fn(StepId) -> bool, dir: Dir) {
        let run = |(id, step): (StepId, &Step)| {
            let _ = self.run(id, step, dir);
        };
        let chosen = steps::of(section).filter(|(id, _)| which(*id));
        match dir {
            Dir::Up => chosen.for_each(run),
            Dir::Down => chosen.rev().for_each(run),
        }
    }

    /// One step. Of two steps in a row one counter read is the end of the first and the begin of
    /// the second: nothing lies between them.
    pub(super) fn run(&self, id: StepId, step: &Step, dir: Dir) -> Result<(), StepFailure> {
        let act = step.act(dir);
        match act {
            Act::Nothing => Ok(()),
            Act::Each(_) if self.hp.is_exclusive(id, step) => {
                let Context { machine, cpu, .. } = self.context;
                self.hp.in_turn(machine, cpu, (id, step), || {
                    self.context.now.set(machine.now());
                    self.timed(id, act, dir)
                })
            }
            _ => self.timed(id, act, dir),
        }
    }

    fn timed(&self, id: StepId, act: Act, dir: Dir) -> Result<(), StepFailure> {
        self.trace(id, dir, Edge::Begin);
        let result = if self.hp.faults.hit(id, self.context.cpu, dir) {
            Err(StepError::Injected)
        } else {
            self.act(act)
        };
        self.context.now.set(self.context.machine.now());
        self.trace(id, dir, Edge::End);
        result.map_err(|error| StepFailure { step: id, dir, error })
    }

    fn act(&self, act: Act) -> Result<(), StepError> {
        match act {
            Act::Nothing => Ok(()),
            Act::Each(each) => each(&self.context),
            Act::All(all) => all(&self.all),
        }
    }

    fn trace(&self, id: StepId, dir: Dir, edge: Edge) {
        let Context { machine, cpu, .. } = self.context;
        let (at, generation) = (self.context.now.get(), self.hp.generation);
        machine.record(Event { at, cpu, generation, dir, edge, what: What::Step(id) });
    }
}

impl Hotplug {
    /// Undoes the prepare section of CPUs that are off, in order: what is done for all at once once
    /// for all, what is done for each for each. Returns the failures; a CPU without one has all of
    /// it undone.
    pub(super) fn unprepare(
        &self,
        m: &dyn Machine,
        dead: &CpuMask,
        gone: &CpuMask,
        survivors: &Survivors,
    ) -> (Result<(), StepFailure>, CpuMask) {
        let together = Runner::all(self, m, gone, survivors);
        let (mut first, mut failed) = (Ok(()), CpuMask::new());
        for (id, step) in steps::of(Section::Prepare).rev() {
            if let Act::All(_) = step.down {
                let result = together.run(id, step, Dir::Down);
                if result.is_err() {
                    failed = *dead;
                }
                first = first.and(result);
                continue;
            }
            // Who has failed keeps the rest: it is tried again, and nothing is undone twice.
            for cpu in dead.and_not(&failed).iter() {
                let result = Runner::one(self, m, cpu, survivors).run(id, step, Dir::Down);
                if result.is_err() {
                    failed.insert(cpu);
                }
                first = first.and(result);
            }
        }
        (first, failed)
    }
}
