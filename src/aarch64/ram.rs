//! Physical memory as slices. Everything is mapped at its physical address, so this is where an
//! address becomes a pointer.

use core::ptr;
use core::slice;

use super::cache;
use crate::memory::Range;
use crate::sync::words::Word;

/// The bytes in a range. What the seam asks of its callers holds: the caller owns the range, and
/// nothing writes to it as long as the slice lives.
pub fn bytes(range: Range) -> &'static [u8] {
    // SAFETY: RAM that the map gave to the caller, mapped for good.
    unsafe { slice::from_raw_parts(range.start as *const u8, range.size() as usize) }
}

/// A range as atomic words.
pub fn words(range: Range) -> &'static [Word] {
    // SAFETY: RAM that the map gave to the caller, mapped for good, page-aligned; any bits are a
    // valid word.
    unsafe { slice::from_raw_parts(range.start as *const Word, range.size() as usize / 8) }
}

/// Copies `bytes` to `at`.
pub fn write(at: u64, bytes: &[u8]) {
    // SAFETY: RAM that the map gave to the caller; the source is the kernel's or another range.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), at as *mut u8, bytes.len()) };
}

/// Zeros a range.
pub fn zero(range: Range) {
    // SAFETY: RAM that the map gave to the caller.
    unsafe { ptr::write_bytes(range.start as *mut u8, 0, range.size() as usize) };
}

/// Cleans a range to the point of coherency.
pub fn clean(range: Range) {
    cache::clean_to_poc(range);
}
