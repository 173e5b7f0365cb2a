//! Hand-shakes between CPUs, small enough to be checked in every interleaving.
//!
//! Atomics and locks come from here, so that a build with `--cfg loom` replaces them by loom's.

mod latch;
pub mod lock;
pub mod queues;
mod stop;
pub mod turn;
pub mod words;

/// Atomic types: the core's, or loom's under `--cfg loom`.
pub mod atomic {
    #[cfg(not(loom))]
    pub use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

    #[cfg(loom)]
    pub use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
}

pub use latch::{Latch, Ticket};
pub use lock::Lock;
pub use stop::{Acked, StopMachine, StopState};
