//! Runs the steps of one section, traced, with fault injection and rollback: on behalf of one CPU,
//! or of all CPUs of an operation.
//!
//! All walks share one loop: on a leaving CPU every piece of code is cold, so the fewer pieces the
//! better. The end of a section's last step is held back by the pen, to be written with what follows.
//!
//! What a section promises:
//!
//! - Up (`Runner::up`): all steps are done, or none. The steps before the one that failed are
//!   undone; the failing step itself has to leave nothing behind.
//! - Down (`Runner::down`): all steps are undone, or none.
//! - Down to the end (`Runner::down_all`): every step is tried, and the first failure is
//!   returned. For a CPU that leaves whatever happens.

use super::pen::Pen;
use super::steps::{self, Act, Acting, STEPS, Section, Staying, StepContext, Together};
use super::{Hotplug, StepFailure};
use crate::cpu::{CpuId, CpuMask, Survivors};
use crate::machine::{Seam, StepError};
use crate::trace::{Dir, Edge, Mark, Ring};

/// The steps of one CPU, or of all CPUs of an operation. `context` is for acts that are done for
/// one CPU, `cpus` for [`Act::All`]; which one a step uses, its row in the table says.
pub(super) struct Runner<'a> {
    hp: &'a Hotplug,
    pen: &'a Pen<'a>,
    context: StepContext<'a>,
    cpus: &'a CpuMask,
}

/// Which steps are run, and how.
struct StepWalk<'a> {
    /// In this order.
    steps: &'a [Acting],
    dir: Dir,
    /// Recorded after the last step, unless the walk ends before it.
    mark: Option<Mark>,
    /// A failure does not end the walk.
    to_the_end: bool,
}

impl<'a> Runner<'a> {
    /// For one CPU, whose events the pen writes.
    pub(super) fn one(hp: &'a Hotplug, pen: &'a Pen<'a>, cpu: CpuId, staying: Staying<'a>) -> Self {
        Self::new(hp, pen, cpu, &CpuMask::EMPTY, staying)
    }

    /// For all of `cpus`, on the boot CPU, whose events the pen writes.
    pub(super) fn all(
        hp: &'a Hotplug,
        pen: &'a Pen<'a>,
        cpus: &'a CpuMask,
        survivors: &'a Survivors,
    ) -> Self {
        Self::new(hp, pen, hp.topology().boot(), cpus, Staying::Known(survivors))
    }

    fn new(
        hp: &'a Hotplug,
        pen: &'a Pen<'a>,
        cpu: CpuId,
        cpus: &'a CpuMask,
        staying: Staying<'a>,
    ) -> Self {
        let context = StepContext { machine: pen.machine, services: &hp.services, cpu, staying };
        Self { hp, pen, context, cpus }
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
        let steps = steps::behind(section, dir, failure.step);
        let _ = self.walk(&StepWalk { steps, dir, mark: None, to_the_end: true });
    }

    /// One step.
    #[inline]
    pub(super) fn run(&self, step: &Acting, dir: Dir) -> Result<(), StepFailure> {
        self.step(step, dir, self.hp.is_special())
    }

    /// One step that is not made to fail and need not wait, its end not held back.
    #[inline(always)]
    fn plainly(&self, step: &Acting, dir: Dir) -> Result<(), StepFailure> {
        let stem = self.pen.stem();
        let write = |edge| self.pen.machine.record_now(stem.with_step(step.id, dir, edge), None);
        write(Edge::Begin);
        let done = self.act(step.act);
        write(Edge::End);
        done.map_err(|error| StepFailure { step: step.id, dir, error })
    }

    /// Runs the steps one after the other. The mark is recorded at the end, unless a step has ended the
    /// walk.
    #[inline(never)]
    fn walk(&self, walk: &StepWalk<'_>) -> Result<(), StepFailure> {
        let done = match self.pen.ring() {
            Some(ring) if !self.hp.is_special() => self.straight_through(walk, ring),
            _ => self.one_by_one(walk),
        };
        if let Some(mark) = walk.mark
            && (done.is_ok() || walk.to_the_end)
        {
            self.pen.mark(mark, walk.dir);
        }
        done
    }

    /// The usual walk of every CPU: no step is made to fail or waits, and the ring is at hand.
    #[inline]
    fn straight_through(&self, walk: &StepWalk<'_>, ring: &Ring<'_>) -> Result<(), StepFailure> {
        let (dir, stem, mut result) = (walk.dir, self.pen.stem(), Ok(()));
        let Some((mut step, rest)) = walk.steps.split_first() else { return result };
        self.pen.begin(step.id, dir);
        let mut rest = rest.iter();
        loop {
            let done = self.act(step.act);
            let ended = stem.with_step(step.id, dir, Edge::End);
            if let Err(error) = done {
                result = result.and(Err(StepFailure { step: step.id, dir, error }));
                if !walk.to_the_end {
                    self.pen.hold(ended);
                    return result;
                }
            }
            let Some(next) = rest.next() else {
                self.pen.hold(ended);
                return result;
            };
            ring.append_pair(
                self.pen.machine.now(),
                ended,
                stem.with_step(next.id, dir, Edge::Begin),
            );
            step = next;
        }
    }

    /// The same with a look at everything that may come between.
    fn one_by_one(&self, walk: &StepWalk<'_>) -> Result<(), StepFailure> {
        let (special, mut result) = (self.hp.is_special(), Ok(()));
        for step in walk.steps {
            if let Err(failure) = self.step(step, walk.dir, special) {
                result = result.and(Err(failure));
                if !walk.to_the_end {
                    break;
                }
            }
        }
        result
    }

    #[inline]
    fn step(&self, step: &Acting, dir: Dir, special: bool) -> Result<(), StepFailure> {
        let id = step.id;
        let done = if special {
            self.special_step(step, dir)
        } else {
            self.pen.begin(id, dir);
            let done = self.act(step.act);
            self.pen.end(id, dir);
            done
        };
        done.map_err(|error| StepFailure { step: id, dir, error })
    }

    #[inline]
    fn act(&self, act: Act) -> Result<(), StepError> {
        match act {
            Act::Nothing => Ok(()),
            Act::Sure(sure) => {
                sure(&self.context);
                Ok(())
            }
            Act::Each(each) => each(&self.context),
            Act::All(all) => all(&self.together()),
        }
    }

    /// A step that may be made to fail, or that one CPU at a time may run. In the latter case the
    /// recorded time begins when this CPU has the turn: the wait for it belongs to no step. An act that
    /// is done once for all CPUs runs on the boot CPU alone anyway.
    #[cold]
    fn special_step(&self, step: &Acting, dir: Dir) -> Result<(), StepError> {
        let (id, row) = (step.id, &STEPS[usize::from(step.id.0)]);
        let act = || {
            self.pen.begin(id, dir);
            let done = self.unless_it_fails(step, dir);
            self.pen.end(id, dir);
            done
        };
        if !(self.hp.is_exclusive(id, row) && row.is_each(dir)) {
            return act();
        }
        self.pen.lift();
        let StepContext { machine, cpu, .. } = self.context;
        self.hp.in_turn(machine, cpu, (id, row), || {
            let done = act();
            self.pen.lift();
            done
        })
    }

    /// The act of a step, or a failure in its place: an injected failure has changed nothing, as the
    /// table demands of a step that fails.
    fn unless_it_fails(&self, step: &Acting, dir: Dir) -> Result<(), StepError> {
        if self.hp.faults.hit(step.id, self.context.cpu, dir) {
            return Err(StepError::Injected);
        }
        self.act(step.act)
    }

    #[cold]
    fn together(&self) -> Together<'_> {
        let StepContext { machine, services, .. } = self.context;
        Together { machine, cpus: self.cpus, survivors: self.context.survivors(), services }
    }
}

impl Hotplug {
    /// Undoes prepare steps of CPUs that are off, in this order: `Act::All` once for all of `gone`, the
    /// others once for each of `dead`. Returns the first failure and the CPUs that failed; every other
    /// CPU has all of these steps undone.
    pub(super) fn unprepare(
        &self,
        m: &dyn Seam,
        steps: &[Acting],
        (dead, gone): (&CpuMask, &CpuMask),
        survivors: &Survivors,
    ) -> (Result<(), StepFailure>, CpuMask) {
        let (mut first, mut failed) = (Ok(()), CpuMask::new());
        for step in steps {
            // Once for all, so a failure counts for each of the dead. A CPU that has failed is left out
            // from here on, and stays DEAD: the next attempt goes through the section again.
            let cpus = if step.is_for_all() { *gone } else { dead.and_not(&failed) };
            self.run_prepare_step(m, (step, Dir::Down), &cpus, survivors, |cpus, failure| {
                failed = failed.or(if step.is_for_all() { dead } else { cpus });
                first = first.and(Err(failure));
            });
        }
        (first, failed)
    }

    /// One prepare step for CPUs that are off, once for all of them or once for each, on the boot CPU.
    /// `failed` is told for which it has failed.
    #[inline]
    pub(super) fn run_prepare_step(
        &self,
        m: &dyn Seam,
        (step, dir): (&Acting, Dir),
        cpus: &CpuMask,
        survivors: &Survivors,
        mut failed: impl FnMut(&CpuMask, StepFailure),
    ) {
        if step.is_for_all() {
            let done = Runner::all(self, &self.own_pen(m), cpus, survivors).run(step, dir);
            return done.unwrap_or_else(|failure| failed(cpus, failure));
        }
        let special = self.is_special();
        for cpu in cpus.iter() {
            let pen = Pen::by_call(m, cpu, self.generation);
            let runner = Runner::one(self, &pen, cpu, Staying::Known(survivors));
            let done = if special { runner.run(step, dir) } else { runner.plainly(step, dir) };
            if let Err(failure) = done {
                failed(&CpuMask::from_iter([cpu]), failure);
            }
        }
    }

    /// True if a step may be made to fail, or may have to wait for its turn. Looked at once for many
    /// steps: the boot CPU changes both only between operations.
    fn is_special(&self) -> bool {
        self.faults.may_hit() || self.any_exclusive()
    }

    /// The pen of the boot CPU.
    pub(super) fn own_pen<'a>(&self, m: &'a dyn Seam) -> Pen<'a> {
        Pen::new(m, self.topology.boot(), self.generation)
    }
}
