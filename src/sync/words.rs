//! Words in memory that outlives a kernel. Always the core's atomics: no model checker looks at
//! them, because at any time only one CPU writes a word and who reads it was told by a hand-shake.

pub use core::sync::atomic::AtomicU64 as Word;
pub use core::sync::atomic::Ordering::Relaxed;
