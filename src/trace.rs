//! What happened when, on which CPU: events in per-CPU rings, in memory that survives the jump.
//!
//! Recording is two plain stores into the CPU's own ring: no lock, no print, no allocation.

pub mod event;
mod ring;
mod spans;

pub use event::{Dir, Edge, Event, Mark, Phase, StepId, Untimed, What};
pub use ring::{EVENT_WORDS, HEADER_WORDS, Ring, ring_words};
pub use spans::Spans;
