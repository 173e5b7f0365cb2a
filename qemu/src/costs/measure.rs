//! The figures of one machine: it kexecs into itself, and its traces are added up.

use std::time::Duration;

use baton::report::{Cost, Name, Record, TeardownMode};
use baton::trace::Dir;

use crate::outage::{Outages, QUANTILES};
use crate::progress::Progress;
use crate::report::Trace;
use crate::run::{cycles, trace};
use crate::steps::{self, PhaseRow, StepRow, Way};
use crate::{Guest, Outcome, collect, stats};

/// Kexecs up to the one that is read: the first leaves a kernel that no baton has loaded.
const KEXECS: u32 = 2;
/// Steps of progress of [`measure`].
pub const STEPS: u64 = KEXECS as u64 + 1;

/// What kind of figure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Spans from one kernel to the other.
    Kexec,
    /// A phase of the boot CPU in the kernel that leaves.
    Down,
    /// A phase of the boot CPU in the kernel that comes.
    Up,
    /// How long the CPUs are away, as quantiles over them.
    Outage,
    /// A hotplug step on the way down, the sum over its CPUs.
    StepDown,
    /// A hotplug step on the way up, the sum over its CPUs.
    StepUp,
}

impl Group {
    /// All, in the order of the table.
    pub const ALL: [Self; 6] =
        [Self::Kexec, Self::Down, Self::Up, Self::Outage, Self::StepDown, Self::StepUp];

    /// The name that the tables use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kexec => "kexec",
            Self::Down => "down",
            Self::Up => "up",
            Self::Outage => "outage",
            Self::StepDown => "step down",
            Self::StepUp => "step up",
        }
    }

    /// The steps that run while the phases of this group do.
    pub const fn steps(self) -> Option<Self> {
        match self {
            Self::Down => Some(Self::StepDown),
            Self::Up => Some(Self::StepUp),
            _ => None,
        }
    }

    /// True for steps. What a phase costs has a bar. What a step costs has none: it is in the phase,
    /// and its span has in it what other CPUs did meanwhile.
    pub const fn is_steps(self) -> bool {
        matches!(self, Self::StepDown | Self::StepUp)
    }
}

/// Which figure it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// CPUs of the machine.
    pub cpus: u32,
    /// True if the next kernel is told the machine (`kexec.warm=on`).
    pub warm: bool,
    /// The kind.
    pub group: Group,
    /// Phase, span or step.
    pub name: String,
}

/// A figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Which.
    pub key: Key,
    /// What it costs.
    pub instructions: u64,
}

/// Has the guest, which boots, kexec in parallel into itself, both with and
/// without telling the next kernel the machine.
///
/// # Errors
/// A panic, an error record, figures that are missing, or no word within `silence`.
pub fn measure(
    guest: &mut Guest,
    cpus: u32,
    silence: Duration,
    progress: &Progress,
) -> Result<Vec<Figure>, Outcome> {
    guest.wait_for("hello record", |r| matches!(r, Record::Hello(_)), silence)?;
    let mut figures = kexec(guest, KEXECS, silence, progress)?;
    // For the next kernel alone: the one after that is told again.
    guest.command_within("set warm off", silence)?;
    let told = figures.len();
    figures.extend(kexec(guest, 1, silence, progress)?);
    let with_key = |(i, (group, name, instructions))| Figure {
        key: Key { cpus, warm: i < told, group, name },
        instructions,
    };
    Ok(figures.into_iter().enumerate().map(with_key).collect())
}

/// Has the guest kexec so often, and gives the figures of the last one: group, name, instructions.
///
/// # Errors
/// As for [`measure`].
pub fn kexec(
    guest: &mut Guest,
    kexecs: u32,
    silence: Duration,
    progress: &Progress,
) -> Result<Vec<(Group, String, u64)>, Outcome> {
    cycles(kexecs, silence, guest, progress, TeardownMode::Parallel)?;
    let traces = [trace(guest, silence)?];
    collect::no_errors(guest.records())?;
    let mut figures = spans(guest.records())?;
    figures.extend(steps::phases(&traces).into_iter().filter_map(phase));
    figures.extend(outages(&traces[0]));
    figures.extend(steps::steps(&traces).into_iter().flat_map(step));
    figures.sort_by_key(|figure| figure.0);
    Ok(figures)
}

/// The spans of the last kexec.
fn spans(records: &[Record]) -> Result<Vec<(Group, String, u64)>, Outcome> {
    let jumps = collect::jumps(records)?;
    let last = jumps.last().map_or(&[][..], std::slice::from_ref);
    let rows = stats::summary(last).into_iter().filter(|row| row.group == Group::Kexec.name());
    Ok(rows.filter_map(|row| Some((Group::Kexec, row.phase, row.parallel?.median))).collect())
}

fn outages(trace: &Trace) -> impl Iterator<Item = (Group, String, u64)> {
    let all = Outages::new(trace);
    QUANTILES.into_iter().filter_map(move |(name, percent)| {
        Some((Group::Outage, name.to_string(), all.quantile(percent)?))
    })
}

fn phase(PhaseRow { dir, phase, cost, .. }: PhaseRow) -> Option<(Group, String, u64)> {
    let group = if dir == Dir::Down { Group::Down } else { Group::Up };
    Some((group, phase.to_string(), cost.parallel?.sum))
}

fn step(StepRow { step, up, down, .. }: StepRow) -> impl Iterator<Item = (Group, String, u64)> {
    let of = move |group, way: Way| {
        way.parallel.map(|Cost { sum, .. }| (group, Name::to_string(&step), sum))
    };
    [of(Group::StepDown, down), of(Group::StepUp, up)].into_iter().flatten()
}
