//! The records of the page: one header word, then the payload. Each kind of record is a type that
//! is a [`Fact`]; this file knows the form of all of them and the contents of none.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::HandoverError;
use crate::sync::words::{Relaxed, Word};

/// The kind of a record that closes the page before the end of what is sealed.
const END: u16 = 0;

/// What a record is about. The numbers are those on the wire, and are never given to another kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum FactKind {
    /// Which kernel jumps, and since when.
    Jump = 1,
    /// The machine is left quiet.
    Quiesced = 2,
    /// CPUs that stay on for good.
    Parked = 3,
    /// How the CPUs were taken down.
    Teardown = 4,
    /// The second look at what is loaded.
    Verify = 5,
    /// Where in a series of jumps the machine is.
    Cycle = 6,
    /// The stress that goes on.
    Stress = 7,
    /// Console commands that go on.
    Script = 8,
    /// The kernels' names.
    Names = 9,
    /// How the trace rings are laid out.
    Rings = 10,
    /// The grace periods of the teardown, where they are not those of its mode.
    Grace = 11,
}

impl FactKind {
    /// All kinds, in the order of their numbers, which start at 1.
    pub const ALL: [Self; 11] = [
        Self::Jump,
        Self::Quiesced,
        Self::Parked,
        Self::Teardown,
        Self::Verify,
        Self::Cycle,
        Self::Stress,
        Self::Script,
        Self::Names,
        Self::Rings,
        Self::Grace,
    ];

    /// The name that people see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jump => "jump",
            Self::Quiesced => "quiesced",
            Self::Parked => "parked",
            Self::Teardown => "teardown",
            Self::Verify => "verify",
            Self::Cycle => "cycle",
            Self::Stress => "stress",
            Self::Script => "script",
            Self::Names => "names",
            Self::Rings => "rings",
            Self::Grace => "grace",
        }
    }

    const fn place(self) -> usize {
        self as usize - 1
    }

    fn from_number(number: u16) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }
}

impl fmt::Display for FactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A record's contents: a type with its kind, and the order of its words in `write` and `read`.
pub(super) trait Fact: Sized {
    /// The kind on the wire.
    const KIND: FactKind;

    /// The version that is written. A later version only appends words, so that an earlier reader
    /// understands the front; a change of what is there already is another kind.
    const VERSION: u16 = 1;

    /// Most words that `write` appends.
    const WORDS: usize;

    /// Appends the payload.
    fn write(&self, to: &mut FactWriter<'_>);

    /// Reads the payload; `None` if a word is missing or no kernel writes such a value.
    fn read(from: &mut FactReader<'_>) -> Option<Self>;
}

/// The first word of a record.
struct FactHeader {
    kind: u16,
    version: u16,
    /// Words of the payload.
    length: u32,
}

impl FactHeader {
    fn encode(&self) -> u64 {
        u64::from(self.kind) | u64::from(self.version) << 16 | u64::from(self.length) << 32
    }

    fn decode(word: u64) -> Self {
        Self { kind: word as u16, version: (word >> 16) as u16, length: (word >> 32) as u32 }
    }
}

/// Appends records to the page.
pub(super) struct FactWriter<'a> {
    words: &'a [Word],
    used: usize,
}

impl<'a> FactWriter<'a> {
    pub(super) fn new(words: &'a [Word]) -> Self {
        Self { words, used: 0 }
    }

    /// Appends a record.
    pub(super) fn fact<F: Fact>(&mut self, fact: &F) {
        let header = self.used;
        self.word(0);
        fact.write(self);
        let length = (self.used - header - 1) as u32;
        let word = FactHeader { kind: F::KIND as u16, version: F::VERSION, length }.encode();
        self.store(header, word);
    }

    /// Appends a word to the record.
    pub(super) fn word(&mut self, value: u64) {
        self.store(self.used, value);
        self.used += 1;
    }

    /// Appends a text: how many bytes, then the bytes. What is over the limit is cut.
    pub(super) fn text(&mut self, text: &str, limit: usize) {
        let text = clip(text, limit);
        self.word(text.len() as u64);
        for chunk in text.as_bytes().chunks(8) {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(bytes));
        }
    }

    /// Closes the sequence, and says how many words it has. More than there is room for: not all
    /// were stored, and the page must not be sealed.
    pub(super) fn end(mut self) -> usize {
        self.word(FactHeader { kind: END, version: 0, length: 0 }.encode());
        self.used
    }

    fn store(&self, at: usize, value: u64) {
        self.words.get(at).into_iter().for_each(|word| word.store(value, Relaxed));
    }
}

/// Most words of a text of so many bytes.
pub(super) const fn text_words(limit: usize) -> usize {
    1 + limit.div_ceil(8)
}

/// The longest prefix of whole characters that fits.
fn clip(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Reads the payload of one record.
pub(super) struct FactReader<'a> {
    words: &'a [Word],
}

impl FactReader<'_> {
    /// The next word.
    pub(super) fn word(&mut self) -> Option<u64> {
        let (word, rest) = self.words.split_first()?;
        self.words = rest;
        Some(word.load(Relaxed))
    }

    /// The next word, as a number of 32 bits.
    pub(super) fn number(&mut self) -> Option<u32> {
        self.word()?.try_into().ok()
    }

    /// The next word, as 0 or 1.
    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.word()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// A text of at most `limit` bytes.
    pub(super) fn text(&mut self, limit: usize) -> Option<String> {
        let length = usize::try_from(self.word()?).ok().filter(|&length| length <= limit)?;
        let (words, rest) = self.words.split_at_checked(length.div_ceil(8))?;
        self.words = rest;
        let bytes = words.iter().flat_map(|word| word.load(Relaxed).to_le_bytes()).take(length);
        String::from_utf8(bytes.collect::<Vec<u8>>()).ok()
    }
}

/// Where the records of a sealed page are.
#[derive(Default)]
pub(super) struct FactIndex<'a> {
    found: [Option<(u16, &'a [Word])>; FactKind::ALL.len()],
}

impl<'a> FactIndex<'a> {
    /// Finds the records in `words`, up to the end record or the last word. Records of unknown
    /// kinds are skipped.
    ///
    /// # Errors
    /// [`HandoverError::Unsealed`] for a length that runs past `words`, [`HandoverError::Twice`],
    /// and [`HandoverError::Malformed`] for a version that no kernel writes.
    pub(super) fn new(mut words: &'a [Word]) -> Result<Self, HandoverError> {
        let mut index = Self::default();
        while let Some((word, rest)) = words.split_first() {
            let header = FactHeader::decode(word.load(Relaxed));
            if header.kind == END {
                break;
            }
            let split = rest.split_at_checked(header.length as usize);
            let (payload, next) = split.ok_or(HandoverError::Unsealed)?;
            index.enter(&header, payload)?;
            words = next;
        }
        Ok(index)
    }

    fn enter(&mut self, header: &FactHeader, payload: &'a [Word]) -> Result<(), HandoverError> {
        let Some(kind) = FactKind::from_number(header.kind) else { return Ok(()) };
        if header.version == 0 {
            return Err(HandoverError::Malformed(kind));
        }
        let earlier = self.found[kind.place()].replace((header.version, payload));
        earlier.map_or(Ok(()), |_| Err(HandoverError::Twice(kind)))
    }

    /// The record of a kind, if there is one. Of a later version, the front is read.
    ///
    /// # Errors
    /// [`HandoverError::Malformed`].
    pub(super) fn find<F: Fact>(&self) -> Result<Option<F>, HandoverError> {
        let Some((version, words)) = self.found[F::KIND.place()] else { return Ok(None) };
        let mut reader = FactReader { words };
        let fact = F::read(&mut reader);
        let whole = version > F::VERSION || reader.words.is_empty();
        fact.filter(|_| whole).map(Some).ok_or(HandoverError::Malformed(F::KIND))
    }

    /// The record of a kind that has no safe default.
    ///
    /// # Errors
    /// As [`Self::find`], and [`HandoverError::Missing`].
    pub(super) fn need<F: Fact>(&self) -> Result<F, HandoverError> {
        self.find()?.ok_or(HandoverError::Missing(F::KIND))
    }
}
