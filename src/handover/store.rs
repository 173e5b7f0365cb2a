//! Where the results of a run lie: the last part of the region. The region's last word says how large
//! that part is, so that a kernel with other CPUs finds it. The results have a header and a checksum of
//! their own, and no part in the seal: they are read and written when nothing is timed.
//!
//! Each page of the region costs the next kernel an entry of a page table, and so some instructions of
//! the blackout: the part is small where there are few CPUs.

use alloc::vec::Vec;

use crate::config::{MAX_CPUS, PAGE};
use crate::results::{Document, HEADER_BYTES, MAX_BYTES, ResultsError};
use crate::sync::words::{Relaxed, Word};

/// What the upper half of the last word says.
const MARK: u64 = 0x6261_7265 << 32;

/// Bytes of the part: so many, and so many for each CPU.
const BYTES: (usize, usize) = (48 << 10, 1 << 10);

const _: () = assert!(bytes_for(MAX_CPUS) as usize <= MAX_BYTES);

/// Bytes of the part for `cpus` CPUs, its last word included, in whole pages.
pub const fn bytes_for(cpus: usize) -> u64 {
    ((BYTES.0 + BYTES.1 * cpus) as u64).next_multiple_of(PAGE)
}

/// The part of a region, without the last word; `None` if there is none.
fn part(region: &[Word]) -> Option<&[Word]> {
    let (last, rest) = region.split_last()?;
    let bytes = last.load(Relaxed).checked_sub(MARK)?;
    let words = usize::try_from(bytes).ok().filter(|bytes| (1..=MAX_BYTES).contains(bytes))? / 8;
    let at = region.len().checked_sub(words)?;
    rest.get(at..)
}

/// Bytes that a document may have.
pub(super) fn room(region: &[Word]) -> usize {
    part(region).map_or(0, |part| part.len() * 8)
}

/// Makes a part for so many CPUs, if there is none. `rings` bytes of the region are somebody else's.
pub(super) fn lay(region: &[Word], rings: u64, cpus: usize) {
    let bytes = bytes_for(cpus);
    if part(region).is_none()
        && region.len() as u64 * 8 >= rings + bytes
        && let Some(last) = region.last()
    {
        last.store(MARK + bytes, Relaxed);
    }
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

/// Keeps a document, which has [`room`] at most.
pub(super) fn write(region: &[Word], document: &Document) {
    let bytes = document.to_bytes();
    for (word, bytes) in part(region).unwrap_or_default().iter().zip(bytes.chunks(8)) {
        let mut whole = [0; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        word.store(u64::from_le_bytes(whole), Relaxed);
    }
}

/// Nothing is kept any more, and there is no part.
pub(super) fn forget(region: &[Word]) {
    let words = [part(region).and_then(<[Word]>::first), region.last()];
    words.into_iter().flatten().for_each(|word| word.store(0, Relaxed));
}
