//! The page of facts: its header, what is under the seal, and the seal.

use super::record::FactIndex;
use super::{Farewell, HandoverError};
use crate::config::{MAX_CPUS, PAGE};
use crate::sync::words::{Relaxed, Word};

const MAGIC: u64 = u64::from_le_bytes(*b"batonho1");
/// Changes with the layout of the page's header and with the place of the rings, and with nothing
/// else.
const LAYOUT: u64 = 8;

/// Words of the page of facts.
pub(super) const PAGE_WORDS: usize = (PAGE / 8) as usize;

/// The seal, over the words that [`field::SEALED`] counts.
pub(super) const SEAL: usize = PAGE_WORDS - 1;

/// Written after the page is sealed, so not under the seal: when the copy was done, if there was
/// one.
pub(super) const COPIED: usize = SEAL - 1;

/// The same as an offset into the region, for the code that copies.
pub const COPIED_AT: u64 = COPIED as u64 * 8;

/// The header, by word.
pub(super) mod field {
    pub const MAGIC: usize = 0;
    pub const LAYOUT: usize = 1;
    pub const CPUS: usize = 2;
    pub const JUMP_AT: usize = 3;
    pub const SEALED: usize = 4;
    /// First word of the records.
    pub const RECORDS: usize = 5;
}

const _: () = assert!(field::RECORDS + Farewell::WORDS <= COPIED);

/// The page, in a region that has one.
#[derive(Clone, Copy)]
pub(super) struct Page<'a> {
    words: &'a [Word; PAGE_WORDS],
}

impl<'a> Page<'a> {
    /// The first page of `region`.
    ///
    /// # Panics
    /// The region is smaller than a page. Its size has been looked at before.
    pub fn new(region: &'a [Word]) -> Self {
        Self { words: region.first_chunk().expect("a region has a page") }
    }

    /// Nothing on the page but the header of a kernel with so many CPUs. No seal.
    pub fn clear(&self, cpus: usize) {
        self.words.iter().for_each(|w| w.store(0, Relaxed));
        self.write_header(cpus, 0);
    }

    /// The header, with `sealed` words to be sealed; no seal.
    pub fn write_header(&self, cpus: usize, sealed: usize) {
        let header = [MAGIC, LAYOUT, cpus as u64, 0, sealed as u64];
        self.words.iter().zip(header).for_each(|(word, value)| word.store(value, Relaxed));
        self.break_seal();
    }

    /// Lays the farewell down, of a kernel with so many CPUs.
    pub fn prepare(&self, cpus: usize, farewell: &Farewell) {
        let used = farewell.write(&self.words[field::RECORDS..COPIED]);
        self.write_header(cpus, field::RECORDS + used);
        self.words[COPIED].store(0, Relaxed);
    }

    /// Writes the time of the jump and closes the page, if anything was prepared.
    pub fn seal(&self, jump_at: u64) {
        self.words[field::JUMP_AT].store(jump_at, Relaxed);
        self.words[SEAL].store(self.sealed_words().map_or(0, checksum), Relaxed);
    }

    /// What the page says is not said twice.
    pub fn break_seal(&self) {
        self.words[SEAL].store(0, Relaxed);
    }

    /// Where the records are, if the page is sealed.
    ///
    /// # Errors
    /// Why there is nothing to read.
    pub fn facts(&self) -> Result<FactIndex<'a>, HandoverError> {
        if self.word(field::MAGIC) != MAGIC || self.word(field::LAYOUT) != LAYOUT {
            return Err(HandoverError::Foreign);
        }
        let words = self.sealed_words().ok_or(HandoverError::Unsealed)?;
        if self.word(SEAL) != checksum(words) {
            return Err(HandoverError::Unsealed);
        }
        FactIndex::new(&words[field::RECORDS..])
    }

    /// CPUs of the kernel that wrote the page.
    ///
    /// # Errors
    /// [`HandoverError::Cpus`].
    pub fn cpus(&self) -> Result<usize, HandoverError> {
        let cpus = self.word(field::CPUS);
        let within = usize::try_from(cpus).ok().filter(|cpus| (1..=MAX_CPUS).contains(cpus));
        within.ok_or(HandoverError::Cpus(cpus))
    }

    /// When the kernel that wrote the page jumped, ticks.
    pub fn jump_at(&self) -> u64 {
        self.word(field::JUMP_AT)
    }

    /// When the copier was done, ticks; `None` if the jump had nothing to copy.
    pub fn copied_at(&self) -> Option<u64> {
        Some(self.word(COPIED)).filter(|&at| at != 0)
    }

    /// The words that the header says are under the seal; `None` if there is no such number of
    /// words.
    fn sealed_words(&self) -> Option<&'a [Word]> {
        let count = usize::try_from(self.word(field::SEALED)).ok()?;
        (field::RECORDS..=COPIED).contains(&count).then(|| &self.words[..count])
    }

    fn word(&self, at: usize) -> u64 {
        self.words[at].load(Relaxed)
    }
}

/// FNV-1a over words, with a rotation so that no bit stays where a second one could undo it; never
/// zero. Guards against an unfinished page and stray writes, not against malice.
fn checksum(words: &[Word]) -> u64 {
    checksum_of(words.iter().map(|word| word.load(Relaxed)))
}

/// The same of any words.
pub(super) fn checksum_of(words: impl Iterator<Item = u64>) -> u64 {
    let fold = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x100_0000_01b3).rotate_left(32);
    words.fold(0xcbf2_9ce4_8422_2325, fold).max(1)
}
