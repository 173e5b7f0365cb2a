//! What happened when, on which CPU: events in per-CPU rings, in memory that survives the jump.
//!
//! Recording is two plain stores into the CPU's own ring: no lock, no print, no allocation.

pub mod event;
mod names;
mod ring;

pub use event::{EVENT_LAYOUT, Edge, Event, StepId, Untimed, What};
pub(crate) use names::named;
pub use names::{Dir, Mark, NAMES_SUM, Named, Phase, StepName};
pub use ring::{EVENT_WORDS, HEADER_WORDS, Ring, label_in, ring_words};

/// Where the time of a teardown went: ticks of each phase; in serial mode the sum over the CPUs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spans {
    /// Interrupts and the like moved to survivors, before the first CPU leaves.
    pub migrate: u64,
    /// Online steps undone on the leaving CPUs.
    pub online_down: u64,
    /// Waiting for readers.
    pub grace: u64,
    /// Until every leaving CPU had stopped: interrupts off, nothing shared touched any more.
    pub stop: u64,
    /// Dying steps and CPU_OFF, until AFFINITY_INFO said OFF for all.
    pub off: u64,
    /// Work for dead CPUs.
    pub dead: u64,
}
