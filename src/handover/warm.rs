//! What a baton makes ready for the next one: the machine as the next kernel will find it, so that
//! the next kernel can start its CPUs before it has read its tree.
//!
//! The record travels inside the tree, between header and reservation block, where a tree may have
//! bytes that nothing reads ([`fdt::carry`](crate::fdt::carry)): so it is written, hashed and
//! protected with the tree, is found through x0, and is gone when somebody else writes the tree
//! anew. It is made when a kernel is loaded, by the readers that the next kernel has.
//!
//! What is not needed for the first CPU_ON is left to the tree: the name of the machine, clock and
//! virtio devices, seeds.
//!
//! | word | contents |
//! | --- | --- |
//! | 0 | "batonwrm" |
//! | 1 | version of this table |
//! | 2 | words, all of this table |
//! | 3 | the seal: a checksum of all words but this one |
//! | 4.. | MPIDR of the boot CPU; image, tree, heap, each as start and end |
//! | 11.. | the machine and the boot's parameters, as `machine.rs` writes these |
//!
//! A kernel that can't use the record, because of the seal, the version or a machine that is not
//! the one that it runs on, reads its tree first, as after a cold boot, and says why.

mod machine;
mod wire;

use alloc::vec::Vec;
use core::fmt;

use super::page::checksum_of;
use crate::config::{IMAGE_ALIGN, PHYSICAL_END};
use crate::cpu::Mpidr;
use crate::memory::Range;
use crate::platform::{BootParams, LPI_TABLES, Machine};
use wire::{Reader, Writer};

const MAGIC: u64 = u64::from_le_bytes(*b"batonwrm");
/// Changes with anything that a record says.
const VERSION: u64 = 1;

/// The word of the seal.
const SEAL: usize = 3;
/// Words before what `machine.rs` writes.
const FIXED: usize = 11;

/// Where a kernel is when it is entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entered {
    /// The CPU that enters.
    pub boot: Mpidr,
    /// The image, bss and the boot CPU's stacks included.
    pub image: Range,
    /// The tree, this record included.
    pub dtb: Range,
}

/// Why a record is not used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WarmError {
    /// There is none.
    Absent,
    /// Of another version.
    Version(u64),
    /// The seal is broken.
    Unsealed,
    /// Made for another boot CPU, image or tree.
    Elsewhere(&'static str),
    /// What it says of this can't be.
    Malformed(&'static str),
}

impl fmt::Display for WarmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("the kernel before has left no machine"),
            Self::Version(version) => {
                write!(f, "the machine that the kernel before has left is of version {version}")
            }
            Self::Unsealed => {
                f.write_str("the seal of the machine that the kernel before has left is broken")
            }
            Self::Elsewhere(what) => {
                write!(f, "the machine that the kernel before has left is for another {what}")
            }
            Self::Malformed(what) => {
                write!(f, "the machine that the kernel before has left has an impossible {what}")
            }
        }
    }
}

/// Why there is no record: the machine can't be known before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LpisLeftOn;

impl fmt::Display for LpisLeftOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LPIs are on and can't be turned off, and their tables have to be looked for")
    }
}

/// The record for a kernel that will be entered as `entered`, with its heap at `heap`.
///
/// # Errors
/// [`LpisLeftOn`]: then the next kernel has to look at its machine first.
pub fn record(
    entered: &Entered,
    heap: Range,
    machine: &Machine,
    params: &BootParams,
) -> Result<Vec<u8>, LpisLeftOn> {
    if machine.reserved.iter().any(|r| r.name.starts_with(LPI_TABLES)) {
        return Err(LpisLeftOn);
    }
    let mut out = Writer::default();
    [MAGIC, VERSION, 0, 0, entered.boot.value()].into_iter().for_each(|word| out.number(word));
    [entered.image, entered.dtb, heap].into_iter().for_each(|range| out.range(range));
    machine::write(&mut out, machine, params);
    out.set(2, out.len() as u64);
    let mut bytes = out.bytes();
    let sealed = seal(&bytes);
    bytes[SEAL * 8..][..8].copy_from_slice(&sealed.to_le_bytes());
    Ok(bytes)
}

/// A record whose seal is whole and that was made for this entry. Needs no heap.
#[derive(Clone, Copy, Debug)]
pub struct Warm<'a> {
    bytes: &'a [u8],
    heap: Range,
}

impl<'a> Warm<'a> {
    /// The record at the start of `bytes`, which may be longer.
    ///
    /// # Errors
    /// [`WarmError`], if there is none that can be used.
    pub fn open(bytes: &'a [u8], entered: &Entered) -> Result<Self, WarmError> {
        let mut fixed = Reader::new(bytes);
        let mut word = || fixed.number().ok_or(WarmError::Absent);
        if word()? != MAGIC {
            return Err(WarmError::Absent);
        }
        let version = word()?;
        if version != VERSION {
            return Err(WarmError::Version(version));
        }
        let bytes = whole(bytes, word()?).ok_or(WarmError::Malformed("length"))?;
        if word()? != seal(bytes) {
            return Err(WarmError::Unsealed);
        }
        if word()? != entered.boot.value() {
            return Err(WarmError::Elsewhere("boot CPU"));
        }
        let mut range = || fixed.range(PHYSICAL_END);
        if range() != Some(entered.image) {
            return Err(WarmError::Elsewhere("image"));
        }
        if range() != Some(entered.dtb) {
            return Err(WarmError::Elsewhere("tree"));
        }
        let aligned = |at: u64| at.is_multiple_of(IMAGE_ALIGN);
        let heap = range().filter(|heap| aligned(heap.start) && aligned(heap.end));
        let apart = |heap: &Range| !heap.overlaps(&entered.image) && !heap.overlaps(&entered.dtb);
        let heap = heap.filter(|heap| !heap.is_empty() && apart(heap));
        Ok(Self { bytes, heap: heap.ok_or(WarmError::Malformed("heap"))? })
    }

    /// Where the heap has room.
    pub fn heap(&self) -> Range {
        self.heap
    }

    /// The machine, but for what the tree alone says, and the parameters of this boot without seeds.
    ///
    /// # Errors
    /// [`WarmError::Malformed`].
    pub fn read(&self) -> Result<(Machine, BootParams), WarmError> {
        let mut from = Reader::new(&self.bytes[FIXED * 8..]);
        let (machine, params) = machine::read(&mut from)?;
        let in_ram = machine.memory.iter().any(|ram| ram.covers(&self.heap));
        let free = machine.reserved.iter().all(|r| !r.range.overlaps(&self.heap));
        if !in_ram || !free {
            return Err(WarmError::Malformed("heap"));
        }
        machine.apart_from(&machine.memory).map_err(|_| WarmError::Malformed("device"))?;
        if from.is_empty() { Ok((machine, params)) } else { Err(WarmError::Malformed("length")) }
    }
}

/// The bytes of a record of so many words.
fn whole(bytes: &[u8], words: u64) -> Option<&[u8]> {
    let words = usize::try_from(words).ok().filter(|&words| words >= FIXED)?;
    bytes.get(..words.checked_mul(8)?)
}

/// The checksum of all words of a record but the seal.
fn seal(bytes: &[u8]) -> u64 {
    let words = bytes.as_chunks().0;
    let (before, after) = (&words[..SEAL], &words[SEAL + 1..]);
    checksum_of(before.iter().chain(after).map(|word| u64::from_le_bytes(*word)))
}
