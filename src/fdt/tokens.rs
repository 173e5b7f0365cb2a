//! A tree whose form has been checked, and its contents one after the other. Nothing here
//! allocates: a kernel reads this much before it has memory.

use ::fdt::Fdt;
use dtoolkit::memreserve::MemoryReservation;

use super::check::{self, BEGIN_NODE, Counts, END_NODE, NOP, PROP};
use super::error::FdtError;
use super::walk::Spot;
use super::words::{Key, be, begins_with, has_zero_byte};

/// The blocks of a device tree that hold nodes and names, whatever is in them.
#[derive(Clone, Copy)]
pub struct Blocks<'a> {
    structs: &'a [u8],
    strings: &'a [u8],
}

impl<'a> Blocks<'a> {
    /// The blocks of a tree that may be anything, as far as `dtb` reaches: for a console, when
    /// nothing else of the tree can be relied on. `None` if the header makes no sense.
    pub fn of_any(dtb: &'a [u8]) -> Option<Self> {
        let blocks = check::blocks(dtb)?;
        let part = |block: core::ops::Range<usize>| {
            dtb.get(block.start..block.end.min(dtb.len())).unwrap_or_default()
        };
        Some(Self { structs: part(blocks.0), strings: part(blocks.1) })
    }

    /// Nodes and properties in the order of the tree, the root first; up to what makes no sense.
    pub fn tokens(&self) -> Tokens<'a> {
        Tokens { structs: self.structs, strings: self.strings }
    }
}

/// A device tree that passed the check: no later read of it can fail.
#[derive(Clone, Copy)]
pub struct Checked<'a> {
    bytes: &'a [u8],
    blocks: Blocks<'a>,
    pub(super) counts: Counts,
}

/// The name of a node or of a property, in place.
#[derive(Clone, Copy)]
pub struct Name<'a> {
    /// The name, its NUL, and whatever follows.
    bytes: &'a [u8],
}

impl<'a> Name<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The name, its NUL, and whatever follows.
    pub(super) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn key(self) -> Key {
        Key::of(self.bytes)
    }

    /// True if this, which has the same key, is the name.
    pub(super) fn is_behind_key(self, name: &str) -> bool {
        let Some(rest) = name.as_bytes().get(Key::LETTERS..) else { return true };
        let ours = self.bytes.get(Key::LETTERS..).unwrap_or_default();
        ours.get(rest.len()) == Some(&0) && ours.iter().zip(rest).all(|(a, b)| a == b)
    }

    /// True if this is the name. Most names differ at the one byte that is looked at first.
    pub fn is(self, name: &str) -> bool {
        self.bytes.get(name.len()) == Some(&0) && begins_with(self.bytes, name)
    }

    /// True if this is the name, or the name with a unit address.
    pub fn is_or_has_base(self, name: &str) -> bool {
        matches!(self.bytes.get(name.len()), Some(0 | b'@')) && begins_with(self.bytes, name)
    }

    /// The name as text.
    pub fn text(self) -> &'a str {
        let end = self.bytes.iter().position(|&byte| byte == 0).unwrap_or(0);
        // The check has found nothing but printable ASCII.
        core::str::from_utf8(&self.bytes[..end]).unwrap_or_default()
    }
}

impl core::fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}

/// What follows next in a tree.
#[derive(Clone, Copy, Debug)]
pub enum Token<'a> {
    /// A node begins; its name with the unit address, empty for the root.
    Begin(Name<'a>),
    /// A property of the innermost node that has begun: its name and its value.
    Property(Name<'a>, &'a [u8]),
    /// The innermost node ends.
    End,
}

impl<'a> Checked<'a> {
    /// Checks a tree. `dtb` may be longer than the tree and may have any alignment.
    ///
    /// # Errors
    /// [`FdtError`] if the tree is not well-formed.
    pub fn of(dtb: &'a [u8]) -> Result<Self, FdtError> {
        Self::visited(dtb, |_| {})
    }

    /// As [`Self::of`], and shows every node in the order of the tree, the root first. It is one walk,
    /// so what has been shown counts only if there is no error.
    ///
    /// # Errors
    /// [`FdtError`] if the tree is not well-formed.
    pub fn visited(dtb: &'a [u8], visitor: impl FnMut(Spot<'_, 'a>)) -> Result<Self, FdtError> {
        let (layout, counts) = check::check(dtb, visitor)?;
        let bytes = &dtb[..layout.total];
        let blocks = Fdt::new_unaligned_fallible(bytes);
        let blocks = blocks.map_err(|_| FdtError::Unreadable("blocks"))?;
        let blocks = Blocks { structs: blocks.structs_block(), strings: blocks.strings_block() };
        Ok(Self { bytes, blocks, counts })
    }

    /// The blocks, for a reader that takes any.
    pub fn blocks(&self) -> Blocks<'a> {
        self.blocks
    }

    /// How many nodes the tree has, the root included.
    pub fn nodes(&self) -> usize {
        self.counts.nodes
    }

    /// How many properties all nodes have.
    pub fn properties(&self) -> usize {
        self.counts.properties
    }

    /// Nodes and properties in the order of the tree, the root first.
    pub fn tokens(&self) -> Tokens<'a> {
        self.blocks.tokens()
    }

    /// The entries of the memory reservation block.
    pub(super) fn memory_reservations(&self) -> impl Iterator<Item = MemoryReservation> + use<'a> {
        dtoolkit::fdt::Fdt::new_unchecked(self.bytes).memory_reservations()
    }

    /// Address and size of each entry of the memory reservation block.
    pub fn reservations(&self) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        self.memory_reservations().map(|r| (r.address(), r.size()))
    }
}

/// The rest of a tree.
#[derive(Clone)]
pub struct Tokens<'a> {
    structs: &'a [u8],
    strings: &'a [u8],
}

impl<'a> Tokens<'a> {
    pub(super) fn new(structs: &'a [u8], strings: &'a [u8]) -> Self {
        Self { structs, strings }
    }

    #[inline]
    fn word(&mut self) -> Option<u32> {
        let (word, rest) = self.structs.split_first_chunk::<4>()?;
        self.structs = rest;
        Some(be(word))
    }

    /// A node's name and its padding end with the first word that has a zero byte: the block
    /// consists of whole words.
    fn begin(&mut self) -> Option<Token<'a>> {
        let name = Name { bytes: self.structs };
        while !has_zero_byte(self.word()?) {}
        Some(Token::Begin(name))
    }

    /// A value, and over the padding behind it.
    fn property(&mut self) -> Option<Token<'a>> {
        let (length, name) = (self.word()? as usize, self.word()? as usize);
        let name = Name { bytes: self.strings.get(name..)? };
        let value = self.structs.get(..length)?;
        self.structs = self.structs.get((length + 3) & !3..).unwrap_or_default();
        Some(Token::Property(name, value))
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    #[inline]
    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            match self.word()? {
                PROP => return self.property(),
                BEGIN_NODE => return self.begin(),
                END_NODE => return Some(Token::End),
                NOP => {}
                _ => return None,
            }
        }
    }
}
