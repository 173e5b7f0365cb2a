//! What a run has measured, as one document that crosses kexecs and comes home without a quiet serial
//! line: on the console in numbered lines ([`Lines`]), or in `/chosen` of the next kernel's tree.
//!
//! The document is a list of entries. An entry is some record lines (see [`report`](crate::report)),
//! packed by deflate, so that an old entry can go without touching the others. In bytes, numbers
//! little endian:
//!
//! | bytes | contents |
//! | --- | --- |
//! | 0..8 | `batonres` |
//! | 8..12 | length of the body |
//! | 12..16 | CRC-32 of the body |
//! | body: 0..4 | entries that were dropped for want of room |
//! | then, for each entry | kind, tag, two bytes 0; generation, bytes unpacked, bytes packed; what is packed |
//!
//! Kernel and host tool share this module.

mod error;
mod line;
#[cfg(all(test, not(loom)))]
mod tests;
mod wire;

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

pub use error::ResultsError;
pub use line::{LINE_PREFIX, Line, Lines};
pub use wire::HEADER_BYTES;

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

/// Property of `/chosen` that has a document.
pub const PROPERTY: &str = "baton,report";

/// Most bytes of a document: those of the largest machine.
pub const MAX_BYTES: usize = 560 << 10;

/// Most bytes that one entry may unpack to: a trace of the largest machine has a fifth of that.
pub const MAX_TEXT: usize = 8 << 20;

/// How hard deflate tries: the fastest level is within a tenth of the best for these texts.
const LEVEL: u8 = 1;

/// What an entry has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// What a kernel has reported: how it came up, how the jump to it went, what it measured.
    Records = 1,
    /// The trace of the kexec that led to a kernel: marks, steps and phases of both.
    Trace = 2,
}

/// Some record lines, packed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// What it has.
    pub kind: Kind,
    /// Of a trace: which kind of kexec it is of; a newer one of the same kind takes its place.
    pub tag: u8,
    /// Kexecs behind the kernel that made it.
    pub generation: u32,
    unpacked: u32,
    packed: Vec<u8>,
}

impl Entry {
    /// Packs some lines.
    pub fn new(kind: Kind, tag: u8, generation: u32, text: &str) -> Self {
        let packed = compress_to_vec(text.as_bytes(), LEVEL);
        Self { kind, tag, generation, unpacked: text.len() as u32, packed }
    }

    /// The lines.
    ///
    /// # Errors
    /// What is packed does not unpack to what the entry says.
    pub fn text(&self) -> Result<String, ResultsError> {
        let unpacked = self.unpacked as usize;
        let bytes = decompress_to_vec_with_limit(&self.packed, unpacked.min(MAX_TEXT));
        let bytes = bytes.ok().filter(|bytes| bytes.len() == unpacked);
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        text.ok_or(ResultsError::Entry { generation: self.generation })
    }

    /// Bytes that the entry takes in a document.
    fn bytes(&self) -> usize {
        wire::ENTRY_BYTES + self.packed.len()
    }
}

/// The document.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Document {
    dropped: u32,
    entries: VecDeque<Entry>,
}

impl Document {
    /// Entries that were dropped for want of room, the oldest first.
    pub fn dropped(&self) -> u32 {
        self.dropped
    }

    /// The entries, the oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// True if nothing was ever kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.dropped == 0
    }

    /// Bytes of the document.
    pub fn bytes(&self) -> usize {
        wire::LEAST_BYTES + self.entries.iter().map(Entry::bytes).sum::<usize>()
    }

    /// Keeps an entry; a trace takes the place of the one with its tag. The oldest entries go until
    /// the document has `room` bytes at most.
    pub fn push(&mut self, entry: Entry, room: usize) {
        if entry.kind == Kind::Trace {
            self.entries.retain(|old| old.kind != Kind::Trace || old.tag != entry.tag);
        }
        self.entries.push_back(entry);
        self.shrink(room);
    }

    /// Drops the oldest entries until the document has `room` bytes at most.
    pub fn shrink(&mut self, room: usize) {
        let mut bytes = self.bytes();
        while bytes > room {
            let Some(oldest) = self.entries.pop_front() else { return };
            bytes -= oldest.bytes();
            self.dropped = self.dropped.saturating_add(1);
        }
    }
}
