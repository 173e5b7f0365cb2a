//! Why a load is refused.

use core::fmt;

use super::{
    image::ImageError,
    packed::PackedError,
    placement::{LoadPart, PlaceError},
};
use crate::{
    config::MAX_BOOTARGS,
    memory::{MapError, Range},
};

/// Why a kernel cannot be loaded. Nothing has changed then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoadError {
    /// The kernel file.
    Image(ImageError),
    /// The kernel file is packed and can't be unpacked.
    Packed(PackedError),
    /// There is no place for something.
    Place(PlaceError),
    /// The memory map has changed since the plan was made.
    Memory(MapError),
    /// The command line is too long.
    BootargsTooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// The command line has a control character that is no white space.
    BootargsControl {
        /// Its offset.
        at: usize,
        /// The character.
        c: char,
    },
    /// The finished device tree is empty, or larger than the room planned for the tree.
    DtbTooLong {
        /// Its bytes.
        bytes: usize,
        /// Bytes planned for the tree.
        room: u64,
    },
    /// Memory reads back other bytes than were written.
    Corrupt {
        /// Which segment.
        what: LoadPart,
        /// The segment's place.
        dest: Range,
    },
}

impl From<ImageError> for LoadError {
    fn from(error: ImageError) -> Self {
        Self::Image(error)
    }
}

impl From<PackedError> for LoadError {
    fn from(error: PackedError) -> Self {
        Self::Packed(error)
    }
}

impl From<PlaceError> for LoadError {
    fn from(error: PlaceError) -> Self {
        Self::Place(error)
    }
}

impl From<MapError> for LoadError {
    fn from(error: MapError) -> Self {
        Self::Memory(error)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(error) => write!(f, "kernel: {error}"),
            Self::Packed(error) => write!(f, "kernel: {error}"),
            Self::Place(error) => error.fmt(f),
            Self::Memory(error) => error.fmt(f),
            Self::BootargsTooLong { bytes } => write!(
                f,
                "the command line has {bytes} bytes, {MAX_BOOTARGS} are allowed; shorten --append"
            ),
            Self::BootargsControl { at, c } => write!(
                f,
                "the command line has the control character U+{:04X} at byte {at}; \
                 give another with --append",
                u32::from(*c)
            ),
            Self::DtbTooLong { bytes, room } => write!(
                f,
                "the device tree has {bytes} bytes and {room} were kept for it; \
                 give another --dtb or a shorter --append"
            ),
            Self::Corrupt { what, dest } => write!(
                f,
                "the {what} at {dest} is not what was loaded; load it again, and suspect whoever \
                 writes there"
            ),
        }
    }
}

impl core::error::Error for LoadError {}
