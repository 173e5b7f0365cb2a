//! What happened when, on which CPU: events in per-CPU rings, in memory that survives the jump.
//!
//! Recording is two plain stores into the CPU's own ring: no lock, no print, no allocation.

pub mod event;
mod names;
mod ring;
mod spans;

pub use event::{EVENT_LAYOUT, Edge, Event, StepId, Untimed, What};
pub(crate) use names::named;
pub use names::{Dir, Mark, NAMES_SUM, Named, Phase, StepName};
pub use ring::{EVENT_WORDS, HEADER_WORDS, Ring, ring_words};
pub use spans::Spans;
