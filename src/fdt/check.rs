//! The form of a device tree, checked once so that no later read can fail (devicetree
//! specification v0.4, chapter 5).

use core::ops::Range;

use super::error::{Fault, FdtError};
use super::rows::{Row, Rows};
use super::tokens::Blocks;
use super::walk::{Level, Path, Spot};
use super::words::{Letters, all_printable, be, begins_with, three, words_of_name};
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

/// Checks header, block bounds, memory reservations, token nesting and names, and shows every node
/// to `visitor` in the order of the tree, the root first, as soon as its properties have been
/// checked. What the visitor has seen counts only if the rest of the tree is well-formed, too. `rows`
/// are filled if there are enough.
pub(super) fn check<'a>(
    dtb: &'a [u8],
    rows: &mut [Row],
    visitor: impl FnMut(Spot<'_, 'a>),
) -> Result<(Layout, Counts), FdtError> {
    let total = total_size(dtb)?;
    let bytes = dtb.get(..total).ok_or(FdtError::Truncated { need: total, have: dtb.len() })?;
    let layout = layout(bytes)?;
    let structs = &bytes[layout.structs.clone()];
    let strings = &bytes[layout.strings.clone()];
    let counts = Walk {
        blocks: Blocks { structs, strings },
        rest: structs,
        good_strings: strings.last() == Some(&0) && all_printable(strings),
        path: Path::new(),
        names: Letters::NONE,
        phandle: 0,
        known: Known::new(),
        rows: Rows(rows),
        counts: Counts::default(),
        visitor,
    }
    .run()?;
    Ok((layout, counts))
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

/// Good names of properties, by where they lie in the strings block. Nodes of one kind share these, so
/// most names have been looked at before.
struct Known([(usize, Letters); Known::NAMES]);

impl Known {
    const NAMES: usize = 128;

    fn new() -> Self {
        Self([(usize::MAX, Letters::NONE); Self::NAMES]) // no block is that long
    }

    #[inline]
    fn get(&self, at: usize) -> Option<Letters> {
        let (known, letters) = self.0[at % Self::NAMES];
        (known == at).then_some(letters)
    }

    fn add(&mut self, at: usize, letters: Letters) -> Letters {
        self.0[at % Self::NAMES] = (at, letters);
        letters
    }
}

/// A walk over the tokens.
struct Walk<'a, 's, V> {
    blocks: Blocks<'a>,
    /// What has not been gone over yet.
    rest: &'a [u8],
    /// Every string of the strings block is a good name.
    good_strings: bool,
    /// The nodes that are open, the root included.
    path: Path<'a>,
    /// Names of the properties of the last of these.
    names: Letters,
    /// Its phandle; 0 if there is none.
    phandle: u32,
    known: Known,
    rows: Rows<'s>,
    counts: Counts,
    visitor: V,
}

impl<'a, V: FnMut(Spot<'_, 'a>)> Walk<'a, '_, V> {
    fn run(mut self) -> Result<Counts, FdtError> {
        if self.word()? != BEGIN_NODE {
            return Err(FdtError::Structure { at: 0, why: Fault::Order });
        }
        self.node()?;
        let mut properties_may_follow = true;
        while !self.path.is_empty() {
            let start = self.rest;
            if properties_may_follow && let Some(([PROP, length, name], value)) = three(start) {
                self.property(length as usize, name as usize, value)?;
                continue;
            }
            match self.word()? {
                PROP if properties_may_follow => return Err(self.cut()),
                BEGIN_NODE => {
                    if properties_may_follow {
                        self.visit();
                    }
                    self.node()?;
                    properties_may_follow = true;
                }
                END_NODE => {
                    if properties_may_follow {
                        self.visit();
                    }
                    self.end();
                    properties_may_follow = false;
                }
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
        if token == END && self.rest.is_empty() {
            Ok(self.counts)
        } else {
            Err(self.fault(self.rest, Fault::Tail))
        }
    }

    /// Shows the node whose properties have all been gone over.
    fn visit(&mut self) {
        if let Some(level) = self.path.last_mut() {
            level.names = self.names;
            self.rows.describe(level.row, self.names, self.phandle);
        }
        (self.visitor)(Spot::last_of(&self.path, self.blocks));
    }

    /// The innermost node ends.
    fn end(&mut self) {
        if let Some(level) = self.path.pop() {
            self.rows.end(level.row, self.counts.nodes);
        }
    }

    /// Goes over a node's name.
    fn node(&mut self) -> Result<(), FdtError> {
        let start = self.rest;
        let words = match words_of_name(start) {
            Some(words) if !self.path.is_empty() => words,
            _ => self.odd_name()?,
        };
        self.rest = start.get(words * 4..).ok_or_else(|| self.fault(start, Fault::Ends))?;
        let row = self.counts.nodes;
        let parent = self.path.last().map_or(0, |level| level.row);
        self.rows.begin(row, self.row(start, parent));
        let level = Level::new(start, self.rest, row);
        self.path.push(level).map_err(|_| self.fault(start, Fault::Depth))?;
        (self.names, self.phandle) = (Letters::NONE, 0);
        self.counts.nodes += 1;
        Ok(())
    }

    /// The row of the node whose name is at the start of `name`, and which has been gone over that far.
    fn row(&self, name: &[u8], parent: usize) -> Row {
        let at = |rest: &[u8]| (self.blocks.structs.len() - rest.len()) as u32; // at most MAX_DTB
        Row { name: at(name), contents: at(self.rest), parent: parent as u32, ..Row::EMPTY }
    }

    /// Words of a name that is not like most: the root has none, and other names may be wrong.
    #[cold]
    fn odd_name(&self) -> Result<usize, FdtError> {
        let start = self.rest;
        let name = c_string(start).ok_or_else(|| self.fault(start, Fault::Name))?;
        let is_root = self.path.is_empty();
        if name.is_empty() != is_root || !name.iter().copied().all(printable) {
            return Err(self.fault(start, Fault::Name));
        }
        if self.path.is_full() {
            return Err(self.fault(start, Fault::Depth));
        }
        Ok((name.len() + 1).div_ceil(4))
    }

    /// Goes over a property: what its token is followed by, and what follows that.
    #[inline]
    fn property(&mut self, length: usize, name: usize, value: &'a [u8]) -> Result<(), FdtError> {
        let names = match self.known.get(name) {
            Some(names) => names,
            None => self.name_of_property(name)?,
        };
        self.names.add(names);
        if length == 4 && self.phandle == 0 && self.is_phandle(name, names) {
            self.phandle = value.first_chunk().map_or(0, be);
        }
        self.counts.properties += 1;
        // A length is 32 bits of 64.
        self.rest = value.get((length + 3) & !3..).ok_or_else(|| self.fault(value, Fault::Ends))?;
        Ok(())
    }

    /// The name at an offset that is not among those met last.
    #[inline(never)]
    fn name_of_property(&mut self, at: usize) -> Result<Letters, FdtError> {
        let strings = self.blocks.strings.get(at..).unwrap_or_default();
        let name = c_string(strings).filter(|name| !name.is_empty());
        let good = |name: &&[u8]| self.good_strings || name.iter().copied().all(printable);
        let fault = || self.fault(&self.rest[4..], Fault::Name);
        let name = name.filter(good).ok_or_else(fault)?;
        Ok(self.known.add(at, Letters::of(name)))
    }

    fn is_phandle(&self, at: usize, names: Letters) -> bool {
        let is = |name: &[u8]| begins_with(name, "phandle\0");
        names.may_have("phandle") && self.blocks.strings.get(at..).is_some_and(is)
    }

    /// The fault of a property that ends behind its token.
    #[cold]
    fn cut(&mut self) -> FdtError {
        let whole = self.word().and_then(|_| self.word());
        whole.err().unwrap_or_else(|| self.fault(self.rest, Fault::Ends))
    }

    #[inline]
    fn word(&mut self) -> Result<u32, FdtError> {
        let Some((word, rest)) = self.rest.split_first_chunk::<4>() else {
            return Err(self.fault(self.rest, Fault::Ends));
        };
        self.rest = rest;
        Ok(be(word))
    }

    /// A fault at the start of `rest`.
    #[cold]
    fn fault(&self, rest: &[u8], why: Fault) -> FdtError {
        FdtError::Structure { at: self.blocks.structs.len() - rest.len(), why }
    }
}

fn c_string(bytes: &[u8]) -> Option<&[u8]> {
    bytes.iter().position(|&b| b == 0).map(|end| &bytes[..end])
}

/// Printable ASCII and no path separator.
fn printable(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'/'
}
