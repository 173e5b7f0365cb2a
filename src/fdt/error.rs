//! Why a device tree cannot be read.

use core::fmt;

use super::check::MAX_DEPTH;
use crate::config::MAX_DTB;

/// What is wrong with the form of a device tree. Offsets are bytes from the start of the block
/// that the text names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FdtError {
    /// Fewer bytes than a header has.
    NoHeader(usize),
    /// The first word is not the magic number.
    Magic(u32),
    /// The size in the header is smaller than the smallest tree or larger than [`MAX_DTB`].
    Size(u32),
    /// The header announces more bytes than there are.
    Truncated {
        /// Size that the header gives.
        need: usize,
        /// Bytes that are there.
        have: usize,
    },
    /// The format is not one that version 17 can read.
    Version {
        /// Version of the tree.
        version: u32,
        /// Oldest version that the tree claims compatibility with.
        compatible: u32,
    },
    /// A block lies outside the tree or is not aligned.
    Block(&'static str),
    /// The memory reservation block runs out of the tree before its closing entry.
    Reservations,
    /// The structure block is malformed.
    Structure {
        /// Where in the block.
        at: usize,
        /// What is wrong there.
        why: Fault,
    },
    /// The tree passed the check, but could not be read all the same.
    Unreadable(&'static str),
}

/// What can be wrong at one place of the structure block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The block ends in the middle.
    Ends,
    /// A word that is no token.
    Token(u32),
    /// A token that is not allowed there.
    Order,
    /// A node or property name that is empty, not terminated or not printable.
    Name,
    /// A node inside too many others.
    Depth,
    /// More ends of nodes than beginnings, or bytes after the last token.
    Tail,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ends => f.write_str("the block ends here, in the middle of something"),
            Self::Token(t) => write!(f, "{t:#x} is no token"),
            Self::Order => f.write_str("this token cannot stand here"),
            Self::Name => f.write_str("a name is empty, not terminated or not printable"),
            Self::Depth => write!(f, "nodes are nested more than {MAX_DEPTH} deep"),
            Self::Tail => f.write_str("something follows the end of the root node"),
        }
    }
}

impl fmt::Display for FdtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHeader(have) => write!(f, "{have} bytes are too few for a header"),
            Self::Magic(m) => write!(f, "it starts with {m:#x}, a device tree with 0xd00dfeed"),
            Self::Size(n) => write!(f, "its header gives {n} bytes; at most {MAX_DTB} can be used"),
            Self::Truncated { need, have } => {
                write!(f, "it is cut short: {have} of {need} bytes are there")
            }
            Self::Version { version, compatible } => {
                write!(f, "its format {version} (back to {compatible}) cannot be read as format 17")
            }
            Self::Block(name) => write!(f, "its {name} block is misplaced or out of bounds"),
            Self::Reservations => f.write_str("its memory reservation block has no end"),
            Self::Structure { at, why } => write!(f, "at {at:#x} of its structure block: {why}"),
            Self::Unreadable(what) => write!(f, "its {what} cannot be read"),
        }
    }
}
