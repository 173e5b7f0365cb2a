//! A command line as it stands in the tree: bytes, since no writer of a tree promises more, and what
//! of the command line is not known.
//!
//! A command line may be longer than the next kernel can be given, and is still read here. What
//! can't be read with certainty is a [`Doubt`]: options for security then count as the strictest,
//! and the command line is not handed on as if it were whole.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use super::security;
use super::words::{self, OptionWord};
use crate::config::MAX_BOOTARGS_READ;

/// Why a command line is not known in full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doubt {
    /// The tree has several command lines: two `/chosen`, or the property twice.
    Several,
    /// The property does not end in a NUL, as a text in a tree does: the end may be missing.
    NoEnd,
    /// Something follows the NUL that ends the text.
    Behind {
        /// Offset of the NUL.
        at: usize,
    },
    /// The text is longer than what is read.
    Cut {
        /// Bytes that are read.
        at: usize,
    },
    /// A quote is opened and not closed, so that it is unknown which words it was to enclose.
    OpenQuote,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Several => f.write_str("the device tree has several command lines"),
            Self::NoEnd => f.write_str(
                "the command line has no NUL at its end, and whether something is missing there \
                 is unknown",
            ),
            Self::Behind { at } => write!(
                f,
                "the command line ends with a NUL at byte {at}, and what is behind it is unknown"
            ),
            Self::Cut { at } => {
                write!(f, "the command line is cut at {at} bytes and what is behind it is unknown")
            }
            Self::OpenQuote => f.write_str(
                "a quote on the command line is not closed, and which words it encloses is unknown",
            ),
        }
    }
}

/// A command line. Displays with everything escaped that is no printable text.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct CommandLine {
    bytes: Vec<u8>,
    /// What reading the tree has left open.
    doubt: Option<Doubt>,
}

impl CommandLine {
    /// The command line in a tree: `values` are all properties that hold one.
    pub fn of_tree(values: &[&[u8]]) -> Self {
        let Some(&value) = values.first() else { return Self::default() };
        let end = value.iter().position(|&byte| byte == 0);
        let text = &value[..end.unwrap_or(value.len())];
        let doubt = match end {
            _ if values.len() > 1 => Some(Doubt::Several),
            None => Some(Doubt::NoEnd),
            Some(at) if value[at..].iter().any(|&byte| byte != 0) => Some(Doubt::Behind { at }),
            Some(at) if at > MAX_BOOTARGS_READ => Some(Doubt::Cut { at: MAX_BOOTARGS_READ }),
            Some(_) => None,
        };
        Self { bytes: text[..text.len().min(MAX_BOOTARGS_READ)].to_vec(), doubt }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Why it is not known in full; `None` if it is.
    pub fn doubt(&self) -> Option<Doubt> {
        let quotes = self.bytes.iter().filter(|&&byte| byte == b'"').count();
        self.doubt.or((quotes % 2 == 1).then_some(Doubt::OpenQuote))
    }

    /// The command line without its options of this name that have a value. One separator is
    /// removed with each; all other bytes stay as they are. If a removed word was also taken for an
    /// option that closes something, as with a quote in the wrong place, that option is added.
    pub fn without(&self, key: &str) -> Self {
        security::as_closed_as(self, self.cut(key))
    }

    fn cut(&self, key: &str) -> Self {
        let line = &self.bytes[..];
        let mut kept = Vec::with_capacity(line.len());
        let mut from = 0;
        let gone = |word: &OptionWord<'_>| word.key == key.as_bytes() && word.value.is_some();
        for word in words::ours(line).filter(gone) {
            kept.extend_from_slice(&line[from..word.start]);
            from = word.start + word.whole.len();
            if from < line.len() {
                from += 1; // the white space that ends a word is one byte
            } else {
                kept.pop(); // the last word: its separator stands before
            }
        }
        kept.extend_from_slice(&line[from..]);
        Self { bytes: kept, doubt: self.doubt }
    }

    /// The command line with one more word: the last one that is not init's.
    pub fn with(&self, word: &str) -> Self {
        let end = words::words(&self.bytes).find(|word| word.whole == words::INIT);
        let (ours, rest) = self.bytes.split_at(end.map_or(self.bytes.len(), |word| word.start));
        let mut bytes = ours.to_vec();
        if ours.last().is_some_and(|last| !last.is_ascii_whitespace()) {
            bytes.push(b' ');
        }
        bytes.extend_from_slice(word.as_bytes());
        if !rest.is_empty() {
            bytes.push(b' ');
        }
        bytes.extend_from_slice(rest);
        Self { bytes, doubt: self.doubt }
    }
}

/// The command line without its `run=` options, for handing on to the next kernel. One separator is
/// removed with each option; all other bytes stay as they are.
pub fn without_run(line: &CommandLine) -> CommandLine {
    line.without("run")
}

impl From<&[u8]> for CommandLine {
    fn from(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), doubt: None }
    }
}

impl From<&str> for CommandLine {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<String> for CommandLine {
    fn from(text: String) -> Self {
        Self { bytes: text.into_bytes(), doubt: None }
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(&self.bytes).fmt(f)
    }
}

/// Bytes that should be text, for people: what is no UTF-8 and what would steer a terminal is
/// escaped, and so is the backslash, so that no two texts look the same.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            chunk.valid().chars().try_for_each(|c| match c {
                '"' | '\'' => f.write_char(c),
                c => write!(f, "{}", c.escape_debug()),
            })?;
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}
