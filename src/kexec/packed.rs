//! The forms in which kernels are shipped: flat, gzip, zstd, or as a compressed EFI program.
//!
//! A kernel is unpacked at load time, long before the jump. Each unpacker is given a limit, and
//! asks for memory in a way that can fail: a file that unpacks to more than there is memory refuses
//! the load. What comes out is treated as foreign bytes again: its header is checked like that of a
//! flat file.

#[cfg(all(test, not(loom)))]
mod tests;

use alloc::borrow::Cow;
use core::fmt;

use super::{
    gzip::{self, GzipError},
    image::{ImageError, pe},
    zboot::{self, Zboot, ZbootError},
    zstd::{self, ZstdError},
};

/// How a kernel file is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packing {
    /// Not at all.
    Flat,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
    /// A compressed EFI program that contains a gzip kernel.
    ZbootGzip,
    /// The same with zstd.
    ZbootZstd,
}

impl Packing {
    /// The name that the console prints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::ZbootGzip => "EFI zboot (gzip)",
            Self::ZbootZstd => "EFI zboot (zstd)",
        }
    }
}

/// A compression that is known and not unpacked.
const UNKNOWN: [&str; 4] = ["lz4", "lzma", "lzo", "xzkern"];

/// Why a kernel can't be unpacked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PackedError {
    /// gzip data.
    Gzip(GzipError),
    /// zstd data.
    Zstd(ZstdError),
    /// The EFI program's header.
    Zboot(ZbootError),
    /// The EFI program is not as long as its PE headers say.
    Pe(ImageError),
    /// The compression is not supported; its name if known.
    Compression(Option<&'static str>),
}

impl fmt::Display for PackedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gzip(error) => error.fmt(f),
            Self::Zstd(error) => error.fmt(f),
            Self::Pe(error) => write!(f, "compressed EFI program: {error}"),
            Self::Zboot(error) => write!(f, "compressed EFI program: {error}"),
            Self::Compression(how) => write!(
                f,
                "compressed EFI program: its kernel is packed by {}, gzip and zstd are unpacked \
                 here; give a flat Image",
                how.unwrap_or("something unknown")
            ),
        }
    }
}

impl From<GzipError> for PackedError {
    fn from(error: GzipError) -> Self {
        Self::Gzip(error)
    }
}

impl From<ZstdError> for PackedError {
    fn from(error: ZstdError) -> Self {
        Self::Zstd(error)
    }
}

impl From<ZbootError> for PackedError {
    fn from(error: ZbootError) -> Self {
        Self::Zboot(error)
    }
}

/// How `file` is packed, by its first bytes. A file of an unknown kind counts as flat:
/// [`Header::parse`](super::Header::parse) decides whether that file is a kernel.
///
/// # Errors
/// A compressed EFI program that is damaged, or in a compression that is not supported.
pub fn packing(file: &[u8]) -> Result<Packing, PackedError> {
    if zboot::is_zboot(file) {
        return match zboot(file)?.compression {
            "gzip" => Ok(Packing::ZbootGzip),
            "zstd" | "zstd22" => Ok(Packing::ZbootZstd),
            other => {
                let known = UNKNOWN.into_iter().find(|known| *known == other);
                Err(PackedError::Compression(known))
            }
        };
    }
    Ok(match file {
        _ if gzip::is_gzip(file) => Packing::Gzip,
        _ if zstd::is_zstd(file) => Packing::Zstd,
        _ => Packing::Flat,
    })
}

/// Reads the container, and sees whether the file is as long as its PE headers say.
fn zboot(file: &[u8]) -> Result<Zboot<'_>, PackedError> {
    pe::check(file).map_err(PackedError::Pe)?;
    Ok(zboot::read(file)?)
}

/// The flat kernel in `file`, of at most `limit` bytes.
///
/// # Errors
/// [`PackedError`] if the file can't be unpacked. Whether the contents are a kernel is not checked
/// here.
pub fn unpack(file: &[u8], packing: Packing, limit: usize) -> Result<Cow<'_, [u8]>, PackedError> {
    let owned = match packing {
        Packing::Flat => return Ok(Cow::Borrowed(file)),
        Packing::Gzip => gzip::unpack_whole(file, limit)?,
        Packing::Zstd => zstd::unpack(file, limit, None)?,
        Packing::ZbootGzip => gzip::unpack_whole(&file[zboot(file)?.payload], limit)?,
        Packing::ZbootZstd => {
            let payload = zboot(file)?.payload;
            // The unpacked size comes right behind the frame, outside of what the header counts.
            let behind = file.get(payload.end..).and_then(|rest| rest.first_chunk());
            let stated = behind.ok_or(ZbootError::NoSize)?;
            zstd::unpack(&file[payload], limit, Some(u32::from_le_bytes(*stated) as usize))?
        }
    };
    Ok(Cow::Owned(owned))
}
