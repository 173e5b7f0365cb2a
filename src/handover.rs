//! What crosses the jump: a region of RAM that the next kernel finds through its device tree
//! (`/chosen` `baton,handover`) and leaves in place.
//!
//! The region starts with one page of facts about the last jump, followed by two banks of trace
//! rings. A kernel writes to the bank of its generation's parity, so that the next kernel can read
//! its predecessor's teardown while recording its own bring-up.
//!
//! The whole region consists of plain 64-bit words. The page is closed by a seal; without a valid
//! seal the next kernel starts with a clean slate and says so.
//!
//! | word of the page | contents |
//! | --- | --- |
//! | 0 | magic |
//! | 1 | layout of this table; not that of the records |
//! | 2 | CPUs of the machine |
//! | 3 | time of the jump, ticks |
//! | 4 | how many words are under the seal, this header included |
//! | 5 and on | records, one after the other; an end record, or the end of what is sealed |
//! | 510 | when the copier was done, ticks; 0 if there was nothing to copy. Not under the seal |
//! | 511 | the seal: a checksum of the words before |
//!
//! A record is a header word and its payload:
//!
//! | bits of the header word | contents |
//! | --- | --- |
//! | 0..16 | kind; 0 is the end |
//! | 16..32 | version of the kind, from 1 |
//! | 32..64 | words of the payload |
//!
//! | kind | payload, by word | missing |
//! | --- | --- | --- |
//! | 1 jump | generation, time of exec, bytes that the jump moves | refused |
//! | 2 quiesced | none: the machine is left quiet | no promise |
//! | 3 parked | 8 words: a bit for each CPU that is parked for good | refused |
//! | 4 teardown | mode (0 serial, 1 parallel), CPUs, total; the six spans, in order | refused |
//! | 5 verify | ticks of the second look | no second look |
//! | 6 cycle | jumps done, jumps asked for | no cycle |
//! | 7 stress | on (0, 1), interrupts sent, interrupts handled | off |
//! | 8 script | text | no commands |
//! | 9 names | text of the kernel that jumps, text of the next | empty |
//! | 10 rings | layout of an event, sum of the names, events in the boot ring, in others | no events |
//!
//! The spans are those of [`Spans`](crate::trace::Spans). A text is its length in bytes, then its
//! bytes, eight to a word.
//!
//! A reader skips kinds that it does not know. A later version of a kind only appends words, so a
//! reader takes the front that it knows. Two records of one kind, and a length that runs past what
//! is sealed, make the page unusable. So what must survive can be added, as another kind or at the
//! end of one, and an earlier kernel still reads what it knows.

mod error;
mod facts;
mod farewell;
mod record;

pub use error::HandoverError;
pub use facts::{CycleCount, StressCount};
pub use farewell::Farewell;
pub use record::FactKind;

use facts::RingsFact;
use record::FactIndex;

use crate::config::{BOOT_TRACE_EVENTS, PAGE, TRACE_EVENTS};
use crate::cpu::CpuId;
use crate::sync::words::{Relaxed, Word};
use crate::trace::{Ring, ring_words};

const MAGIC: u64 = u64::from_le_bytes(*b"batonho1");
/// Changes with the layout of the page's header, and with nothing else.
const LAYOUT: u64 = 7;

/// Words of the page of facts.
const PAGE_WORDS: usize = (PAGE / 8) as usize;

/// The seal, over the words that [`field::SEALED`] counts.
const SEAL: usize = PAGE_WORDS - 1;

/// Written after the page is sealed, so not under the seal: when the copy was done, if there was
/// one.
const COPIED: usize = SEAL - 1;

/// The same as an offset into the region, for the code that copies.
pub const COPIED_AT: u64 = COPIED as u64 * 8;

/// The header, by word.
mod field {
    pub const MAGIC: usize = 0;
    pub const LAYOUT: usize = 1;
    pub const CPUS: usize = 2;
    pub const JUMP_AT: usize = 3;
    pub const SEALED: usize = 4;
    /// First word of the records.
    pub const RECORDS: usize = 5;
}

const _: () = assert!(field::RECORDS + Farewell::WORDS <= COPIED);

/// Bytes that the region needs for `cpus` CPUs, in whole pages.
pub fn bytes_for(cpus: usize) -> u64 {
    let words = PAGE_WORDS + 2 * bank_words(cpus);
    (words as u64 * 8).next_multiple_of(PAGE)
}

/// Words of one bank: the boot CPU's ring, then one of each CPU (the boot CPU's stays empty).
const fn bank_words(cpus: usize) -> usize {
    ring_words(BOOT_TRACE_EVENTS) + cpus * ring_words(TRACE_EVENTS)
}

/// The region.
#[derive(Clone, Copy)]
pub struct Area<'a> {
    words: &'a [Word],
    cpus: usize,
    boot: CpuId,
}

impl<'a> Area<'a> {
    /// Over `words`, for `cpus` CPUs of which `boot` is the boot CPU.
    ///
    /// # Errors
    /// [`HandoverError::Small`].
    pub fn new(words: &'a [Word], cpus: usize, boot: CpuId) -> Result<Self, HandoverError> {
        let enough = words.len() as u64 * 8 >= bytes_for(cpus);
        enough.then_some(Self { words, cpus, boot }).ok_or(HandoverError::Small)
    }

    /// Clears the region: no farewell, no events.
    pub fn format(&self) {
        self.words[..PAGE_WORDS].iter().for_each(|w| w.store(0, Relaxed));
        self.write_header(0);
        (0..2).for_each(|bank| self.clear_rings(bank));
    }

    /// The header, with `sealed` words to be sealed; no seal.
    fn write_header(&self, sealed: usize) {
        let header = [MAGIC, LAYOUT, self.cpus as u64, 0, sealed as u64];
        self.words.iter().zip(header).for_each(|(word, value)| word.store(value, Relaxed));
        self.words[SEAL].store(0, Relaxed);
    }

    /// Reads what the last kernel left, with the time of its last counter read, and breaks the
    /// seal, so that a farewell is never taken twice. If events of that kernel mean something else
    /// than this kernel's, its rings are emptied.
    ///
    /// # Errors
    /// Why there is nothing to take.
    pub fn take(&self) -> Result<(Farewell, u64), HandoverError> {
        let facts = self.facts()?;
        let farewell = Farewell::read(&facts)?;
        if facts.find() != Ok(Some(RingsFact::OURS)) {
            self.clear_rings(farewell.generation);
        }
        self.words[SEAL].store(0, Relaxed);
        Ok((farewell, self.word(field::JUMP_AT)))
    }

    /// True if a baton has jumped here, no other kernel has run since, and that baton promised to
    /// leave the machine quiet. Changes nothing.
    pub fn is_sealed(&self) -> bool {
        self.facts().is_ok_and(|facts| facts.has(FactKind::Quiesced))
    }

    /// Where the records are, if the page is sealed.
    fn facts(&self) -> Result<FactIndex<'a>, HandoverError> {
        let known = self.word(field::MAGIC) == MAGIC && self.word(field::LAYOUT) == LAYOUT;
        if !known || self.word(field::CPUS) != self.cpus as u64 {
            return Err(HandoverError::Foreign);
        }
        let words = self.sealed_words().ok_or(HandoverError::Unsealed)?;
        if self.word(SEAL) != checksum(words) {
            return Err(HandoverError::Unsealed);
        }
        FactIndex::new(&words[field::RECORDS..])
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

    /// When the copier was done; `None` if the jump had nothing to copy.
    pub fn copied_at(&self) -> Option<u64> {
        Some(self.word(COPIED)).filter(|&at| at != 0)
    }

    /// Lays the farewell down. May be done again until the jump.
    pub fn prepare(&self, farewell: &Farewell) {
        let used = farewell.write(&self.words[field::RECORDS..COPIED]);
        self.write_header(field::RECORDS + used);
        self.words[COPIED].store(0, Relaxed);
    }

    /// Writes the time of the jump and closes the page. Loads and stores only: this is after the
    /// point of no return. A page on which nothing was prepared stays open.
    pub fn seal(&self, jump_at: u64) {
        self.words[field::JUMP_AT].store(jump_at, Relaxed);
        self.words[SEAL].store(self.sealed_words().map_or(0, checksum), Relaxed);
    }

    /// The ring of a CPU in the bank of a generation; `None` past the number of CPUs.
    pub fn ring(&self, generation: u32, cpu: CpuId) -> Option<Ring<'a>> {
        if cpu.index() >= self.cpus {
            return None;
        }
        let bank = PAGE_WORDS + (generation as usize & 1) * bank_words(self.cpus);
        let (at, events) = if cpu == self.boot {
            (bank, BOOT_TRACE_EVENTS)
        } else {
            let row = ring_words(BOOT_TRACE_EVENTS) + cpu.index() * ring_words(TRACE_EVENTS);
            (bank + row, TRACE_EVENTS)
        };
        Ring::new(&self.words[at..at + ring_words(events)])
    }

    /// Empties the bank of a generation, which is that of the kernel before the last.
    pub fn clear_rings(&self, generation: u32) {
        let rings = (0..self.cpus).filter_map(|i| self.ring(generation, CpuId(i as u16)));
        rings.for_each(|ring| ring.clear());
    }
}

/// FNV-1a over words, with a rotation so that no bit stays where a second one could undo it; never
/// zero. Guards against an unfinished page and stray writes, not against malice.
fn checksum(words: &[Word]) -> u64 {
    let fold =
        |sum: u64, w: &Word| (sum ^ w.load(Relaxed)).wrapping_mul(0x100_0000_01b3).rotate_left(32);
    words.iter().fold(0xcbf2_9ce4_8422_2325, fold).max(1)
}

#[cfg(test)]
mod tests;
