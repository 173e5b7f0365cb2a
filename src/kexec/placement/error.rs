//! Why there is no place for something.

use core::fmt;

use super::LoadPart;
use crate::{
    config::MAX_DTB,
    memory::{MapError, Range},
};

/// Why there is no layout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlaceError {
    /// Free memory has no place for this part, the others being placed.
    NoRoom {
        /// Which part.
        what: LoadPart,
        /// Bytes that the part needs.
        size: u64,
        /// Bytes of the largest free range.
        largest: u64,
    },
    /// A flat binary gets its device tree above itself, and there is no room.
    NoRoomAbove {
        /// Bytes that the tree needs.
        size: u64,
    },
    /// The base asked for is not a multiple of 2 MiB.
    NotAligned {
        /// The base.
        base: u64,
    },
    /// The place asked for, or that of the initrd to keep, is another's or no RAM.
    Taken {
        /// Which part.
        what: LoadPart,
        /// The owner of the place.
        error: MapError,
    },
    /// A kernel at the base asked for would end above 48-bit addresses.
    TooHigh {
        /// The base.
        base: u64,
    },
    /// The device tree's size is zero or above what the boot protocol allows.
    DtbSize {
        /// Bytes asked for.
        size: u64,
    },
    /// The initrd is empty.
    NoInitrd,
    /// No free place for the kernel is near enough to the initrd that should stay.
    InitrdTooFar {
        /// Where the initrd is.
        initrd: Range,
    },
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoom { what, size, largest } => write!(
                f,
                "no room for the {what}: it needs {size:#x} bytes and the largest free range has \
                 {largest:#x}; unload what is loaded, free memory or give the machine more"
            ),
            Self::NoRoomAbove { size } => write!(
                f,
                "no room for the dtb above the flat binary: it needs {size:#x} bytes; give a lower \
                 --at, or the machine more memory"
            ),
            Self::NotAligned { base } => {
                write!(f, "base {base:#x} is not 2 MiB aligned; give a multiple of 0x200000")
            }
            Self::Taken { what, error } => write!(f, "no place for the {what}: {error}"),
            Self::TooHigh { base } => {
                write!(f, "a kernel at base {base:#x} ends above 48 bits; give a lower base")
            }
            Self::DtbSize { size } => write!(
                f,
                "the device tree has {size:#x} bytes, the boot protocol allows 1 to {MAX_DTB:#x}; \
                 give another --dtb"
            ),
            Self::NoInitrd => f.write_str("the initrd is empty; give another file or none"),
            Self::InitrdTooFar { initrd } => write!(
                f,
                "the initrd at {initrd} is not within 32 GiB of a free place for the kernel; \
                 load a copy of it with --initrd"
            ),
        }
    }
}
