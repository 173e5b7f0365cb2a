//! The table of steps, in the order in which a CPU comes up. Going down it is walked backwards.

use core::cell::Cell;

use super::{StepError, Survivors};
use crate::cpu::CpuId;
use crate::machine::Machine;
use crate::trace::StepId;

/// Where a step runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Section {
    /// On the boot CPU: up before the CPU is kicked, down after it is confirmed OFF.
    Prepare,
    /// On the CPU itself, interrupts off.
    Starting,
    /// On the CPU itself, interrupts on.
    Online,
}

impl Section {
    /// `prepare`, `starting` or `online`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Starting => "starting",
            Self::Online => "online",
        }
    }
}

/// What a step may use.
pub struct Context<'a> {
    /// The machine.
    pub machine: &'a dyn Machine,
    /// The CPU that comes or goes.
    pub cpu: CpuId,
    /// Who stays. On the way up: all that are online.
    pub survivors: &'a Survivors,
    /// The last counter read.
    pub(super) now: Cell<u64>,
}

impl<'a> Context<'a> {
    /// For the steps of one CPU that are run in a row from now on.
    pub(super) fn new(machine: &'a dyn Machine, cpu: CpuId, survivors: &'a Survivors) -> Self {
        Self { machine, cpu, survivors, now: Cell::new(machine.now()) }
    }
}

/// One step.
pub struct Step {
    /// Its name, as on the console and in records.
    pub name: &'static str,
    /// Where it runs.
    pub section: Section,
    /// One line for people.
    pub what: &'static str,
    /// Towards ONLINE.
    pub up: fn(&Context<'_>) -> Result<(), StepError>,
    /// Away from it. In the prepare and starting sections a failure is reported, and the CPU goes
    /// down all the same: nothing there may be in the way of CPU_OFF.
    pub down: fn(&Context<'_>) -> Result<(), StepError>,
}

/// All steps.
pub static STEPS: [Step; 7] = [
    Step {
        name: "percpu:prepare",
        section: Section::Prepare,
        what: "stacks and per-CPU area",
        up: |c| c.machine.prepare(c.cpu),
        down: |c| {
            c.machine.release(c.cpu);
            Ok(())
        },
    },
    Step {
        name: "cpu:check",
        section: Section::Starting,
        what: "affinity, exception level and features are as described",
        up: |c| c.machine.check(),
        down: |_| Ok(()),
    },
    Step {
        name: "gic:starting",
        section: Section::Starting,
        what: "GIC redistributor and CPU interface",
        up: |c| c.machine.gic_up(),
        down: |c| c.machine.gic_down(),
    },
    Step {
        name: "timer:starting",
        section: Section::Starting,
        what: "virtual timer and its interrupt",
        up: |c| {
            c.machine.timer_up();
            Ok(())
        },
        down: |c| {
            c.machine.timer_down();
            Ok(())
        },
    },
    Step {
        name: "ipi:starting",
        section: Section::Starting,
        what: "inter-processor interrupt",
        up: |c| {
            c.machine.ipi_up();
            Ok(())
        },
        down: |_| Ok(()), // kicks must get through until the CPU interface goes, in gic:starting
    },
    Step {
        name: "work:online",
        section: Section::Online,
        what: "the CPU takes interrupts and per-CPU work",
        up: |c| {
            c.machine.interrupts(true);
            Ok(())
        },
        down: |c| {
            c.machine.interrupts(false);
            Ok(())
        },
    },
    Step {
        name: "console:online",
        section: Section::Online,
        what: "the console's interrupt goes to a CPU that stays",
        up: |_| Ok(()), // where it goes is the user's choice: a CPU that comes takes nothing over
        down: console_down,
    },
];

fn console_down(c: &Context<'_>) -> Result<(), StepError> {
    if c.machine.console_target() != Some(c.cpu) {
        return Ok(());
    }
    match c.survivors.target(c.cpu) {
        Some(target) => c.machine.route_console(target),
        None => Ok(()),
    }
}

/// The name of a step, or of a point of fault injection.
pub fn name(step: StepId) -> &'static str {
    match step {
        super::fault::KICK => "kick",
        super::fault::OFF => "off",
        StepId(i) => STEPS.get(i as usize).map_or("?", |s| s.name),
    }
}

/// The step with a name.
pub fn by_name(name: &str) -> Option<StepId> {
    STEPS.iter().position(|s| s.name == name).map(|i| StepId(i as u8))
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
        assert_eq!(up.len(), 4);
    }

    extern crate std;
}
