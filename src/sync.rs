//! Hand-shakes between CPUs, small enough to be checked in every interleaving.
//!
//! Atomics and locks come from here, so that a build with `--cfg loom` replaces them by loom's.

mod latch;
pub mod lock;
pub mod queues;
mod stop;
pub mod turn;

/// Atomic types: the core's, or loom's under `--cfg loom`.
pub mod atomic {
    #[cfg(not(loom))]
    pub use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

    #[cfg(loom)]
    pub use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
}

/// Words in memory that outlives a kernel. Always the core's atomics, not loom's: at any time only
/// one CPU writes such a word, and a reader has been told to read by a hand-shake that is
/// model-checked itself.
pub mod words {
    pub use core::sync::atomic::AtomicU64 as Word;
    pub use core::sync::atomic::Ordering::Relaxed;
}

pub use latch::{Latch, Ticket};
pub use lock::Lock;
pub use stop::{Acked, StopMachine, StopState};
