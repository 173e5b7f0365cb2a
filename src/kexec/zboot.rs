//! The container of a compressed EFI kernel, the form that newer distributions ship: a small PE
//! program, followed by the kernel. Only the container's own header is read here (Linux,
//! `drivers/firmware/efi/libstub/zboot-header.S`).
//!
//! | offset | contents |
//! | --- | --- |
//! | 0 | "MZ" |
//! | 4 | "zimg" |
//! | 8 | offset of the packed kernel, 32 bits |
//! | 12 | its bytes, 32 bits |
//! | 24 | name of the compression, ends in a zero |

use core::fmt;
use core::ops;
use core::str;

const NAME: usize = 24;
const NAME_BYTES: usize = 32;

/// What the header says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Zboot<'a> {
    /// Where the packed kernel is in the file.
    pub payload: ops::Range<usize>,
    /// The compression's name, as stated in the header.
    pub compression: &'a str,
}

/// Why the container can't be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ZbootError {
    /// The file ends inside the header.
    Header,
    /// The file ends before the unpacked size, which follows a kernel that is packed by zstd.
    NoSize,
    /// The compression's name is no text, or does not end.
    Name,
    /// The packed kernel is not inside the file, or lies on the header.
    Payload {
        /// First byte.
        at: usize,
        /// How many.
        bytes: usize,
        /// Bytes in the file.
        file: usize,
    },
}

impl fmt::Display for ZbootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("the file ends inside the header; copy it again"),
            Self::NoSize => {
                f.write_str("the file ends before the unpacked size; copy the file again")
            }
            Self::Name => {
                f.write_str("the name of its compression is damaged; copy the file again")
            }
            Self::Payload { at, bytes, file } => write!(
                f,
                "the header says {bytes} bytes at {at} and the file has {file}; copy the file again"
            ),
        }
    }
}

/// True if this starts like such a container.
pub fn is_zboot(file: &[u8]) -> bool {
    file.starts_with(b"MZ") && file.get(4..8) == Some(b"zimg")
}

/// Reads the header. The payload that is returned lies in the file and behind the header, so that
/// the caller may slice without a check.
///
/// # Errors
/// [`ZbootError`]: which field can't be.
pub fn read(file: &[u8]) -> Result<Zboot<'_>, ZbootError> {
    let name = file.get(NAME..NAME + NAME_BYTES).ok_or(ZbootError::Header)?;
    let (at, bytes) = (u32_at(file, 8)?, u32_at(file, 12)?);
    let end = name.iter().position(|byte| *byte == 0).ok_or(ZbootError::Name)?;
    let plain = name[..end].iter().all(u8::is_ascii_alphanumeric) && end > 0;
    let compression = str::from_utf8(&name[..end]).ok().filter(|_| plain);
    let compression = compression.ok_or(ZbootError::Name)?;
    let inside = |end: &usize| at >= NAME + NAME_BYTES && bytes > 0 && *end <= file.len();
    let end = at.checked_add(bytes).filter(inside);
    let end = end.ok_or(ZbootError::Payload { at, bytes, file: file.len() })?;
    Ok(Zboot { payload: at..end, compression })
}

fn u32_at(file: &[u8], at: usize) -> Result<usize, ZbootError> {
    let bytes = file.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map(|bytes| u32::from_le_bytes(*bytes) as usize).ok_or(ZbootError::Header)
}
