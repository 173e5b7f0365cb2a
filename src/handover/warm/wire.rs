//! Words one after the other. A text is its length in bytes, then its bytes, eight to a word.

use alloc::vec::Vec;

use crate::memory::Range;

/// Words that are written.
#[derive(Default)]
pub struct Writer(Vec<u64>);

impl Writer {
    /// One word.
    pub fn number(&mut self, word: u64) {
        self.0.push(word);
    }

    /// Start and end.
    pub fn range(&mut self, range: Range) {
        self.0.extend([range.start, range.end]);
    }

    /// A range, or the empty one at 0.
    pub fn maybe(&mut self, range: Option<Range>) {
        self.range(range.unwrap_or(Range::new(0, 0)));
    }

    /// A text, or any bytes.
    pub fn text(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        self.0.extend(words.iter().map(|word| u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.number(u64::from_le_bytes(last));
        }
    }

    /// Words so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Changes a word that was written.
    pub fn set(&mut self, at: usize, word: u64) {
        self.0[at] = word;
    }

    /// All words, little-endian.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }
}

/// Words that are read. `None` always means that there is none, or that it is not in range.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// From the first byte on.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// True at the end.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One word.
    pub fn number(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*word))
    }

    /// A number up to `most`.
    pub fn count(&mut self, most: usize) -> Option<usize> {
        usize::try_from(self.number()?).ok().filter(|&count| count <= most)
    }

    /// A yes or a no.
    pub fn flag(&mut self) -> Option<bool> {
        Some(self.count(1)? == 1)
    }

    /// A range that ends at `most` or before.
    pub fn range(&mut self, most: u64) -> Option<Range> {
        let range = Range { start: self.number()?, end: self.number()? };
        (range.start <= range.end && range.end <= most).then_some(range)
    }

    /// Bytes.
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let bytes = self.count(self.0.len())?;
        let (text, rest) = self.0.split_at_checked(bytes.next_multiple_of(8))?;
        self.0 = rest;
        let (text, padding) = text.split_at(bytes);
        padding.iter().all(|&byte| byte == 0).then_some(text)
    }
}
