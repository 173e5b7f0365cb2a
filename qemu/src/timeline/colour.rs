//! Which colour a name has: the same in every picture.

use baton::report::Name;
use baton::trace::{Mark, Phase, StepName};

use super::Part;

/// Steps: distinct hues that carry on white and on black.
const STEPS: &[&str] = &[
    "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#76b7b2", "#d4a72c", "#9c755f",
    "#e377c2", "#3f8f8b", "#7f7fd5", "#8a9a3b",
];

/// The phases of the boot CPU and the spans between phases, in the order of a kexec.
const PHASES: &[(Part, &str)] = &[
    (Part::Phase(Phase::Preflight), "#8c8c8c"),
    (Part::Phase(Phase::Migrate), "#8a5bb8"),
    (Part::Phase(Phase::OnlineDown), "#2f6db5"),
    (Part::Phase(Phase::Grace), "#3d8b6e"),
    (Part::Phase(Phase::Stop), "#c2571a"),
    (Part::Phase(Phase::Off), "#b3354b"),
    (Part::Phase(Phase::DeadWork), "#7a4fa3"),
    (Part::Phase(Phase::Verify), "#a0527a"),
    (Part::Phase(Phase::Quiesce), "#7d8590"),
    (Part::Jump, "#57606a"),
    (Part::Boot, "#6b7b3a"),
    (Part::Phase(Phase::Entry), "#4f6d7a"),
    (Part::Phase(Phase::Tree), "#6b7b3a"),
    (Part::Phase(Phase::Memory), "#8a6d3b"),
    (Part::Phase(Phase::Devices), "#5f5f9e"),
    (Part::Phase(Phase::Setup), "#8f5e7d"),
    (Part::Phase(Phase::Prepare), "#b8860b"),
    (Part::Phase(Phase::Kick), "#1b7f79"),
    (Part::Phase(Phase::Sync), "#2e7d32"),
];

/// Marks, and as tints the states that they begin.
const MARKS: &[(Mark, &str)] = &[
    (Mark::Kicked, "#f2b705"),
    (Mark::Alive, "#12a5a0"),
    (Mark::ApOffline, "#0e8fc4"),
    (Mark::ApOnline, "#5b8c1a"),
    (Mark::Online, "#1a9641"),
    (Mark::TeardownCpu, "#e07b1f"),
    (Mark::ApIdleDead, "#d6336c"),
    (Mark::Dead, "#c62828"),
    (Mark::Quarantined, "#ff00ff"),
    (Mark::ShouldDie, "#ff00ff"),
];

/// What this tool does not know.
const UNKNOWN: &str = "#8c8c8c";

/// A colour for each name, by its place in a list of all the names in the picture.
pub fn step(names: &[Name<StepName>], name: &Name<StepName>) -> &'static str {
    let at = names.iter().position(|known| known == name).unwrap_or(0);
    STEPS[at % STEPS.len()]
}

/// The colour of a phase.
pub fn phase(part: &Part) -> &'static str {
    find(PHASES, part).unwrap_or(UNKNOWN)
}

/// Where a phase stands in the course of a kexec; unknown ones come last.
pub fn phase_order(part: &Part) -> usize {
    PHASES.iter().position(|(known, _)| known == part).unwrap_or(PHASES.len())
}

/// The colour of a mark.
pub fn mark(name: &Name<Mark>) -> &'static str {
    name.known().and_then(|mark| find(MARKS, &mark)).unwrap_or(UNKNOWN)
}

fn find<T: PartialEq>(table: &[(T, &'static str)], wanted: &T) -> Option<&'static str> {
    table.iter().find(|(known, _)| known == wanted).map(|(_, colour)| *colour)
}
