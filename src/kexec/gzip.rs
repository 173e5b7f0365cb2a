//! gzip files (RFC 1952) around deflate data, one member after the other.
//!
//! All members are unpacked into one vector, and the decompressor reads back in it: so there is no
//! window beside the output. The vector grows in steps, each by a request that can fail, and to one
//! byte more than the limit at most.

#[cfg(all(test, not(loom)))]
pub(super) mod tests;

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use miniz_oxide::inflate::{
    TINFLStatus,
    core::{
        DecompressorOxide, decompress,
        inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF as WHOLE_OUTPUT,
    },
};

const MAGIC: [u8; 2] = [0x1f, 0x8b];
const DEFLATE: u8 = 8;
const HEADER_BYTES: usize = 10;
const TRAILER_BYTES: usize = 8;

// FLG bits, RFC 1952 section 2.3.1.
const FHCRC: u8 = 1 << 1;
const FEXTRA: u8 = 1 << 2;
const FNAME: u8 = 1 << 3;
const FCOMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// Deflate cannot make more than this of one byte.
const MAX_RATIO: usize = 1032;

/// Room to start with, and how many times more there may be in the next step.
const LEAST: usize = 4096;
const MOST_GROWTH: usize = 64;

/// Why gzip data cannot be unpacked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GzipError {
    /// The data ends inside a member.
    Truncated,
    /// A header field has a value that RFC 1952 does not know.
    Header,
    /// The deflate data is broken.
    Data,
    /// The contents or the header do not have the CRC that the file states.
    Crc,
    /// The contents do not have the length that the file states.
    Length,
    /// Something other than zeros follows the last member.
    Trailing {
        /// Where it begins.
        at: usize,
        /// Bytes from there to the end of the file.
        bytes: usize,
    },
    /// The contents are larger than allowed.
    TooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// There is no memory for the contents.
    NoMemory {
        /// Bytes that were needed.
        bytes: usize,
    },
}

impl fmt::Display for GzipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the gzip data ends early; copy the file again"),
            Self::Header => f.write_str("the gzip header is broken; pack the file again"),
            Self::Data => f.write_str("the deflate data is broken; copy the file again"),
            Self::Crc => f.write_str("the gzip CRC does not match; copy the file again"),
            Self::Length => f.write_str("the gzip length does not match; copy the file again"),
            Self::Trailing { at, bytes } => write!(
                f,
                "{bytes} bytes at {at} follow the gzip data; copy the file again, without what \
                 was appended"
            ),
            Self::TooLarge { limit } => {
                write!(f, "the gzip data unpacks to more than {limit} bytes; use a plain cpio")
            }
            Self::NoMemory { bytes } => write!(
                f,
                "no memory for {bytes} unpacked bytes; use a plain cpio or give more memory"
            ),
        }
    }
}

/// True if this starts like a gzip member.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Unpacks the members that `input` starts with, to at most `limit` bytes in all. Returns the
/// contents and how many bytes of input the members took.
///
/// # Errors
/// [`GzipError`]; each member's CRC and length are checked.
pub fn unpack(input: &[u8], limit: usize) -> Result<(Vec<u8>, usize), GzipError> {
    let mut room = Vec::new();
    let (mut used, mut filled) = (0, 0);
    loop {
        let (read, wrote) = unpack_member(&input[used..], &mut room, filled, limit)?;
        used += read;
        filled += wrote;
        if !is_gzip(&input[used..]) {
            room.truncate(filled);
            room.shrink_to_fit(); // many small files must not keep much room
            return Ok((room, used));
        }
    }
}

/// Unpacks a file that is gzip from its first byte to its last. Zeros behind the last member are
/// padding, as for gzip's own tool; any other byte there means that the file is not what was
/// packed.
///
/// # Errors
/// [`GzipError`].
pub fn unpack_whole(input: &[u8], limit: usize) -> Result<Vec<u8>, GzipError> {
    let (contents, at) = unpack(input, limit)?;
    if input[at..].iter().any(|byte| *byte != 0) {
        return Err(GzipError::Trailing { at, bytes: input.len() - at });
    }
    Ok(contents)
}

/// Unpacks one member to `begin` of `room`, which grows as needed. Returns how many bytes of
/// `input` were consumed and how many were unpacked.
fn unpack_member(
    input: &[u8],
    room: &mut Vec<u8>,
    begin: usize,
    limit: usize,
) -> Result<(usize, usize), GzipError> {
    // Header, data, then CRC and length of what was unpacked.
    let header = header_len(input)?;
    let (read, wrote) = inflate(&input[header..], room, begin, limit)?;
    let end = header + read;
    let trailer = input.get(end..end + TRAILER_BYTES).ok_or(GzipError::Truncated)?;
    let (crc, length) = trailer.split_at(4);
    if crc != crc32(&room[begin..begin + wrote]).to_le_bytes() {
        return Err(GzipError::Crc);
    }
    // ISIZE is the length modulo 2^32.
    if length != (wrote as u32).to_le_bytes() {
        return Err(GzipError::Length);
    }
    Ok((end + TRAILER_BYTES, wrote))
}

/// Bytes of a member's header, RFC 1952 section 2.3.
fn header_len(input: &[u8]) -> Result<usize, GzipError> {
    let fixed: &[u8; HEADER_BYTES] = input.first_chunk().ok_or(GzipError::Truncated)?;
    let flags = fixed[3];
    if fixed[..2] != MAGIC || fixed[2] != DEFLATE || flags & RESERVED != 0 {
        return Err(GzipError::Header);
    }
    // The optional fields, in their order in the file.
    let mut at = HEADER_BYTES;
    if flags & FEXTRA != 0 {
        at += 2 + usize::from(u16_at(input, at)?);
    }
    for flag in [FNAME, FCOMMENT] {
        if flags & flag != 0 {
            at += 1 + text_len(input, at)?;
        }
    }
    // The lower half of the CRC over all of the header before this field.
    if flags & FHCRC != 0 {
        let header = input.get(..at).ok_or(GzipError::Truncated)?;
        if u16_at(input, at)? != crc32(header) as u16 {
            return Err(GzipError::Crc);
        }
        at += 2;
    }
    if at <= input.len() { Ok(at) } else { Err(GzipError::Truncated) }
}

fn u16_at(input: &[u8], at: usize) -> Result<u16, GzipError> {
    let bytes = input.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map(|bytes| u16::from_le_bytes(*bytes)).ok_or(GzipError::Truncated)
}

/// Bytes before the zero that ends a text.
fn text_len(input: &[u8], at: usize) -> Result<usize, GzipError> {
    let text = input.get(at..).unwrap_or_default();
    text.iter().position(|byte| *byte == 0).ok_or(GzipError::Truncated)
}

/// Unpacks deflate data to `begin` of `room`. Returns the length of the deflate data and the number
/// of unpacked bytes.
fn inflate(
    input: &[u8],
    room: &mut Vec<u8>,
    begin: usize,
    limit: usize,
) -> Result<(usize, usize), GzipError> {
    let (mut used, mut filled) = (0, 0);
    let mut state = Box::<DecompressorOxide>::default();
    if room.len() == begin {
        grow(room, begin.saturating_add(LEAST), limit)?;
    }
    loop {
        let (status, read, wrote) =
            decompress(&mut state, &input[used..], &mut room[begin..], filled, WHOLE_OUTPUT);
        used += read;
        filled += wrote;
        match status {
            // The one byte beyond the limit was needed.
            TINFLStatus::Done if begin + filled > limit => {
                return Err(GzipError::TooLarge { limit });
            }
            TINFLStatus::Done => return Ok((used, filled)),
            // The room is full: by what the file states, or twice as much.
            TINFLStatus::HasMoreOutput => {
                let more = next_size(room.len(), begin.saturating_add(likely_size(input)));
                grow(room, more, limit)?;
            }
            // All of the input was given at once, so there is no more.
            TINFLStatus::FailedCannotMakeProgress | TINFLStatus::NeedsMoreInput => {
                return Err(GzipError::Truncated);
            }
            _ => return Err(GzipError::Data),
        }
    }
}

/// A guess at the unpacked size: what the last four bytes say, as far as that is possible, and one
/// more, so that the end is seen without growing again. Only a guess: the last four bytes of the
/// input need not belong to this member.
fn likely_size(input: &[u8]) -> usize {
    let stated = input.last_chunk().map_or(0, |isize| u32::from_le_bytes(*isize) as usize);
    stated.min(input.len().saturating_mul(MAX_RATIO)).saturating_add(1)
}

/// How much room comes after `bytes` that are full: `likely` bytes, but within a fixed ratio to
/// what is unpacked so far, since the whole room is cleared.
fn next_size(bytes: usize, likely: usize) -> usize {
    likely.clamp(bytes.saturating_mul(2), bytes.saturating_mul(MOST_GROWTH))
}

/// Makes room for `bytes` in all, or for as many as are allowed: one more than `limit`, so that
/// contents of just that size are told from larger ones.
fn grow(room: &mut Vec<u8>, bytes: usize, limit: usize) -> Result<(), GzipError> {
    let bytes = bytes.min(limit.saturating_add(1));
    if bytes <= room.len() {
        return Err(GzipError::TooLarge { limit });
    }
    room.try_reserve_exact(bytes - room.len()).map_err(|_| GzipError::NoMemory { bytes })?;
    room.resize(bytes, 0);
    Ok(())
}

/// The CRC-32 of RFC 1952 section 8.
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32_of(&[bytes])
}

/// The same, of bytes that lie in several places.
pub fn crc32_of(parts: &[&[u8]]) -> u32 {
    const TABLE: [u32; 256] = crc_table();
    let step = |crc: u32, byte: &u8| TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8);
    !parts.iter().fold(!0, |crc, part| part.iter().fold(crc, step))
}

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ 0xedb8_8320 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}
