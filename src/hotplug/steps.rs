//! The table of steps, in the order in which a CPU comes up. Going down it is walked backwards.

use core::cell::Cell;

use super::{StepError, Subsystems, Survivors, Target};
use crate::cpu::{CpuId, CpuMask};
use crate::machine::Machine;
use crate::trace::{Dir, StepId};

/// Where a step runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Section {
    /// On the boot CPU: up before the CPU is kicked, down after it is confirmed OFF.
    Prepare,
    /// On the CPU itself, interrupts off.
    Starting,
    /// On the CPU itself, interrupts on.
    Online,
    /// On the boot CPU, once for all CPUs of an operation: up after they are online, down before
    /// the first of them leaves.
    Shared,
}

impl Section {
    /// `prepare`, `starting`, `online` or `shared`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Starting => "starting",
            Self::Online => "online",
            Self::Shared => "shared",
        }
    }
}

/// What a step may use when it acts for one CPU.
pub struct Context<'a> {
    /// The machine.
    pub machine: &'a dyn Machine,
    /// The CPU that comes or goes.
    pub cpu: CpuId,
    /// Who stays. On the way up: all that are online.
    pub survivors: &'a Survivors,
    /// The subsystems.
    pub parts: &'a Subsystems,
    /// The last counter read.
    pub(super) now: Cell<u64>,
}

impl<'a> Context<'a> {
    /// For the steps of one CPU that are run in a row from now on.
    pub(super) fn new(
        machine: &'a dyn Machine,
        parts: &'a Subsystems,
        cpu: CpuId,
        survivors: &'a Survivors,
    ) -> Self {
        Self { machine, cpu, survivors, parts, now: Cell::new(machine.now()) }
    }
}

/// What a step may use when it acts for all CPUs of an operation.
pub struct Together<'a> {
    /// The machine.
    pub machine: &'a dyn Machine,
    /// The CPUs that come, or that leave, or that are dead.
    pub cpus: &'a CpuMask,
    /// Who stays. On the way up: all that are online.
    pub survivors: &'a Survivors,
    /// The subsystems.
    pub parts: &'a Subsystems,
}

/// What a step does in one direction.
#[derive(Clone, Copy)]
pub enum Act {
    /// Nothing: it is neither run nor timed, and can't be made to fail.
    Nothing,
    /// For one CPU, on the CPU that the section says.
    Each(fn(&Context<'_>) -> Result<(), StepError>),
    /// Once for all CPUs of the operation, on the boot CPU: in the shared section, and down in the
    /// prepare section.
    All(fn(&Together<'_>) -> Result<(), StepError>),
}

/// One step.
pub struct Step {
    /// Its name, as on the console and in records.
    pub name: &'static str,
    /// Where it runs.
    pub section: Section,
    /// One line for people.
    pub what: &'static str,
    /// True if it may run on several CPUs at the same time. If not, the engine lets one CPU after
    /// the other into this step, and into this step only.
    pub parallel: bool,
    /// Can the CPU leave with these survivors? Asked by the boot CPU before anything changes. What
    /// it says must hold until the CPU has left: only the boot CPU changes it.
    pub check: Option<Check>,
    /// Towards ONLINE.
    pub up: Act,
    /// Away from it. In the prepare and starting sections a failure is reported, and the CPU goes
    /// down all the same: nothing there may be in the way of CPU_OFF.
    pub down: Act,
}

impl Step {
    /// What it does in a direction.
    pub fn act(&self, dir: Dir) -> Act {
        match dir {
            Dir::Up => self.up,
            Dir::Down => self.down,
        }
    }

    /// True if it does anything in a direction.
    pub fn acts(&self, dir: Dir) -> bool {
        !matches!(self.act(dir), Act::Nothing)
    }
}

/// A step that every CPU does for itself, and that can always be undone.
const EACH: Step = Step {
    name: "",
    section: Section::Online,
    what: "",
    parallel: true,
    check: None,
    up: Act::Nothing,
    down: Act::Nothing,
};

/// All steps.
pub static STEPS: [Step; 12] = [
    Step {
        name: "percpu:prepare",
        section: Section::Prepare,
        what: "stacks and per-CPU area",
        up: Act::Each(|c| c.machine.prepare(c.cpu)),
        down: Act::Each(|c| {
            c.machine.release(c.cpu);
            Ok(())
        }),
        ..EACH
    },
    Step {
        name: "timers:prepare",
        section: Section::Prepare,
        what: "per-CPU timers; those of the dead move to a survivor",
        up: Act::Each(|c| {
            c.parts.timers.open(c.cpu);
            Ok(())
        }),
        down: Act::All(|t| {
            inherit(t, |to| t.parts.timers.pull(t.cpus, to));
            Ok(())
        }),
        ..EACH
    },
    Step {
        name: "work:prepare",
        section: Section::Prepare,
        what: "per-CPU work; that of the dead moves to a survivor",
        check: Some(|c| match c.parts.work.pinned(c.cpu) {
            true => Err(StepError::PinnedWork),
            false => Ok(()),
        }),
        up: Act::Each(|c| {
            c.parts.work.open(c.cpu);
            Ok(())
        }),
        down: Act::All(|t| {
            inherit(t, |to| t.parts.work.pull(t.cpus, to));
            Ok(())
        }),
        ..EACH
    },
    Step {
        name: "rcu:prepare",
        section: Section::Prepare,
        what: "RCU callbacks; those of the dead move to a survivor",
        down: Act::All(|t| {
            inherit(t, |to| t.parts.rcu.splice(t.cpus, to));
            Ok(())
        }),
        ..EACH
    },
    Step {
        name: "cpu:check",
        section: Section::Starting,
        what: "the CPU is what the description says",
        up: Act::Each(|c| c.machine.check()),
        ..EACH
    },
    Step {
        name: "rcu:starting",
        section: Section::Starting,
        what: "grace periods wait for the CPU",
        up: Act::Each(|c| {
            c.parts.rcu.cpu_starting(c.cpu);
            Ok(())
        }),
        down: Act::Each(|c| {
            c.parts.rcu.cpu_dying(c.cpu);
            Ok(())
        }),
        ..EACH
    },
    Step {
        name: "gic:starting",
        section: Section::Starting,
        what: "GIC redistributor and CPU interface",
        up: Act::Each(|c| c.machine.gic_up()),
        down: Act::Each(|c| c.machine.gic_down()),
        ..EACH
    },
    Step {
        name: "timer:starting",
        section: Section::Starting,
        what: "virtual timer and its interrupt",
        up: Act::Each(|c| {
            c.machine.timer_up();
            Ok(())
        }),
        down: Act::Each(|c| {
            c.machine.timer_down();
            Ok(())
        }),
        ..EACH
    },
    Step {
        name: "ipi:starting",
        section: Section::Starting,
        what: "inter-processor interrupt",
        up: Act::Each(|c| {
            c.machine.ipi_up();
            Ok(())
        }),
        // Down: kicks must get through until the CPU interface goes, in gic:starting.
        ..EACH
    },
    Step {
        name: "work:online",
        section: Section::Online,
        what: "the CPU takes interrupts and per-CPU work",
        up: Act::Each(|c| {
            c.machine.interrupts(true);
            Ok(())
        }),
        down: Act::Each(|c| {
            c.machine.interrupts(false);
            Ok(())
        }),
        ..EACH
    },
    Step {
        name: "pmu:online",
        section: Section::Online,
        what: "performance monitors of the cluster; their owner hands over, or stops them",
        up: Act::Each(|c| {
            c.parts.pmu.cpu_online(c.machine, c.cpu);
            Ok(())
        }),
        down: Act::Each(|c| {
            c.parts.pmu.cpu_leaving(c.machine, c.cpu, c.survivors);
            Ok(())
        }),
        ..EACH
    },
    Step {
        name: "irq:shared",
        section: Section::Shared,
        what: "shared interrupts go to CPUs that stay",
        up: Act::All(irqs_up),
        down: Act::All(irqs_down),
        ..EACH
    },
];

/// Gives what the dead have left to the lowest CPU that stays, which looks at it if there is any.
fn inherit(t: &Together<'_>, take: impl FnOnce(Target) -> usize) {
    let heir = t.survivors.mask().iter().next().and_then(|cpu| t.survivors.stays(cpu));
    if let Some(to) = heir
        && take(to) > 0
    {
        t.machine.kick(&CpuMask::from_iter([to.cpu()]));
    }
}

fn irqs_up(t: &Together<'_>) -> Result<(), StepError> {
    Ok(t.parts.irqs.restore(t.machine, t.survivors)?)
}

fn irqs_down(t: &Together<'_>) -> Result<(), StepError> {
    let plan = t.parts.irqs.plan(t.survivors)?;
    Ok(t.parts.irqs.apply(t.machine, &plan)?)
}

/// The name of a step, or of a point of fault injection.
pub fn name(step: StepId) -> &'static str {
    match step {
        super::fault::KICK => "kick",
        super::fault::OFF => "off",
        StepId(i) => STEPS.get(i as usize).map_or("?", |s| s.name),
    }
}

/// The step itself; `None` for a point of fault injection.
pub fn get(step: StepId) -> Option<&'static Step> {
    STEPS.get(step.0 as usize)
}

/// The step with a name.
pub fn by_name(name: &str) -> Option<StepId> {
    STEPS.iter().position(|s| s.name == name).map(|i| StepId(i as u8))
}

/// All places in the table, in order of up.
pub fn ids() -> impl DoubleEndedIterator<Item = StepId> {
    (0..STEPS.len()).map(|i| StepId(i as u8))
}

/// What a step is asked before its CPU leaves.
pub type Check = fn(&Context<'_>) -> Result<(), StepError>;

/// The steps that want to be asked before a CPU leaves, in order of down.
pub(super) fn checks() -> impl Iterator<Item = (StepId, Check)> {
    let all = STEPS.iter().enumerate().rev();
    all.filter_map(|(i, s)| s.check.map(|check| (StepId(i as u8), check)))
}

/// The steps of a section, in order of up.
pub fn of(section: Section) -> impl DoubleEndedIterator<Item = (StepId, &'static Step)> {
    let all = STEPS.iter().enumerate();
    all.filter(move |(_, s)| s.section == section).map(|(i, s)| (StepId(i as u8), s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_stand_in_order_and_names_are_unique() {
        assert!(STEPS.windows(2).all(|w| w[0].section <= w[1].section));
        for (i, step) in STEPS.iter().enumerate() {
            assert_eq!(by_name(step.name), Some(StepId(i as u8)), "{}", step.name);
        }
    }

    #[test]
    fn down_is_up_backwards() {
        let up: std::vec::Vec<_> = of(Section::Starting).map(|(id, _)| id).collect();
        let mut down: std::vec::Vec<_> = of(Section::Starting).rev().map(|(id, _)| id).collect();
        down.reverse();
        assert_eq!(up, down);
        assert_eq!(up.len(), 5);
    }

    extern crate std;
}
