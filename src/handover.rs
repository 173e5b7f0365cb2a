//! What crosses the jump: a region of RAM that the next kernel finds through its device tree
//! (`/chosen` `baton,handover`) and leaves in place.
//!
//! The region starts with one page of facts about the last jump, followed by two banks of trace
//! rings. A kernel writes to the bank of its generation's parity, so that the next kernel can read
//! its predecessor's teardown while recording its own bring-up.
//!
//! The whole region consists of plain 64-bit words. The page is closed by a seal over its contents;
//! without a valid seal the next kernel starts with a clean slate and says so.

mod farewell;

use core::fmt;

pub use farewell::{CycleCount, Farewell, StressCount};

use crate::config::{BOOT_TRACE_EVENTS, PAGE, TRACE_EVENTS};
use crate::cpu::CpuId;
use crate::sync::words::{Relaxed, Word};
use crate::trace::{Ring, ring_words};

const MAGIC: u64 = u64::from_le_bytes(*b"batonho1");
/// Changes with the layout of the page, of an event, or with the table of steps.
const VERSION: u64 = 6;

/// Words of the page of facts.
const PAGE_WORDS: usize = (PAGE / 8) as usize;

/// The seal, over all words before [`COPIED`].
const SEAL: usize = PAGE_WORDS - 1;

/// Written after the page is sealed, so not under the seal: when the copy was done, if there was
/// one.
const COPIED: usize = SEAL - 1;

/// The same as an offset into the region, for the code that copies.
pub const COPIED_AT: u64 = COPIED as u64 * 8;

/// Fixed fields, by word.
mod field {
    pub const MAGIC: usize = 0;
    pub const VERSION: usize = 1;
    pub const CPUS: usize = 2;
    pub const JUMP_AT: usize = 3;
    /// First word of the [`super::Farewell`].
    pub const FAREWELL: usize = 8;
}

/// Why the region that the device tree names can't be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HandoverError {
    /// The region is smaller than this number of CPUs needs.
    Small,
    /// The region is no handover of baton, or one of another version.
    Foreign,
    /// The page was not sealed by a jump, or has been written to since.
    Unsealed,
}

impl fmt::Display for HandoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Small => "handover region is too small for these CPUs",
            Self::Foreign => "handover region is of another kernel or version",
            Self::Unsealed => "handover region was not closed by a jump, or is damaged",
        })
    }
}

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
        self.words[field::MAGIC].store(MAGIC, Relaxed);
        self.words[field::VERSION].store(VERSION, Relaxed);
        self.words[field::CPUS].store(self.cpus as u64, Relaxed);
        (0..2).for_each(|bank| self.clear_rings(bank));
    }

    /// Reads what the last kernel left, with the time of its last counter read, and breaks the
    /// seal, so that a farewell is never taken twice.
    ///
    /// # Errors
    /// Why there is nothing to take.
    pub fn take(&self) -> Result<(Farewell, u64), HandoverError> {
        let word = |at: usize| self.words[at].load(Relaxed);
        self.check()?;
        let farewell = Farewell::read(&self.words[field::FAREWELL..COPIED])?;
        self.words[SEAL].store(0, Relaxed);
        Ok((farewell, word(field::JUMP_AT)))
    }

    /// True if a kernel of this version has jumped here and no other kernel has run since: the
    /// machine is then in the state that such a kernel leaves. Changes nothing.
    pub fn is_sealed(&self) -> bool {
        self.check().is_ok()
    }

    fn check(&self) -> Result<(), HandoverError> {
        let word = |at: usize| self.words[at].load(Relaxed);
        let known = word(field::MAGIC) == MAGIC && word(field::VERSION) == VERSION;
        if !known || word(field::CPUS) != self.cpus as u64 {
            return Err(HandoverError::Foreign);
        }
        let sealed = word(SEAL) == self.checksum();
        sealed.then_some(()).ok_or(HandoverError::Unsealed)
    }

    /// When the copier was done; `None` if the jump had nothing to copy.
    pub fn copied_at(&self) -> Option<u64> {
        Some(self.words[COPIED].load(Relaxed)).filter(|&at| at != 0)
    }

    /// Lays the farewell down. May be done again until the jump.
    pub fn prepare(&self, farewell: &Farewell) {
        farewell.write(&self.words[field::FAREWELL..COPIED]);
        self.words[COPIED].store(0, Relaxed);
    }

    /// Writes the time of the jump and closes the page. Stores only: this is after the point of no
    /// return.
    pub fn seal(&self, jump_at: u64) {
        self.words[field::JUMP_AT].store(jump_at, Relaxed);
        self.words[SEAL].store(self.checksum(), Relaxed);
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

    /// FNV-1a over the page, seal excluded, never zero. Guards against an unfinished page and
    /// stray writes, not against malice.
    fn checksum(&self) -> u64 {
        let fold = |sum: u64, w: &Word| (sum ^ w.load(Relaxed)).wrapping_mul(0x100_0000_01b3);
        self.words[..COPIED].iter().fold(0xcbf2_9ce4_8422_2325, fold) | 1
    }
}

#[cfg(test)]
mod tests;
