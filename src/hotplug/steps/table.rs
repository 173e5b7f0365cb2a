//! The rows of the table, what they call, and that the trace rings hold a bring-up and the teardown
//! after that, serial ones too.
//!
//! The order within a section follows from what a step needs. A step relies on the steps
//! above: these are up before the step comes up, and still up when the step goes down. So RCU counts
//! on a CPU before the GIC can bring an interrupt whose handler reads; the GIC is up before the timer's and the IPI's interrupt
//! are enabled there; and interrupts are let in only when all of that is done.
//!
//! What is left of a CPU in memory (timers, work, callbacks) is moved in the prepare section, on
//! the boot CPU, once for all dead CPUs: a leaving CPU spends no time on it, and a teardown that is
//! called off has nothing to restore.

use super::{Act, CpuhpStep, Section, Together};
use crate::config::{BOOT_TRACE_EVENTS, MAX_CPUS, TRACE_EVENTS};
use crate::cpu::{CpuMask, Target};
use crate::machine::StepError;
use crate::trace::{Mark, StepName};

/// The defaults of a row: an online step without acts or check, which may run in parallel.
const EACH: CpuhpStep = CpuhpStep {
    name: StepName::PercpuPrepare, // each row has its own
    section: Section::Online,
    what: "",
    parallel: true,
    check: None,
    up: Act::Nothing,
    down: Act::Nothing,
};

/// All steps, in the order of their names' list.
pub static STEPS: [CpuhpStep; StepName::ALL.len()] = [
    CpuhpStep {
        name: StepName::PercpuPrepare,
        section: Section::Prepare,
        what: "stacks and per-CPU area",
        up: Act::Each(|c| c.machine.prepare(c.cpu)),
        down: Act::Sure(|c| c.machine.release(c.cpu)),
        ..EACH
    },
    CpuhpStep {
        name: StepName::TimersPrepare,
        section: Section::Prepare,
        what: "per-CPU timers; those of the dead move to a survivor",
        up: Act::All(|t| {
            t.services.timers.open(t.cpus);
            Ok(())
        }),
        down: Act::All(|t| {
            inherit(t, |to| t.services.timers.pull(t.cpus, to));
            Ok(())
        }),
        ..EACH
    },
    CpuhpStep {
        name: StepName::WorkPrepare,
        section: Section::Prepare,
        what: "per-CPU work; that of the dead moves to a survivor",
        check: Some(|c| match c.services.work.pinned(c.cpu) {
            true => Err(StepError::PinnedWork),
            false => Ok(()),
        }),
        up: Act::All(|t| {
            t.services.work.open(t.cpus);
            Ok(())
        }),
        down: Act::All(|t| {
            inherit(t, |to| t.services.work.pull(t.cpus, to));
            Ok(())
        }),
        ..EACH
    },
    CpuhpStep {
        name: StepName::RcuPrepare,
        section: Section::Prepare,
        what: "RCU callbacks; those of the dead move to a survivor",
        // Up: nothing. The lists are there from the start.
        down: Act::All(|t| {
            inherit(t, |to| t.services.rcu.splice(t.cpus, to));
            Ok(())
        }),
        ..EACH
    },
    // First of what the CPU does itself: a CPU that is not what was found out at boot touches no
    // redistributor.
    CpuhpStep {
        name: StepName::CpuCheck,
        section: Section::Starting,
        what: "the CPU is what the device tree says",
        up: Act::Each(|c| c.machine.check()),
        ..EACH
    },
    CpuhpStep {
        name: StepName::RcuStarting,
        section: Section::Starting,
        what: "grace periods wait for the CPU",
        up: Act::Sure(|c| c.services.rcu.cpu_starting(c.cpu)),
        down: Act::Sure(|c| c.services.rcu.cpu_dying(c.cpu)),
        ..EACH
    },
    CpuhpStep {
        name: StepName::GicStarting,
        section: Section::Starting,
        what: "GIC redistributor and CPU interface",
        up: Act::Each(|c| c.machine.gic_up()),
        down: Act::Each(|c| c.machine.gic_down()),
        ..EACH
    },
    CpuhpStep {
        name: StepName::TimerStarting,
        section: Section::Starting,
        what: "virtual timer and its interrupt",
        up: Act::Sure(|c| c.machine.timer_up()),
        down: Act::Sure(|c| c.machine.timer_down()),
        ..EACH
    },
    CpuhpStep {
        name: StepName::IpiStarting,
        section: Section::Starting,
        what: "inter-processor interrupt",
        up: Act::Sure(|c| c.machine.ipi_up()),
        // Down: IPIs must get through until the CPU interface goes, in gic:starting.
        ..EACH
    },
    // Down, this comes last in the section: from then on only IPIs end a sleep of the CPU, until
    // the starting steps are undone.
    CpuhpStep {
        name: StepName::WorkOnline,
        section: Section::Online,
        what: "the CPU takes interrupts and per-CPU work",
        up: Act::Sure(|c| c.machine.interrupts(true)),
        down: Act::Sure(|c| c.machine.interrupts(false)),
        ..EACH
    },
    CpuhpStep {
        name: StepName::PmuOnline,
        section: Section::Online,
        what: "performance monitors of the cluster; their owner hands over, or stops them",
        up: Act::Sure(|c| {
            c.services.pmu.cpu_online(c.machine, c.cpu);
        }),
        down: Act::Sure(|c| {
            if c.services.pmu.cluster_of(c.cpu).is_some() {
                c.services.pmu.cpu_leaving(c.machine, c.cpu, &c.survivors());
            }
        }),
        ..EACH
    },
    // Once for all: one plan instead of one for each CPU. Down before the first CPU is asked to
    // leave, so that a leaving CPU never has to move an interrupt.
    CpuhpStep {
        name: StepName::IrqShared,
        section: Section::Shared,
        what: "shared interrupts go to CPUs that stay",
        up: Act::All(irqs_up),
        down: Act::All(irqs_down),
        ..EACH
    },
];

const _: () = {
    let mut i = 0;
    while i < STEPS.len() {
        assert!(STEPS[i].name as usize == i, "a step stands where its name does");
        i += 1;
    }
};

/// Moves what the dead CPUs have left to the survivor with the lowest number, and wakes that CPU if
/// anything was moved: the survivor may be asleep, without a deadline for what was moved.
fn inherit(t: &Together<'_>, take: impl FnOnce(Target) -> usize) {
    let heir = t.survivors.mask().iter().next().and_then(|cpu| t.survivors.stays(cpu));
    if let Some(to) = heir
        && take(to) > 0
    {
        t.machine.wake(&CpuMask::from_iter([to.cpu()]));
    }
}

fn irqs_up(t: &Together<'_>) -> Result<(), StepError> {
    Ok(t.services.irqs.restore(t.machine, &t.survivors)?)
}

/// One plan for all leaving CPUs, made before the first route changes. If a route does not take,
/// the teardown is refused, and all interrupts are where they were.
fn irqs_down(t: &Together<'_>) -> Result<(), StepError> {
    let plan = t.services.irqs.plan(&t.survivors)?;
    Ok(t.services.irqs.apply(t.machine, &plan)?)
}

/// Phases of the boot CPU for one CPU: prepare, kick and sync up; migrate, online-down, grace,
/// stop, off and dead down.
const PHASES_EACH: usize = 9;

/// Phases of the boot CPU that come once in a kernel's life: its boot, the checks, the end.
const PHASES_ONCE: usize = 16;

/// Events of the steps that are done once for all, and of those done for each CPU.
const fn of_steps() -> (usize, usize) {
    let (mut once, mut each, mut i) = (0, 0, 0);
    while i < STEPS.len() {
        let acts = [&STEPS[i].up, &STEPS[i].down];
        let mut dir = 0;
        while dir < acts.len() {
            // The shared section goes up once for all also when CPUs come one after another.
            let whatever_way = dir == 0 && matches!(STEPS[i].section, Section::Shared);
            match acts[dir] {
                Act::Nothing => {}
                Act::All(_) if !whatever_way => once += 2,
                _ => each += 2,
            }
            dir += 1;
        }
        i += 1;
    }
    (once, each)
}

// Serially, what is done once for all is done once for each CPU, and counts as the boot CPU's.
const _: () = assert!(
    (of_steps().0 + 2 * PHASES_EACH) * MAX_CPUS + of_steps().1 + 2 * PHASES_ONCE
        <= BOOT_TRACE_EVENTS
);

// Each CPU comes and goes; a step that fails is undone, so there is room for two of both.
const _: () = assert!(2 * (of_steps().1 + Mark::ALL.len()) <= TRACE_EVENTS);
