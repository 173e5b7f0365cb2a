//! The header of an arm64 kernel image (`Documentation/arch/arm64/booting.rst`, section 4).
//!
//! | offset | contents |
//! | --- | --- |
//! | 8 | `text_offset`: from a multiple of 2 MiB to the image, 64 bits |
//! | 16 | `image_size`: bytes that must be free for the kernel, bss included, 64 bits |
//! | 24 | flags: bit 0 big endian, bits 1 and 2 page size, bit 3 any place will do |
//! | 32 | reserved; [`BatonMark`] in an image of baton |
//! | 56 | magic, "ARM\x64" |
//!
//! Every field is checked before it is used in arithmetic: a file is foreign bytes.

mod error;
mod foreign;
mod mark;
pub mod pe;
#[cfg(test)]
mod tests;

pub use error::ImageError;
pub use foreign::Foreign;
pub use mark::BatonMark;

use crate::config::{IMAGE_ALIGN, PAGE};
use crate::machine::Granules;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 64;

const MAGIC: u32 = 0x644d_5241;
const FLAG_BIG_ENDIAN: u64 = 1 << 0;
const PAGE_SIZE_SHIFT: u32 = 1;
const FLAG_ANYWHERE: u64 = 1 << 3;

/// Where a flat binary begins, from its base: `text_offset` of the kernels before Linux 5.10, and
/// what test suites for bare metal are linked for.
pub const RAW_OFFSET: u64 = 0x8_0000;
/// Bytes kept free and zero behind a flat binary, which does not state its size in memory.
pub const RAW_ROOM: u64 = 2 << 20;

/// Physical addresses that a kernel can be placed at: 48 bits.
pub const ADDRESSABLE: u64 = 1 << 48;

/// The page size that a kernel was built for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageSize {
    /// The header does not say.
    Unstated,
    /// 4 KiB.
    K4,
    /// 16 KiB.
    K16,
    /// 64 KiB.
    K64,
}

impl PageSize {
    const fn of(flags: u64) -> Self {
        match (flags >> PAGE_SIZE_SHIFT) & 3 {
            0 => Self::Unstated,
            1 => Self::K4,
            2 => Self::K16,
            _ => Self::K64,
        }
    }

    /// True if CPUs with these page sizes can run a kernel of this one; unstated counts as yes.
    const fn runs_on(self, granules: Granules) -> bool {
        match self {
            Self::Unstated => true,
            Self::K4 => granules.k4,
            Self::K16 => granules.k16,
            Self::K64 => granules.k64,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Unstated => "unstated",
            Self::K4 => "4 KiB",
            Self::K16 => "16 KiB",
            Self::K64 => "64 KiB",
        }
    }
}

/// What a kernel's header asks of its loader, checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Bytes from a 2 MiB-aligned base to the image: page aligned, below 2 MiB.
    pub text_offset: u64,
    /// Bytes from the image's first that must be free for the kernel, bss included; a page at least
    /// and rounded up to pages.
    pub image_size: u64,
    /// The page size that the kernel was built for.
    pub page_size: PageSize,
    /// True if the kernel can use memory below itself, so that any place will do; else the place
    /// should be as low in RAM as possible.
    pub anywhere: bool,
}

impl Header {
    /// Reads and checks the header of the kernel in `file`, to run on CPUs with these `granules`
    /// and with `memory` bytes of RAM.
    ///
    /// # Errors
    /// [`ImageError`] says what the file is instead, or which field cannot be met.
    pub fn parse(file: &[u8], granules: Granules, memory: u64) -> Result<Self, ImageError> {
        // The magic first: without it the other fields mean nothing, and the error says what the
        // file is instead.
        if u32_at(file, 56) != Some(MAGIC) {
            return Err(match Foreign::recognise(file) {
                // A kernel that UEFI can start begins as any PE file does: this is a part of one.
                Some(_) if file.len() < HEADER_BYTES && file.starts_with(b"MZ") => {
                    ImageError::TooShort { bytes: file.len() }
                }
                Some(foreign) => ImageError::Foreign(foreign),
                None if file.len() < HEADER_BYTES => ImageError::TooShort { bytes: file.len() },
                None => ImageError::NoMagic,
            });
        }
        let field = |at| u64_at(file, at).ok_or(ImageError::TooShort { bytes: file.len() });
        let (text_offset, image_size, flags) = (field(8)?, field(16)?, field(24)?);
        field(HEADER_BYTES - 8)?;
        check_flags(flags, granules)?;
        check_sizes(text_offset, image_size, file.len(), memory)?;
        check_length(file)?;
        Ok(Self {
            text_offset,
            image_size: image_size.next_multiple_of(PAGE),
            page_size: PageSize::of(flags),
            anywhere: flags & FLAG_ANYWHERE != 0,
        })
    }

    /// The demands of a flat binary without a header, entered at its first byte: [`RAW_OFFSET`]
    /// above a multiple of 2 MiB, where boot loaders put kernels that don't say, and [`RAW_ROOM`]
    /// behind the file for its bss and whatever else the binary needs.
    ///
    /// # Errors
    /// [`ImageError::TooShort`] for an empty file, [`ImageError::NotRaw`] for a file of another known
    /// kind, which would be entered and die without a word, [`ImageError::TooLarge`] for one that exceeds
    /// `memory`.
    pub fn raw(file: &[u8], memory: u64) -> Result<Self, ImageError> {
        let bytes = file.len() as u64;
        if bytes == 0 {
            return Err(ImageError::TooShort { bytes: 0 });
        }
        if let Some(foreign) = Foreign::recognise(file) {
            return Err(ImageError::NotRaw(foreign));
        }
        let too_large = ImageError::TooLarge { image_size: bytes, memory };
        let image_size = bytes.checked_add(RAW_ROOM).ok_or(too_large)?.next_multiple_of(PAGE);
        if image_size > memory.min(ADDRESSABLE) {
            return Err(too_large);
        }
        Ok(Self {
            text_offset: RAW_OFFSET,
            image_size,
            page_size: PageSize::Unstated,
            anywhere: true,
        })
    }
}

fn check_flags(flags: u64, granules: Granules) -> Result<(), ImageError> {
    if flags & FLAG_BIG_ENDIAN != 0 {
        return Err(ImageError::BigEndian);
    }
    let page_size = PageSize::of(flags);
    if page_size.runs_on(granules) { Ok(()) } else { Err(ImageError::PageSize(page_size)) }
}

/// A size of 0 says nothing about what the kernel needs, and is refused. The bounds also keep the
/// sums of the placement below 2^64.
fn check_sizes(
    text_offset: u64,
    image_size: u64,
    file: usize,
    memory: u64,
) -> Result<(), ImageError> {
    if image_size == 0 {
        return Err(ImageError::NoSize);
    }
    if image_size < file as u64 {
        return Err(ImageError::SizeBelowFile { image_size, file });
    }
    if text_offset >= IMAGE_ALIGN || !text_offset.is_multiple_of(PAGE) {
        return Err(ImageError::TextOffset(text_offset));
    }
    if image_size > memory.min(ADDRESSABLE) {
        return Err(ImageError::TooLarge { image_size, memory });
    }
    Ok(())
}

/// Compares the file's length with what the file states, as far as it states one: a copy that ended
/// early must not be entered.
fn check_length(file: &[u8]) -> Result<(), ImageError> {
    // The mark first: it counts every byte, and names what is wrong with an image of ours.
    BatonMark::of(file).map_or(Ok(()), |mark| mark.check(file))?;
    pe::check(file)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_le_bytes(*b))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|b| u64::from_le_bytes(*b))
}
