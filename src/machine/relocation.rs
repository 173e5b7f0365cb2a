//! What the jump copies.

use crate::memory::Range;

/// How a kernel gets to a place that is in use until the jump. Nothing of this overlaps anything
/// else of the layout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Relocation {
    /// Where the kernel waits until the jump: all of its `image_size`.
    pub from: Range,
    /// Where the kernel runs.
    pub to: Range,
    /// [`COPIER_BYTES`](crate::config::COPIER_BYTES) for the code that copies, and its page tables.
    pub work: Range,
}
