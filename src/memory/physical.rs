//! Memory that is read where it lies and belongs to no owner of this kernel: what firmware has left.

/// Reads physical memory.
pub trait Physical {
    /// `len` bytes at a physical address; `None` if these cannot be read. What is returned does not
    /// change while it is borrowed.
    fn bytes(&self, at: u64, len: usize) -> Option<&[u8]>;
}

/// No memory can be read.
#[derive(Clone, Copy, Debug)]
pub struct Unreachable;

impl Physical for Unreachable {
    fn bytes(&self, _at: u64, _len: usize) -> Option<&[u8]> {
        None
    }
}
