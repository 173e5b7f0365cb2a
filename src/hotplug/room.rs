//! Room in the trace: the rings hold a bring-up and the teardown after that, serial ones too.

use super::steps::{Act, STEPS};
use crate::config::{BOOT_TRACE_EVENTS, MAX_CPUS, TRACE_EVENTS};
use crate::trace::Mark;

/// Phases of the boot CPU for one CPU: prepare, kick and sync up; migrate, online-down, grace,
/// stop, off and dead down.
const PHASES: usize = 9;

/// Phases of the boot CPU that come once in a kernel's life: its boot, the checks, the end.
const ONCE: usize = 16;

/// Events of the steps that are done once for all, and of those done for each CPU.
const fn of_steps() -> (usize, usize) {
    let (mut once, mut each, mut i) = (0, 0, 0);
    while i < STEPS.len() {
        let acts = [&STEPS[i].up, &STEPS[i].down];
        let mut dir = 0;
        while dir < acts.len() {
            match acts[dir] {
                Act::Nothing => {}
                Act::Sure(_) | Act::Each(_) => each += 2,
                Act::All(_) => once += 2,
            }
            dir += 1;
        }
        i += 1;
    }
    (once, each)
}

// Serially, what is done once for all is done once for each CPU, and counts as the boot CPU's.
const _: () =
    assert!((of_steps().0 + 2 * PHASES) * MAX_CPUS + of_steps().1 + 2 * ONCE <= BOOT_TRACE_EVENTS);

// Each CPU comes and goes; a step that fails is undone, so there is room for two of both.
const _: () = assert!(2 * (of_steps().1 + Mark::ALL.len()) <= TRACE_EVENTS);
