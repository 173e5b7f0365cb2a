//! Where the results of a run lie: the last part of the region, of one size, so that a kernel with
//! other CPUs finds them. They have a header and a checksum of their own, and no part in the seal: they
//! are read and written when nothing is timed.

use alloc::vec::Vec;

use crate::results::{Document, HEADER_BYTES, MAX_BYTES, ResultsError};
use crate::sync::words::{Relaxed, Word};

/// Words of the part.
const WORDS: usize = MAX_BYTES / 8;

/// The part of a region; `None` if the region is smaller.
fn part(region: &[Word]) -> Option<&[Word]> {
    region.len().checked_sub(WORDS).map(|at| &region[at..])
}

fn bytes_of(words: &[Word], bytes: usize) -> Vec<u8> {
    let words = &words[..bytes.div_ceil(8).min(words.len())];
    words.iter().flat_map(|word| word.load(Relaxed).to_le_bytes()).collect()
}

/// What is kept in a region.
///
/// # Errors
/// Why nothing is.
pub(super) fn read(region: &[Word]) -> Result<Document, ResultsError> {
    let part = part(region).ok_or(ResultsError::Foreign)?;
    let length = Document::length(&bytes_of(part, HEADER_BYTES))?;
    Document::read(&bytes_of(part, length))
}

/// Keeps a document, which has [`MAX_BYTES`] at most.
pub(super) fn write(region: &[Word], document: &Document) {
    let bytes = document.to_bytes();
    let words = part(region).unwrap_or_default();
    for (word, bytes) in words.iter().zip(bytes.chunks(8)) {
        let mut whole = [0; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        word.store(u64::from_le_bytes(whole), Relaxed);
    }
}

/// Nothing is kept any more.
pub(super) fn forget(region: &[Word]) {
    part(region).and_then(<[Word]>::first).into_iter().for_each(|word| word.store(0, Relaxed));
}
