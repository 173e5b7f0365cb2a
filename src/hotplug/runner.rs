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

use core::ops::Range;

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
struct StepWalk {
    steps: Range<usize>,
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
        let steps = steps::of(section);
        let walk = StepWalk { steps: steps.clone(), dir: Dir::Up, mark: None, to_the_end: false };
        self.walk(walk).inspect_err(|failure| {
            self.undo(steps.start..usize::from(failure.step.0), Dir::Down);
        })
    }

    /// Runs a section downwards, to a mark. If a step fails, the steps undone so far are done
    /// again: the CPU is whole.
    pub(super) fn down(&self, section: Section, mark: Option<Mark>) -> Result<(), StepFailure> {
        let steps = steps::of(section);
        let walk = StepWalk { steps: steps.clone(), dir: Dir::Down, mark, to_the_end: false };
        self.walk(walk).inspect_err(|failure| {
            self.undo(usize::from(failure.step.0) + 1..steps.end, Dir::Up);
        })
    }

    /// Runs a section downwards to the end whatever fails, to a mark; returns the first failure.
    pub(super) fn down_all(&self, section: Section, mark: Option<Mark>) -> Result<(), StepFailure> {
        let steps = steps::of(section);
        self.walk(StepWalk { steps, dir: Dir::Down, mark, to_the_end: true })
    }

    /// A failure while undoing shows in the trace only, and changes nothing: there is nowhere
    /// further back to go.
    #[cold]
    fn undo(&self, steps: Range<usize>, dir: Dir) {
        let _ = self.walk(StepWalk { steps, dir, mark: None, to_the_end: true });
    }

    /// One step.
    pub(super) fn run(&self, id: StepId, dir: Dir) -> Result<(), StepFailure> {
        let steps = usize::from(id.0)..usize::from(id.0) + 1;
        self.walk(StepWalk { steps, dir, mark: None, to_the_end: false })
    }

    /// Runs the steps one after the other. `ended` is the end of the last step, which is recorded
    /// together with the begin of the next one, by one read of the counter. A step that runs alone
    /// (`in_its_turn`) records its own begin and end: the wait for the turn belongs to no step.
    #[inline(never)]
    fn walk(&self, walk: StepWalk) -> Result<(), StepFailure> {
        let (mut steps, mut ended, mut result) = (walk.steps.clone(), None, Ok(()));
        loop {
            let goes_on = result.is_ok() || walk.to_the_end;
            let next = if goes_on { next(&mut steps, walk.dir) } else { None };
            let alone = next.is_some_and(|(id, step)| self.is_alone(id, step, walk.dir));
            let begun = if goes_on && !alone { self.begins(next, &walk) } else { None };
            if let Some(first) = ended.or(begun) {
                self.context.machine.record_now(first, ended.and(begun));
            }
            let Some((id, step)) = next else { return result };
            ended = (!alone).then(|| self.event(What::Step(id), walk.dir, Edge::End));
            let done = if alone {
                self.in_its_turn(id, step, walk.dir)
            } else {
                self.attempt(id, step, walk.dir)
            };
            if let Err(error) = done {
                result = result.and(Err(StepFailure { step: id, dir: walk.dir, error }));
            }
        }
    }

    /// What begins where another step has ended.
    fn begins(&self, next: Option<(StepId, &CpuhpStep)>, walk: &StepWalk) -> Option<Untimed> {
        match (next, walk.mark) {
            (Some((id, _)), _) => Some(self.event(What::Step(id), walk.dir, Edge::Begin)),
            (None, mark) => mark.map(|mark| self.event(What::Mark(mark), walk.dir, Edge::Point)),
        }
    }

    #[inline]
    fn attempt(&self, id: StepId, step: &CpuhpStep, dir: Dir) -> Result<(), StepError> {
        // In place of the act: an injected failure has changed nothing, as the table demands of a
        // step that fails.
        if self.hp.faults.hit(id, self.context.cpu, dir) {
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
            let done = self.attempt(id, step, dir);
            edge(Edge::End);
            done
        })
    }

    fn event(&self, what: What, dir: Dir, edge: Edge) -> Untimed {
        Untimed::new(self.context.cpu, self.hp.generation, dir, edge, what)
    }
}

/// The next step that does anything in this direction.
fn next(steps: &mut Range<usize>, dir: Dir) -> Option<(StepId, &'static CpuhpStep)> {
    loop {
        let i = match dir {
            Dir::Up => steps.next()?,
            Dir::Down => steps.next_back()?,
        };
        if STEPS[i].acts(dir) {
            return Some((StepId(i as u8), &STEPS[i]));
        }
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
