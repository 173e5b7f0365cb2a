//! The table of steps, in the order in which a CPU comes up. A leaving CPU goes through the table
//! backwards.
//!
//! The sections stand one behind the other in the table, so that a section is a range of it
//! ([`of`]). Which CPU runs a step follows from the section alone; whether a step runs for each CPU
//! or once for all, from its [`Act`] in that direction.

mod table;

use core::ops::Range;

pub use table::STEPS;

use super::frozen::Frozen;
use crate::cpu::{CpuId, CpuMask, Survivors};
use crate::machine::{Seam, StepError};
use crate::services::Services;
use crate::trace::{Dir, Named, StepId, StepName};

/// Where a step runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Section {
    /// On the boot CPU: up before the CPU is kicked, down after firmware has said OFF.
    Prepare,
    /// On the CPU itself, interrupts off.
    Starting,
    /// On the CPU itself, interrupts on.
    Online,
    /// On the boot CPU, once for all CPUs of an operation: up after the last one has come online,
    /// down before the first one leaves.
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
pub struct StepContext<'a> {
    /// The machine.
    pub machine: &'a dyn Seam,
    /// The CPU that comes or goes.
    pub cpu: CpuId,
    /// Where to find out which CPUs stay.
    pub staying: Staying<'a>,
    /// The services.
    pub services: &'a Services,
}

impl StepContext<'_> {
    /// The CPUs that stay. On the way up: all that are online.
    pub fn survivors(&self) -> Survivors {
        match self.staying {
            Staying::Known(survivors) => *survivors,
            Staying::Frozen(frozen) => frozen.get(),
        }
    }
}

/// Where to find out which CPUs stay. A CPU that comes or goes by itself looks only if a step of its
/// own needs to know: two masks of all CPUs are much to read.
#[derive(Clone, Copy)]
pub enum Staying<'a> {
    /// The boot CPU has frozen them.
    Known(&'a Survivors),
    /// The boot CPU has written them down for the other CPUs.
    Frozen(&'a Frozen),
}

/// What a step may use when it acts for all CPUs of an operation.
pub struct Together<'a> {
    /// The machine.
    pub machine: &'a dyn Seam,
    /// The CPUs that come, or that leave, or that are dead.
    pub cpus: &'a CpuMask,
    /// The CPUs that stay. On the way up: all that are online.
    pub survivors: Survivors,
    /// The services.
    pub services: &'a Services,
}

/// What a step does in one direction.
#[derive(Clone, Copy)]
pub enum Act {
    /// Nothing: the step is neither run nor timed in this direction, and can't be made to fail.
    Nothing,
    /// For one CPU, on the CPU that the section says. Can't fail: if all online steps down are of
    /// this kind, CPUs that leave together need not assemble, since none of them can refuse.
    Sure(fn(&StepContext<'_>)),
    /// For one CPU, on the CPU that the section says. A hook that fails has changed nothing: the
    /// engine undoes the other steps of the section, and never calls the opposite of this one.
    Each(fn(&StepContext<'_>) -> Result<(), StepError>),
    /// Once for all CPUs of the operation, on the boot CPU: in the shared and the prepare section.
    All(fn(&Together<'_>) -> Result<(), StepError>),
}

/// One step.
pub struct CpuhpStep {
    /// The name, as on the console and in records.
    pub name: StepName,
    /// On which CPU and when the step runs.
    pub section: Section,
    /// One line for people.
    pub what: &'static str,
    /// True if the step may run on several CPUs at the same time. If not, the engine lets one CPU
    /// at a time into this step; all other steps go on in parallel.
    pub parallel: bool,
    /// Can the CPU leave with these survivors? Asked by the boot CPU before anything changes. The
    /// answer must hold until the CPU has left: only the boot CPU may change what the answer
    /// depends on.
    pub check: Option<Check>,
    /// Towards ONLINE.
    pub up: Act,
    /// Away from ONLINE. In the prepare and starting sections a failure is reported, and the CPU
    /// goes down all the same: nothing there may be in the way of CPU_OFF.
    pub down: Act,
}

impl CpuhpStep {
    /// What the step does in a direction.
    pub const fn act(&self, dir: Dir) -> Act {
        match dir {
            Dir::Up => self.up,
            Dir::Down => self.down,
        }
    }

    /// True if the step acts for one CPU in a direction.
    pub fn is_each(&self, dir: Dir) -> bool {
        matches!(self.act(dir), Act::Sure(_) | Act::Each(_))
    }

    /// True if the step does anything in a direction.
    pub const fn acts(&self, dir: Dir) -> bool {
        !matches!(self.act(dir), Act::Nothing)
    }
}

/// The name of a step, or of a point of fault injection.
pub fn name(step: StepId) -> &'static str {
    match step {
        super::fault::KICK => "kick",
        super::fault::OFF => "off",
        super::fault::QUIESCE => "quiesce",
        StepId(i) => STEPS.get(i as usize).map_or("?", |s| s.name.name()),
    }
}

/// The step itself; `None` for a point of fault injection.
pub fn get(step: StepId) -> Option<&'static CpuhpStep> {
    STEPS.get(step.0 as usize)
}

/// The step that a name stands for.
pub fn named(name: StepName) -> &'static CpuhpStep {
    &STEPS[name as usize]
}

/// The step with a name.
pub fn by_name(name: &str) -> Option<StepId> {
    StepName::by_name(name).map(|step| StepId(step as u8))
}

/// All places in the table, in order of up.
pub fn ids() -> impl DoubleEndedIterator<Item = StepId> {
    (0..STEPS.len()).map(|i| StepId(i as u8))
}

/// What a step is asked before its CPU leaves.
pub type Check = fn(&StepContext<'_>) -> Result<(), StepError>;

/// The steps that want to be asked before a CPU leaves, in order of down.
pub(super) fn checks() -> impl Iterator<Item = (StepId, Check)> {
    let all = STEPS.iter().enumerate().rev();
    all.filter_map(|(i, s)| s.check.map(|check| (StepId(i as u8), check)))
}

/// The places in the table of a section's steps, in order of up.
pub const fn of(section: Section) -> Range<usize> {
    let (start, end) = place(section);
    start..end
}

/// A step that does something in a direction, and what.
#[derive(Clone, Copy)]
pub struct Acting {
    /// Its place in the table.
    pub id: StepId,
    /// What it does.
    pub act: Act,
}

impl Acting {
    /// True if it acts once for all CPUs of an operation.
    pub const fn is_for_all(&self) -> bool {
        matches!(self.act, Act::All(_))
    }
}

/// The steps of a section that do anything in a direction, in the order in which they are run.
pub fn acting(section: Section, dir: Dir) -> &'static [Acting] {
    // Made at compile time: every CPU looks this up for each section.
    use Section::{Online, Prepare, Shared, Starting};
    static LISTS: [[List; 2]; 4] = [both(Prepare), both(Starting), both(Online), both(Shared)];
    let List { steps, count } = &LISTS[section as usize][dir as usize];
    &steps[..*count]
}

/// Those that are run after `step` in this direction.
pub fn behind(section: Section, dir: Dir, step: StepId) -> &'static [Acting] {
    let steps = acting(section, dir);
    let up_to_it = |other: &Acting| match dir {
        Dir::Up => other.id <= step,
        Dir::Down => other.id >= step,
    };
    &steps[steps.partition_point(up_to_it)..]
}

/// Steps of one section, in the order of one direction.
#[derive(Clone, Copy)]
struct List {
    steps: [Acting; STEPS.len()],
    count: usize,
}

/// Up and down.
const fn both(section: Section) -> [List; 2] {
    [list(section, Dir::Up), list(section, Dir::Down)]
}

const fn list(section: Section, dir: Dir) -> List {
    let none = Acting { id: StepId(0), act: Act::Nothing };
    let mut list = List { steps: [none; STEPS.len()], count: 0 };
    let (start, end) = place(section);
    let mut i = 0;
    while i < end - start {
        let at = match dir {
            Dir::Up => start + i,
            Dir::Down => end - 1 - i,
        };
        if STEPS[at].acts(dir) {
            list.steps[list.count] = Acting { id: StepId(at as u8), act: STEPS[at].act(dir) };
            list.count += 1;
        }
        i += 1;
    }
    list
}

/// First place and end of a section: behind all steps of the sections before, up to the last of its
/// own.
const fn place(section: Section) -> (usize, usize) {
    let mut range = (0, 0);
    while range.1 < STEPS.len() && STEPS[range.1].section as usize <= section as usize {
        range.1 += 1;
        if (STEPS[range.1 - 1].section as usize) < section as usize {
            range.0 = range.1;
        }
    }
    range
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_stand_in_order_and_names_are_unique() {
        assert!(STEPS.windows(2).all(|w| w[0].section <= w[1].section));
        for (i, step) in STEPS.iter().enumerate() {
            assert_eq!(by_name(step.name.name()), Some(StepId(i as u8)), "{}", step.name);
        }
    }

    #[test]
    fn a_section_is_a_range_of_the_table() {
        let all = [Section::Prepare, Section::Starting, Section::Online, Section::Shared];
        let places: std::vec::Vec<_> = all.into_iter().flat_map(of).collect();
        assert_eq!(places, (0..STEPS.len()).collect::<std::vec::Vec<_>>());
        for section in all {
            assert!(!of(section).is_empty() && of(section).all(|i| STEPS[i].section == section));
        }
    }

    #[test]
    fn what_acts_is_run_in_the_order_of_its_direction() {
        for section in [Section::Prepare, Section::Starting, Section::Online, Section::Shared] {
            let acts = |dir| move |id: &StepId| STEPS[usize::from(id.0)].acts(dir);
            let ids = || of(section).map(|i| StepId(i as u8));
            let up: std::vec::Vec<_> = ids().filter(acts(Dir::Up)).collect();
            let down: std::vec::Vec<_> = ids().rev().filter(acts(Dir::Down)).collect();
            let after = |dir, id| behind(section, dir, id).iter().map(|a| a.id);
            for id in ids() {
                assert!(after(Dir::Up, id).eq(up.iter().copied().filter(|&other| other > id)));
                assert!(after(Dir::Down, id).eq(down.iter().copied().filter(|&other| other < id)));
            }
            let listed =
                |dir| acting(section, dir).iter().map(|a| a.id).collect::<std::vec::Vec<_>>();
            assert_eq!((listed(Dir::Up), listed(Dir::Down)), (up, down));
        }
    }

    extern crate std;
}
