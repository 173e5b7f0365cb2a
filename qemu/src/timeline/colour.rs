//! Which colour a name has: the same in every picture.

/// Steps: distinct hues that carry on white and on black.
const STEPS: &[&str] = &[
    "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#76b7b2", "#d4a72c", "#9c755f",
    "#e377c2", "#3f8f8b", "#7f7fd5", "#8a9a3b",
];

/// Phases of the boot CPU, in their order.
const PHASES: &[(&str, &str)] = &[
    ("preflight", "#8c8c8c"),
    ("migrate", "#8a5bb8"),
    ("online-down", "#2f6db5"),
    ("grace", "#3d8b6e"),
    ("stop", "#c2571a"),
    ("off", "#b3354b"),
    ("dead", "#7a4fa3"),
    ("verify", "#a0527a"),
    ("quiesce", "#7d8590"),
    ("jump", "#57606a"),
    ("boot", "#6b7b3a"),
    ("entry", "#4f6d7a"),
    ("tree", "#6b7b3a"),
    ("memory", "#8a6d3b"),
    ("devices", "#5f5f9e"),
    ("setup", "#8f5e7d"),
    ("prepare", "#b8860b"),
    ("kick", "#1b7f79"),
    ("sync", "#2e7d32"),
];

/// Marks, and as tints the states that they begin.
const MARKS: &[(&str, &str)] = &[
    ("KICKED", "#f2b705"),
    ("ALIVE", "#12a5a0"),
    ("AP_OFFLINE", "#0e8fc4"),
    ("AP_ONLINE", "#5b8c1a"),
    ("ONLINE", "#1a9641"),
    ("TEARDOWN_CPU", "#e07b1f"),
    ("AP_IDLE_DEAD", "#d6336c"),
    ("DEAD", "#c62828"),
    ("QUARANTINED", "#ff00ff"),
    ("SHOULD_DIE", "#ff00ff"),
];

/// A colour for each name, by its place in a list of all the names in the picture.
pub fn step(names: &[String], name: &str) -> &'static str {
    let at = names.iter().position(|known| known == name).unwrap_or(0);
    STEPS[at % STEPS.len()]
}

/// The colour of a phase.
pub fn phase(name: &str) -> &'static str {
    find(PHASES, name).unwrap_or("#8c8c8c")
}

/// Where a phase stands in the course of a kexec; unknown ones come last.
pub fn phase_order(name: &str) -> usize {
    PHASES.iter().position(|(known, _)| *known == name).unwrap_or(PHASES.len())
}

/// The colour of a mark.
pub fn mark(name: &str) -> &'static str {
    find(MARKS, name).unwrap_or("#8c8c8c")
}

fn find(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == name).map(|(_, colour)| *colour)
}
