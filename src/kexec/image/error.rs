//! Why a file is no kernel for this machine.

use core::fmt;

use super::{Foreign, PageSize};

/// Why a file cannot be entered as a kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImageError {
    /// There is no room for the header.
    TooShort {
        /// Bytes in the file.
        bytes: usize,
    },
    /// The file is of another, known kind.
    Foreign(Foreign),
    /// The file was given for a flat binary, and is of another, known kind.
    NotRaw(Foreign),
    /// The file is of no known kind.
    NoMagic,
    /// The kernel is big-endian.
    BigEndian,
    /// The CPUs cannot translate pages of this size.
    PageSize(PageSize),
    /// `image_size` is zero: a kernel before Linux 3.17, which does not state its size in memory.
    NoSize,
    /// `image_size` is less than the file has.
    SizeBelowFile {
        /// What the header says.
        image_size: u64,
        /// Bytes in the file.
        file: usize,
    },
    /// The file ends before the length that it states.
    Cut {
        /// Bytes in the file.
        file: u64,
        /// Bytes that the file states.
        promised: u64,
        /// The part of the file that states the length.
        by: &'static str,
    },
    /// The file goes on behind the length that it states.
    Appended {
        /// Bytes in the file.
        file: u64,
        /// Bytes that the file states.
        promised: u64,
        /// The part of the file that states the length.
        by: &'static str,
    },
    /// The contents are not those that the header was made for.
    Crc,
    /// `text_offset` is 2 MiB or more, or not page aligned.
    TextOffset(u64),
    /// The kernel needs more memory than there is RAM.
    TooLarge {
        /// Bytes that the kernel needs.
        image_size: u64,
        /// Bytes of RAM.
        memory: u64,
    },
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { bytes } => write!(
                f,
                "the file has {bytes} bytes, the arm64 header alone has 64; give a complete Image"
            ),
            Self::Foreign(foreign) => write!(f, "no arm64 Image: {foreign}"),
            Self::NotRaw(foreign) => write!(f, "no flat binary: {foreign}"),
            Self::NoMagic => f.write_str(
                "no arm64 Image: no \"ARM\\x64\" at byte 56, nor any other known magic; give a flat \
                 Image, or --type raw if this is a flat binary for this machine that is entered at \
                 its first byte",
            ),
            Self::BigEndian => {
                f.write_str("the kernel is big-endian (flags bit 0); give a little-endian build")
            }
            Self::PageSize(size) => write!(
                f,
                "the kernel has {} pages (flags bits 1-2), which these CPUs are not known to \
                 support; give a 4 KiB build",
                size.name()
            ),
            Self::NoSize => f.write_str(
                "image_size is 0, as in kernels before Linux 3.17, so nobody knows what memory it \
                 needs; give a newer kernel",
            ),
            Self::SizeBelowFile { image_size, file } => write!(
                f,
                "image_size is {image_size:#x} but the file has {file:#x} bytes; \
                 the file is damaged or has something appended"
            ),
            Self::Cut { file, promised, by } => {
                write!(f, "the file has {file} bytes, its {by} promises {promised}; copy it again")
            }
            Self::Appended { file, promised, by } => write!(
                f,
                "the file has {file} bytes, its {by} promises {promised}; copy it again, without \
                 what was appended"
            ),
            Self::Crc => f.write_str(
                "the contents do not have the CRC that the header states; copy the file again",
            ),
            Self::TextOffset(offset) => write!(
                f,
                "text_offset {offset:#x} is not a multiple of 4 KiB below 2 MiB; \
                 the header is damaged"
            ),
            Self::TooLarge { image_size, memory } => write!(
                f,
                "the kernel needs {image_size:#x} bytes and the machine has {memory:#x}; \
                 give a smaller kernel or more memory"
            ),
        }
    }
}
