//! A tree whose form has been checked, and its contents one after the other. Nothing here
//! allocates but [`Checked::all_rows`]: a kernel reads this much before it has memory.

use alloc::vec;
use alloc::vec::Vec;

use ::fdt::Fdt;
use dtoolkit::memreserve::MemoryReservation;

use super::check::{self, BEGIN_NODE, Counts, END_NODE, NOP, PROP};
use super::error::FdtError;
use super::rows::Row;
use super::walk::Spot;
use super::words::{be, begins_with, has_zero_byte, three};

/// The blocks of a device tree that hold nodes and names, whatever is in them.
#[derive(Clone, Copy, Debug)]
pub struct Blocks<'a> {
    pub(super) structs: &'a [u8],
    pub(super) strings: &'a [u8],
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
        self.tokens_from(self.structs)
    }

    /// The same from a place in the structure block on.
    pub(super) fn tokens_from(&self, structs: &'a [u8]) -> Tokens<'a> {
        Tokens { structs, strings: self.strings }
    }

    /// The value of the first property of that name, of the node whose properties begin with `rest`.
    pub(super) fn value(&self, rest: &'a [u8], name: &str) -> Option<&'a [u8]> {
        let [value] = self.values(rest, [name]);
        value
    }

    /// The same of several names at once.
    #[inline]
    pub(super) fn values<const N: usize>(
        &self,
        mut rest: &'a [u8],
        names: [&str; N],
    ) -> [Option<&'a [u8]>; N] {
        let mut found = [None; N];
        while let Some(([token, length, at], value)) = three(rest) {
            match token {
                PROP => {}
                NOP => {
                    rest = &rest[4..];
                    continue;
                }
                _ => break,
            }
            let (length, ours) = (length as usize, self.strings.get(at as usize..));
            let is = |name: &str| ours.is_some_and(|ours| Name::new(ours).is(name));
            if let Some(which) = (0..N).find(|&i| found[i].is_none() && is(names[i])) {
                found[which] = value.get(..length);
                if found.iter().all(Option::is_some) {
                    break;
                }
            }
            let Some(after) = value.get((length + 3) & !3..) else { break };
            rest = after;
        }
        found
    }
}

/// A device tree that passed the check: no later read of it can fail.
#[derive(Clone, Copy)]
pub struct Checked<'a> {
    bytes: &'a [u8],
    blocks: Blocks<'a>,
    pub(super) counts: Counts,
    /// The rows of all nodes, if there was room.
    pub(super) rows: Option<&'a [Row]>,
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
        Self::visited(dtb, &mut [], |_| {})
    }

    /// As [`Self::of`], and shows every node in the order of the tree, the root first. It is one walk,
    /// so what has been shown counts only if there is no error. If there are as many `rows` as nodes,
    /// a [`Tree`](super::Tree) needs no walk of its own.
    ///
    /// # Errors
    /// [`FdtError`] if the tree is not well-formed.
    pub fn visited(
        dtb: &'a [u8],
        rows: &'a mut [Row],
        visitor: impl FnMut(Spot<'_, 'a>),
    ) -> Result<Self, FdtError> {
        let (layout, counts) = check::check(dtb, rows, visitor)?;
        let bytes = &dtb[..layout.total];
        let blocks = Fdt::new_unaligned_fallible(bytes);
        let blocks = blocks.map_err(|_| FdtError::Unreadable("blocks"))?;
        let blocks = Blocks { structs: blocks.structs_block(), strings: blocks.strings_block() };
        Ok(Self { bytes, blocks, counts, rows: (&*rows).get(..counts.nodes) })
    }

    /// The rows of all nodes. Without room for all of them in the first walk, there is another one.
    pub(super) fn all_rows(&self) -> Vec<Row> {
        if let Some(rows) = self.rows {
            return rows.into();
        }
        let mut rows = vec![Row::EMPTY; self.counts.nodes];
        // The tree has passed this check before.
        let _ = check::check(self.bytes, &mut rows, |_| {});
        rows
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
    /// What has not been gone over yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.structs
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
