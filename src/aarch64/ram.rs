//! RAM through the linear map: this is where a piece becomes bytes.

use core::slice;
use core::{ops, ptr};

use super::{cache, layout};
use crate::memory::Piece;
use crate::sync::words::Word;

fn pointer(piece: &Piece) -> *mut u8 {
    layout::linear(piece.range().start) as *mut u8
}

/// The contents of a piece.
pub fn bytes(piece: &Piece) -> &[u8] {
    // SAFETY: the maker of the `Ram` promised that the piece is mapped. As long as the slice
    // borrows the piece, nothing writes there: a write takes the piece itself, or a mutable borrow.
    unsafe { slice::from_raw_parts(pointer(piece), piece.len()) }
}

/// The contents of a piece that is given up.
pub fn read_only(piece: Piece) -> &'static [u8] {
    // SAFETY: as in `bytes`, and nothing can write there any more: the piece is gone.
    unsafe { slice::from_raw_parts(pointer(&piece), piece.len()) }
}

/// The contents of a piece that is given up, as atomic words.
pub fn words(piece: Piece) -> &'static [Word] {
    // SAFETY: as in `read_only`; pages are aligned for words, and any bits are a valid word.
    unsafe { slice::from_raw_parts(pointer(&piece).cast(), piece.len() / size_of::<Word>()) }
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

/// Copies `bytes` into a piece, from `offset` on.
///
/// # Panics
/// The piece is smaller.
pub fn write(piece: &mut Piece, offset: usize, bytes: &[u8]) {
    let end = offset.checked_add(bytes.len());
    assert!(end.is_some_and(|end| end <= piece.len()), "{} bytes do not fit", bytes.len());
    // SAFETY: inside of a piece that is mapped, as asserted. `bytes` is not in it: that would
    // borrow the piece.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), pointer(piece).add(offset), bytes.len()) };
}

/// Zeros a part of a piece.
///
/// # Panics
/// The piece is smaller.
pub fn zero(piece: &mut Piece, part: ops::Range<usize>) {
    assert!(part.start <= part.end && part.end <= piece.len(), "{part:?} is not in the piece");
    // SAFETY: inside of a piece that is mapped, as asserted.
    unsafe { ptr::write_bytes(pointer(piece).add(part.start), 0, part.len()) };
}

/// Cleans a part of a piece to the point of coherency.
///
/// # Panics
/// The piece is smaller.
pub fn clean(piece: &Piece, part: ops::Range<usize>) {
    assert!(part.start <= part.end && part.end <= piece.len(), "{part:?} is not in the piece");
    let start = layout::linear(piece.range().start) + part.start as u64;
    cache::clean_to_poc(start, part.len() as u64);
}
