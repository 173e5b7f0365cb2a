//! The document as bytes.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::{Document, Entry, Kind, MAX_BYTES, ResultsError};
use crate::report::crc32;

const MAGIC: &[u8; 8] = b"batonres";

/// Bytes before the body.
pub const HEADER_BYTES: usize = 16;

/// Bytes of a document without entries.
pub(super) const LEAST_BYTES: usize = HEADER_BYTES + 4;

/// Bytes of an entry before what is packed.
pub(super) const ENTRY_BYTES: usize = 16;

impl Document {
    /// The document as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes());
        bytes.extend(MAGIC);
        bytes.extend([0; HEADER_BYTES - MAGIC.len()]);
        bytes.extend(self.dropped.to_le_bytes());
        self.entries.iter().for_each(|entry| entry.write(&mut bytes));
        let body = &bytes[HEADER_BYTES..];
        let (length, crc) = (body.len() as u32, crc32(body));
        bytes[8..12].copy_from_slice(&length.to_le_bytes());
        bytes[12..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// From bytes, which may go on behind the document.
    ///
    /// # Errors
    /// Why there is no document.
    pub fn read(bytes: &[u8]) -> Result<Self, ResultsError> {
        let whole = Self::length(bytes)?;
        let body = bytes.get(HEADER_BYTES..whole);
        let body = body.ok_or(ResultsError::Short { has: bytes.len(), wants: whole })?;
        if word(bytes, 12) != Some(crc32(body)) {
            return Err(ResultsError::Crc);
        }
        let dropped = word(body, 0).ok_or(ResultsError::Malformed { at: HEADER_BYTES })?;
        let (mut entries, mut at) = (VecDeque::new(), 4);
        while at < body.len() {
            let malformed = ResultsError::Malformed { at: HEADER_BYTES + at };
            let entry = body.get(at..).and_then(Entry::read).ok_or(malformed)?;
            at += entry.bytes();
            entries.push_back(entry);
        }
        Ok(Self { dropped, entries })
    }

    /// How many bytes the document that begins here says it has, header included.
    ///
    /// # Errors
    /// No document begins here, or one that is longer than any is.
    pub fn length(bytes: &[u8]) -> Result<usize, ResultsError> {
        if bytes.get(..MAGIC.len()) != Some(MAGIC) {
            return Err(ResultsError::Foreign);
        }
        let short = ResultsError::Short { has: bytes.len(), wants: HEADER_BYTES };
        let body = word(bytes, 8).ok_or(short)? as usize;
        if body > MAX_BYTES - HEADER_BYTES {
            return Err(ResultsError::Long(body));
        }
        Ok(HEADER_BYTES + body)
    }
}

impl Entry {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend([self.kind as u8, self.tag, 0, 0]);
        let numbers = [self.generation, self.unpacked, self.packed.len() as u32];
        numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
        bytes.extend(&self.packed);
    }

    /// The entry at the front of `bytes`; `None` if there is none.
    fn read(bytes: &[u8]) -> Option<Self> {
        let &[kind, tag, 0, 0] = bytes.first_chunk::<4>()? else { return None };
        let kind = match kind {
            1 => Kind::Records,
            2 => Kind::Trace,
            _ => return None,
        };
        let (generation, unpacked) = (word(bytes, 4)?, word(bytes, 8)?);
        let end = ENTRY_BYTES.checked_add(word(bytes, 12)? as usize)?;
        let packed = bytes.get(ENTRY_BYTES..end)?.to_vec();
        Some(Self { kind, tag, generation, unpacked, packed })
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
}
