//! Why a file is no kernel for this machine.

use core::fmt;

use super::PageSize;

/// Kinds of file that are often taken for a kernel image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Foreign {
    /// An ELF file, for example `vmlinux`.
    Elf,
    /// A gzip file, for example `Image.gz`.
    Gzip,
    /// Another compressed file.
    Compressed(&'static str),
    /// A compressed EFI application, for example `vmlinuz.efi`.
    Zboot,
    /// A PE file without the arm64 header.
    Pe,
    /// A U-Boot image.
    Uimage,
    /// A device tree or FIT image.
    Fit,
    /// A cpio archive.
    Cpio,
}

impl Foreign {
    /// The kind of a file by its first bytes; `None` if no magic matches.
    pub fn recognise(file: &[u8]) -> Option<Self> {
        const MAGICS: [(&[u8], Foreign); 10] = [
            (b"\x7fELF", Foreign::Elf),
            (b"\x1f\x8b", Foreign::Gzip),
            (b"\x28\xb5\x2f\xfd", Foreign::Compressed("zstd")),
            (b"\xfd7zXZ", Foreign::Compressed("xz")),
            (b"BZh", Foreign::Compressed("bzip2")),
            (b"\x02\x21\x4c\x18", Foreign::Compressed("lz4")),
            (b"MZ", Foreign::Pe),
            (b"\x27\x05\x19\x56", Foreign::Uimage),
            (b"\xd0\x0d\xfe\xed", Foreign::Fit),
            (b"07070", Foreign::Cpio),
        ];
        if file.starts_with(b"MZ") && file.get(4..8) == Some(b"zimg") {
            return Some(Self::Zboot);
        }
        MAGICS.iter().find(|(magic, _)| file.starts_with(magic)).map(|(_, foreign)| *foreign)
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Elf => "this is an ELF file; convert it to a flat Image (objcopy -O binary)",
            Self::Gzip => "this is a gzip file; unpack it to a flat Image (gunzip)",
            Self::Compressed(how) => {
                return write!(f, "this is a {how} file; unpack it to a flat Image");
            }
            Self::Zboot => "this is a compressed EFI application; use the flat Image inside it",
            Self::Pe => "this is a PE file without the arm64 header; use a flat Image",
            Self::Uimage => "this is a U-Boot image; use the flat Image it was made from",
            Self::Fit => "this is a device tree or FIT image; use the flat Image inside it",
            Self::Cpio => "this is a cpio archive; it belongs to --initrd, give a flat Image",
        };
        f.write_str(text)
    }
}

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
            Self::NoMagic => f.write_str(
                "no arm64 Image: no \"ARM\\x64\" at byte 56; give a flat Image or --type raw",
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
