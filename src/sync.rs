//! Hand-shakes between CPUs, small enough to be checked in every interleaving.
//!
//! Atomics and locks come from here, so that a build with `--cfg loom` replaces them by loom's.
//!
//! - [`Latch`]: the boot CPU waits for the arrivals of one operation.
//! - [`StopMachine`]: CPUs go through states together.
//! - [`turn`]: one CPU at a time, the others sleep.
//! - [`lock`]: one CPU at a time, the others spin; for a few loads and stores.
//! - [`queues`]: a queue per CPU, and the way on to a survivor for the items of a CPU that is off.
//!
//! Latch and stop_machine are opened for one operation, which a [`Ticket`] names. A CPU that comes
//! late, with the ticket of an operation that is over, changes nothing: so an operation can be
//! given up at its deadline without waiting for the CPUs that are late.

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
