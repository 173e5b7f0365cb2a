//! The form of a device tree, checked once so that no later read can fail (devicetree
//! specification v0.4, chapter 5).

use core::ops::Range;

use super::error::{Fault, FdtError};
use crate::config::MAX_DTB;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 40;

/// Levels below the root that can be read. The specification has no limit; `dtc` and Linux reach
/// ten or so.
pub const MAX_DEPTH: usize = 64;

const MAGIC: u32 = 0xd00d_feed;
const VERSION: u32 = 17;
const RESERVATION_BYTES: usize = 16;
const SMALLEST: usize = HEADER_BYTES + RESERVATION_BYTES + 16;

pub(super) const BEGIN_NODE: u32 = 1;
pub(super) const END_NODE: u32 = 2;
pub(super) const PROP: u32 = 3;
pub(super) const NOP: u32 = 4;
const END: u32 = 9;

/// The size that a device tree gives in its header, from its first 40 bytes: how much to map
/// before the rest is looked at.
///
/// # Errors
/// [`FdtError`] if this is no header, its version is not known, or the size is out of bounds.
pub fn total_size(first: &[u8]) -> Result<usize, FdtError> {
    let word = |i: usize| word_at(first, i * 4).ok_or(FdtError::NoHeader(first.len()));
    word(9)?;
    let (magic, size, version, compatible) = (word(0)?, word(1)?, word(5)?, word(6)?);
    if magic != MAGIC {
        return Err(FdtError::Magic(magic));
    }
    if version < VERSION || compatible > VERSION {
        return Err(FdtError::Version { version, compatible });
    }
    if (SMALLEST..=MAX_DTB).contains(&(size as usize)) {
        Ok(size as usize)
    } else {
        Err(FdtError::Size(size))
    }
}

/// The size that the header of anything like a tree claims, whatever it is; `None` if this is no
/// header.
pub fn claimed_size(first: &[u8]) -> Option<usize> {
    let magic = word_at(first, 0).filter(|&magic| magic == MAGIC);
    magic.and_then(|_| word_at(first, 4)).map(|size| size as usize)
}

/// Where the structure and the strings block are said to be, for a look at any tree.
pub(super) fn blocks(dtb: &[u8]) -> Option<(Range<usize>, Range<usize>)> {
    let word = |i: usize| word_at(dtb, i * 4).map(|word| word as usize);
    let block = |start: usize, size: usize| Some(start..start.checked_add(size)?);
    claimed_size(dtb)?;
    Some((block(word(2)?, word(9)?)?, block(word(3)?, word(8)?)?))
}

/// Where the blocks of a tree are, in bytes from its start.
#[derive(Debug)]
pub(super) struct Layout {
    pub total: usize,
    pub structs: Range<usize>,
    pub strings: Range<usize>,
    pub reservations: Range<usize>,
    pub boot_cpu: u32,
}

impl Layout {
    /// Bytes up to the end of the last block; what follows means nothing.
    pub fn used(&self) -> usize {
        self.structs.end.max(self.strings.end).max(self.reservations.end)
    }
}

/// How much there is in a tree that passed [`check`].
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Counts {
    pub nodes: usize,
    pub properties: usize,
}

/// Checks header, block bounds, memory reservations, token nesting and names.
pub(super) fn check(dtb: &[u8]) -> Result<(Layout, Counts), FdtError> {
    let total = total_size(dtb)?;
    let bytes = dtb.get(..total).ok_or(FdtError::Truncated { need: total, have: dtb.len() })?;
    let layout = layout(bytes)?;
    let structs = &bytes[layout.structs.clone()];
    let strings = &bytes[layout.strings.clone()];
    let walk = Walk { structs, strings, at: 0, depth: 0, counts: Counts::default() };
    Ok((layout, walk.run()?))
}

fn layout(bytes: &[u8]) -> Result<Layout, FdtError> {
    let word = |i: usize| word_at(bytes, i * 4).unwrap_or_default();
    Ok(Layout {
        total: bytes.len(),
        structs: block(bytes, "structure", word(2), word(9), 4)?,
        strings: block(bytes, "strings", word(3), word(8), 1)?,
        reservations: reservations(bytes, word(4))?,
        boot_cpu: word(7),
    })
}

fn block(
    bytes: &[u8],
    name: &'static str,
    start: u32,
    size: u32,
    align: usize,
) -> Result<Range<usize>, FdtError> {
    let (start, size) = (start as usize, size as usize);
    match start.checked_add(size) {
        Some(end) if start >= HEADER_BYTES && start.is_multiple_of(align) && end <= bytes.len() => {
            Ok(start..end)
        }
        _ => Err(FdtError::Block(name)),
    }
}

fn reservations(bytes: &[u8], start: u32) -> Result<Range<usize>, FdtError> {
    let start = block(bytes, "memory reservation", start, 0, 8)?.start;
    let entries = bytes[start..].chunks_exact(RESERVATION_BYTES);
    let last = entries.map(|e| e.iter().all(|&b| b == 0)).position(|closes| closes);
    let last = last.ok_or(FdtError::Reservations)?;
    Ok(start..start + (last + 1) * RESERVATION_BYTES)
}

pub(super) fn word_at(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*word))
}

/// A walk over the tokens; `at` is where the next one starts.
struct Walk<'a> {
    structs: &'a [u8],
    strings: &'a [u8],
    at: usize,
    depth: usize,
    counts: Counts,
}

impl Walk<'_> {
    fn run(mut self) -> Result<Counts, FdtError> {
        if self.word()? != BEGIN_NODE {
            return Err(self.fault(0, Fault::Order));
        }
        self.node()?;
        let mut properties_may_follow = true;
        while self.depth > 0 {
            let start = self.at;
            match self.word()? {
                BEGIN_NODE => {
                    self.node()?;
                    properties_may_follow = true;
                }
                END_NODE => {
                    self.depth -= 1;
                    properties_may_follow = false;
                }
                PROP if properties_may_follow => self.property()?,
                NOP => {}
                PROP | END => return Err(self.fault(start, Fault::Order)),
                other => return Err(self.fault(start, Fault::Token(other))),
            }
        }
        self.tail()
    }

    fn tail(mut self) -> Result<Counts, FdtError> {
        let mut token = self.word()?;
        while token == NOP {
            token = self.word()?;
        }
        if token == END && self.at == self.structs.len() {
            Ok(self.counts)
        } else {
            Err(self.fault(self.at, Fault::Tail))
        }
    }

    /// Goes over a node's name. `depth` counts the nodes that are open, the root included.
    fn node(&mut self) -> Result<(), FdtError> {
        let start = self.at;
        let name = c_string(&self.structs[start..]).ok_or(self.fault(start, Fault::Name))?;
        let is_root = self.depth == 0;
        if name.is_empty() != is_root || !name.iter().copied().all(printable) {
            return Err(self.fault(start, Fault::Name));
        }
        if self.depth > MAX_DEPTH {
            return Err(self.fault(start, Fault::Depth));
        }
        self.depth += 1;
        self.counts.nodes += 1;
        self.skip(name.len() + 1)
    }

    fn property(&mut self) -> Result<(), FdtError> {
        let start = self.at;
        let (length, name) = (self.word()? as usize, self.word()? as usize);
        let name = self.strings.get(name..).and_then(c_string);
        if name.is_none_or(|n| n.is_empty() || !n.iter().copied().all(printable)) {
            return Err(self.fault(start, Fault::Name));
        }
        self.counts.properties += 1;
        self.skip(length)
    }

    fn word(&mut self) -> Result<u32, FdtError> {
        let word = word_at(self.structs, self.at).ok_or(self.fault(self.at, Fault::Ends))?;
        self.at += 4;
        Ok(word)
    }

    /// Goes over `length` bytes and the padding to the next word.
    fn skip(&mut self, length: usize) -> Result<(), FdtError> {
        let end = self.at.checked_add(length).and_then(|e| e.checked_next_multiple_of(4));
        match end {
            Some(end) if end <= self.structs.len() => {
                self.at = end;
                Ok(())
            }
            _ => Err(self.fault(self.at, Fault::Ends)),
        }
    }

    fn fault(&self, at: usize, why: Fault) -> FdtError {
        FdtError::Structure { at, why }
    }
}

fn c_string(bytes: &[u8]) -> Option<&[u8]> {
    bytes.iter().position(|&b| b == 0).map(|end| &bytes[..end])
}

/// Printable ASCII and no path separator. The specification allows fewer characters, but names
/// outside its list are met in real trees and do no harm.
fn printable(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'/'
}
