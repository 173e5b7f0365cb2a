//! Physical memory as slices, through the linear map: this is where an address becomes a pointer.

use core::ptr;
use core::slice;

use super::{cache, layout};
use crate::memory::Range;
use crate::sync::words::Word;

fn pointer(at: u64) -> *mut u8 {
    layout::linear(at) as *mut u8
}

/// The bytes in a range. What the seam asks of its callers holds: the caller owns the range, and
/// nothing writes to it as long as the slice lives.
pub fn bytes(range: Range) -> &'static [u8] {
    // SAFETY: RAM that the map gave to the caller, mapped for good.
    unsafe { slice::from_raw_parts(pointer(range.start), range.size() as usize) }
}

/// The bytes that a window of the upper half maps.
///
/// # Safety
/// `bytes` at the virtual address `at` are mapped for good, and nothing writes there as long as the
/// slice lives.
pub unsafe fn window(at: u64, bytes: usize) -> &'static [u8] {
    // SAFETY: as the caller promises.
    unsafe { slice::from_raw_parts(at as *const u8, bytes) }
}

/// A range as atomic words.
pub fn words(range: Range) -> &'static [Word] {
    // SAFETY: RAM that the map gave to the caller, mapped for good, page-aligned; any bits are a
    // valid word.
    unsafe { slice::from_raw_parts(pointer(range.start).cast(), range.size() as usize / 8) }
}

/// Copies `bytes` to `at`.
pub fn write(at: u64, bytes: &[u8]) {
    // SAFETY: RAM that the map gave to the caller; the source is the kernel's or another range.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), pointer(at), bytes.len()) };
}

/// Zeros a range.
pub fn zero(range: Range) {
    // SAFETY: RAM that the map gave to the caller.
    unsafe { ptr::write_bytes(pointer(range.start), 0, range.size() as usize) };
}

/// Cleans a range to the point of coherency.
pub fn clean(range: Range) {
    cache::clean_to_poc(layout::linear(range.start), range.size());
}
