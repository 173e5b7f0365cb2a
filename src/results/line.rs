//! The document on the console: numbered lines, each with its checksum, so that a line that was lost
//! or damaged can be asked for again.
//!
//! ```text
//! @results 3/57 BASE64 1c2d3e4f
//! ```
//!
//! The number of the line from 1 on, how many there are, 96 bytes of the document, and the CRC-32 of
//! all between the prefix and the last blank, in hex.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use base64ct::{Base64, Encoding as _};

use super::Document;
use crate::report::crc32;

/// What every line of the document starts with.
pub const LINE_PREFIX: &str = "@results ";

/// Bytes of the document in a line.
const BYTES: usize = 96;

/// A document as lines.
pub struct Lines(Vec<u8>);

impl Lines {
    /// Of a document.
    pub fn new(document: &Document) -> Self {
        Self(document.to_bytes())
    }

    /// How many lines there are.
    pub fn count(&self) -> usize {
        self.0.len().div_ceil(BYTES)
    }

    /// Line number `number`, from 1 on; `None` past the last one.
    pub fn line(&self, number: usize) -> Option<String> {
        let part = self.0.chunks(BYTES).nth(number.checked_sub(1)?)?;
        let said = format!("{number}/{} {}", self.count(), Base64::encode_string(part));
        Some(format!("{LINE_PREFIX}{said} {:08x}", crc32(said.as_bytes())))
    }
}

/// A line that was received whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Its number, from 1 on.
    pub number: usize,
    /// How many lines the document has.
    pub of: usize,
    /// Its bytes of the document.
    pub bytes: Vec<u8>,
}

impl Line {
    /// Reads a console line, which may have text before the prefix; `None` if it is no line of a
    /// document, or was damaged on the way.
    pub fn read(text: &str) -> Option<Self> {
        let at = text.rfind(LINE_PREFIX)? + LINE_PREFIX.len();
        let (said, crc) = text[at..].trim_end().rsplit_once(' ')?;
        if crc.len() != 8 || u32::from_str_radix(crc, 16) != Ok(crc32(said.as_bytes())) {
            return None;
        }
        let (place, data) = said.split_once(' ')?;
        let (number, of) = place.split_once('/')?;
        let (number, of) = (number.parse().ok()?, of.parse().ok()?);
        let bytes = Base64::decode_vec(data).ok()?;
        (number >= 1 && number <= of).then_some(Self { number, of, bytes })
    }
}
