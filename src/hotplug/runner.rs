//! Runs the steps of one section, traced, with fault injection and rollback: on behalf of one CPU,
//! or of all CPUs of an operation.
//!
//! Nothing lies between two steps: one counter read is the end of the first and the begin of the
//! second, and the mark that a section ends with has the time of its last step's end. All walks
//! share one loop: on a leaving CPU every piece of code is cold, so the fewer pieces the better.
//!
//! What a section promises:
//!
//! - Up (`Runner::up`): all steps are done, or none. The steps before the one that failed are
//!   undone; the failing step itself has to leave nothing behind.
//! - Down (`Runner::down`): all steps are undone, or none.
//! - Down to the end (`Runner::down_all`): every step is tried, and the first failure is
//!   returned. For a CPU that leaves whatever happens.

use super::steps::{self, Act, CpuhpStep, STEPS, Section, StepContext, Together};
use super::{Hotplug, StepFailure};
use crate::cpu::{CpuId, CpuMask, Survivors};
use crate::machine::{Seam, StepError};
use crate::trace::{Dir, Edge, Mark, StepId, Untimed, What};

/// The steps of one CPU, or of all CPUs of an operation. `context` is for acts that are done for
/// one CPU, `all` for [`Act::All`]; which one a step uses, its row in the table says.
pub(super) struct Runner<'a> {
    hp: &'a Hotplug,
    context: StepContext<'a>,
    all: Together<'a>,
}

/// Which steps are run, and how.
struct StepWalk<'a> {
    /// In this order.
    steps: &'a [StepId],
    dir: Dir,
    /// Recorded after the last step, unless the walk ends before it.
    mark: Option<Mark>,
    /// A failure does not end the walk.
    to_the_end: bool,
}

impl<'a> Runner<'a> {
    /// For one CPU.
    pub(super) fn one(
        hp: &'a Hotplug,
        machine: &'a dyn Seam,
        cpu: CpuId,
        survivors: &'a Survivors,
    ) -> Self {
        Self::new(hp, machine, cpu, &CpuMask::EMPTY, survivors)
    }

    /// For all of `cpus`, on the boot CPU.
    pub(super) fn all(
        hp: &'a Hotplug,
        machine: &'a dyn Seam,
        cpus: &'a CpuMask,
        survivors: &'a Survivors,
    ) -> Self {
        Self::new(hp, machine, hp.topology().boot(), cpus, survivors)
    }

    fn new(
        hp: &'a Hotplug,
        machine: &'a dyn Seam,
        cpu: CpuId,
        cpus: &'a CpuMask,
        survivors: &'a Survivors,
    ) -> Self {
        let context = StepContext { machine, services: &hp.services, cpu, survivors };
        Self { hp, context, all: Together { machine, cpus, survivors, services: &hp.services } }
    }

    /// Runs a section upwards. If a step fails, the steps before it are undone before this returns.
    pub(super) fn up(&self, section: Section) -> Result<(), StepFailure> {
        let steps = steps::acting(section, Dir::Up);
        let walk = StepWalk { steps, dir: Dir::Up, mark: None, to_the_end: false };
        self.walk(&walk).inspect_err(|failure| self.undo(section, Dir::Down, failure))
    }

    /// Runs a section downwards, to a mark. If a step fails, the steps undone so far are done
    /// again: the CPU is whole.
    pub(super) fn down(&self, section: Section, mark: Option<Mark>) -> Result<(), StepFailure> {
        let steps = steps::acting(section, Dir::Down);
        let walk = StepWalk { steps, dir: Dir::Down, mark, to_the_end: false };
        self.walk(&walk).inspect_err(|failure| self.undo(section, Dir::Up, failure))
    }

    /// Runs a section downwards to the end whatever fails, to a mark; returns the first failure.
    pub(super) fn down_all(&self, section: Section, mark: Option<Mark>) -> Result<(), StepFailure> {
        let steps = steps::acting(section, Dir::Down);
        self.walk(&StepWalk { steps, dir: Dir::Down, mark, to_the_end: true })
    }

    /// Runs, in direction `dir`, what lies behind the step that failed in the other one. A failure
    /// while undoing shows in the trace only, and changes nothing: there is nowhere further back to
    /// go.
    #[cold]
    fn undo(&self, section: Section, dir: Dir, failure: &StepFailure) {
        let steps = steps::acting(section, dir);
        let done_before = |step: &StepId| match dir {
            Dir::Up => *step <= failure.step,
            Dir::Down => *step >= failure.step,
        };
        let steps = &steps[steps.partition_point(done_before)..];
        let _ = self.walk(&StepWalk { steps, dir, mark: None, to_the_end: true });
    }

    /// One step.
    pub(super) fn run(&self, step: StepId, dir: Dir) -> Result<(), StepFailure> {
        let steps = &[step];
        self.walk(&StepWalk { steps, dir, mark: None, to_the_end: false })
    }

    /// Runs the steps one after the other. `ended` is the end of the last step, which is recorded
    /// together with the begin of the next one, by one read of the counter. A step that runs alone
    /// (`in_its_turn`) records its own begin and end: the wait for the turn belongs to no step.
    #[inline(never)]
    fn walk(&self, walk: &StepWalk<'_>) -> Result<(), StepFailure> {
        let (machine, dir) = (self.context.machine, walk.dir);
        // Looked at once: the boot CPU changes both only between operations.
        let special = self.hp.faults.may_hit() || self.hp.any_exclusive();
        let event = self.event(What::Step(StepId(0)), dir, Edge::Begin);
        let (mut ended, mut result): (Option<Untimed>, _) = (None, Ok(()));
        for &id in walk.steps {
            let step = &STEPS[usize::from(id.0)];
            let done = if special && self.is_alone(id, step, dir) {
                if let Some(ended) = ended.take() {
                    machine.record_now(ended, None);
                }
                self.in_its_turn(id, step, dir)
            } else {
                let begun = event.with_step(id, Edge::Begin);
                machine.record_now(ended.unwrap_or(begun), ended.map(|_| begun));
                ended = Some(event.with_step(id, Edge::End));
                self.attempt(id, step, dir, special)
            };
            if let Err(error) = done {
                result = result.and(Err(StepFailure { step: id, dir, error }));
                if !walk.to_the_end {
                    break;
                }
            }
        }
        let reached = walk.mark.filter(|_| result.is_ok() || walk.to_the_end);
        let mark = reached.map(|mark| self.event(What::Mark(mark), dir, Edge::Point));
        if let Some(first) = ended.or(mark) {
            machine.record_now(first, ended.and(mark));
        }
        result
    }

    #[inline]
    fn attempt(
        &self,
        id: StepId,
        step: &CpuhpStep,
        dir: Dir,
        special: bool,
    ) -> Result<(), StepError> {
        // In place of the act: an injected failure has changed nothing, as the table demands of a
        // step that fails.
        if special && self.hp.faults.hit(id, self.context.cpu, dir) {
            return Err(StepError::Injected);
        }
        match step.act(dir) {
            Act::Nothing => Ok(()),
            Act::Sure(sure) => {
                sure(&self.context);
                Ok(())
            }
            Act::Each(each) => each(&self.context),
            Act::All(all) => all(&self.all),
        }
    }

    /// True if this CPU has to take the turn of the step. An act that is done once for all CPUs
    /// runs on the boot CPU alone anyway.
    fn is_alone(&self, id: StepId, step: &CpuhpStep, dir: Dir) -> bool {
        self.hp.is_exclusive(id, step) && step.is_each(dir)
    }

    /// A step that one CPU at a time may run: the recorded time begins when this CPU has the turn.
    #[cold]
    fn in_its_turn(&self, id: StepId, step: &CpuhpStep, dir: Dir) -> Result<(), StepError> {
        let StepContext { machine, cpu, .. } = self.context;
        let edge = |edge| machine.record_now(self.event(What::Step(id), dir, edge), None);
        self.hp.in_turn(machine, cpu, (id, step), || {
            edge(Edge::Begin);
            let done = self.attempt(id, step, dir, true);
            edge(Edge::End);
            done
        })
    }

    fn event(&self, what: What, dir: Dir, edge: Edge) -> Untimed {
        Untimed::new(self.context.cpu, self.hp.generation, dir, edge, what)
    }
}

impl Hotplug {
    /// Undoes the prepare section of CPUs that are off, in order: `Act::All` once for all of
    /// `gone`, the others once for each of `dead`. Returns the first failure and the CPUs that
    /// failed; every other CPU has the whole section undone.
    pub(super) fn unprepare(
        &self,
        m: &dyn Seam,
        dead: &CpuMask,
        gone: &CpuMask,
        survivors: &Survivors,
    ) -> (Result<(), StepFailure>, CpuMask) {
        let together = Runner::all(self, m, gone, survivors);
        let (mut first, mut failed) = (Ok(()), CpuMask::new());
        for i in steps::of(Section::Prepare).rev() {
            let id = StepId(i as u8);
            // Once for all, so a failure counts for each of the dead.
            if let Act::All(_) = STEPS[i].down {
                let result = together.run(id, Dir::Down);
                if result.is_err() {
                    failed = *dead;
                }
                first = first.and(result);
                continue;
            }
            // A CPU that has failed is left out from here on, and stays DEAD: the next attempt goes
            // through the section again.
            for cpu in dead.and_not(&failed).iter() {
                let result = Runner::one(self, m, cpu, survivors).run(id, Dir::Down);
                if result.is_err() {
                    failed.insert(cpu);
                }
                first = first.and(result);
            }
        }
        (first, failed)
    }
}
