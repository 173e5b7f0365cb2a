//! Words in memory that outlives a kernel. Always the core's atomics, not loom's: at any time only
//! one CPU writes such a word, and a reader has been told to read by a hand-shake that is
//! model-checked itself.

pub use core::sync::atomic::AtomicU64 as Word;
pub use core::sync::atomic::Ordering::Relaxed;
