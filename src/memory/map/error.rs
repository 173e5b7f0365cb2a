//! Why the memory map refuses.

use core::fmt;

use super::Owner;
use crate::memory::Range;

/// Why the map refused. The map is then unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// The range holds no page, or its end does not fit in 64 bits.
    BadRange(Range),
    /// The size is zero or does not fit in 64 bits, or the alignment is no power of two.
    BadSize {
        /// Bytes asked for.
        size: u64,
        /// Alignment asked for.
        align: u64,
    },
    /// Part of the range is no whole page of RAM.
    NotRam {
        /// What was asked for.
        asked: Range,
        /// The first address that is no RAM.
        at: u64,
    },
    /// Part of the range has another owner than required.
    InUse {
        /// What was asked for.
        asked: Range,
        /// The first such part.
        range: Range,
        /// The owner of that part.
        owner: Owner,
    },
    /// Part of a range that should be given back is free already.
    AlreadyFree {
        /// What was to be freed.
        asked: Range,
        /// The first part that is free.
        range: Range,
    },
    /// No free range is large enough.
    NoRoom {
        /// Bytes asked for.
        size: u64,
        /// Alignment asked for.
        align: u64,
        /// Bytes of the largest free range.
        largest: u64,
    },
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRange(range) => {
                write!(f, "{range} holds no page; give a start below its end")
            }
            Self::BadSize { size, align } => write!(
                f,
                "cannot allocate {size:#x} bytes aligned to {align:#x}; \
                 ask for at least a byte and a power of two"
            ),
            Self::NotRam { asked, at } => {
                write!(f, "{asked} is not all RAM, {at:#x} is none; see `mem` for what there is")
            }
            Self::InUse { asked, range, owner } => {
                write!(f, "{asked} is not free, {owner} has {range}; see `mem` for what is free")
            }
            Self::AlreadyFree { asked, range } => {
                write!(f, "cannot free {asked}, {range} is free already; see `mem`")
            }
            Self::NoRoom { size, align, largest } => write!(
                f,
                "no room for {size:#x} bytes aligned to {align:#x}, the largest free range has \
                 {largest:#x}; free something or give the machine more memory"
            ),
        }
    }
}
