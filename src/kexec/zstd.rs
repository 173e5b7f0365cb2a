//! Zstandard (RFC 8878), unpacked by crate ruzstd: all frames, one after the other, as `zstd -d`
//! does.
//!
//! The crate allocates while it unpacks and has no way to report that an allocation failed, so this
//! module first tries to allocate as much as the crate will need. That needs the unpacked size,
//! which packed kernels state.

use alloc::vec::Vec;
use core::fmt;

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Bytes unpacked between two checks of the total against the limit.
const STEP: usize = 1 << 20;
/// What a block may hold, and then some for tables.
const SLACK: usize = 1 << 20;
/// What `zstd -22 --ultra` asks for without knowing the size. The window is only a limit here:
/// memory is used for contents, not for the window.
const WINDOW: u64 = 128 << 20;

/// Why zstd data can't be unpacked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ZstdError {
    /// Neither a frame nor the container states the size of the contents.
    NoSize,
    /// The contents are larger than allowed.
    TooLarge {
        /// What is stated.
        bytes: u64,
        /// Bytes allowed.
        limit: usize,
    },
    /// There is no memory for the contents.
    NoMemory {
        /// Bytes that were needed.
        bytes: usize,
    },
    /// The data is broken, or needs a dictionary.
    Data,
    /// The contents are not as many as stated.
    Length {
        /// What is stated.
        bytes: usize,
    },
    /// Something that is no frame lies before, between or behind the frames.
    Trailing {
        /// Where it begins.
        at: usize,
        /// Bytes from there to the end of the data.
        bytes: usize,
    },
    /// The contents do not have the checksum that the frame states.
    Checksum,
}

impl fmt::Display for ZstdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSize => f.write_str(
                "the zstd data does not say how large it is unpacked; unpack it to a flat Image",
            ),
            Self::TooLarge { bytes, limit } => {
                write!(f, "the zstd data unpacks to {bytes} bytes, {limit} are allowed")
            }
            Self::NoMemory { bytes } => write!(
                f,
                "no memory to unpack {bytes} bytes of zstd; give a flat Image, or more memory"
            ),
            Self::Data => f.write_str("the zstd data is broken; copy the file again"),
            Self::Length { bytes } => write!(
                f,
                "the zstd data does not unpack to the {bytes} bytes that are stated; \
                 copy the file again"
            ),
            Self::Trailing { at, bytes } => write!(
                f,
                "{bytes} bytes at {at} of the zstd data are no frame; copy the file again, without \
                 what was appended"
            ),
            Self::Checksum => f.write_str("the zstd checksum does not match; copy the file again"),
        }
    }
}

/// True if this starts like a frame, or like skippable frames before one: `pzstd` writes these.
pub fn is_zstd(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Ok(Some(after)) = skippable(rest) {
        rest = after;
    }
    rest.starts_with(&MAGIC)
}

/// What follows a skippable frame (RFC 8878 section 3.1.2), which holds nothing of the contents;
/// `None` if `input` does not start with one.
fn skippable(input: &[u8]) -> Result<Option<&[u8]>, ZstdError> {
    match input.first_chunk() {
        Some([0x50..=0x5f, 0x2a, 0x4d, 0x18]) => {}
        _ => return Ok(None),
    }
    let bytes = input.get(4..).and_then(|rest| rest.first_chunk()).ok_or(ZstdError::Data)?;
    let end = (u32::from_le_bytes(*bytes) as usize).checked_add(8);
    end.and_then(|end| input.get(end..)).map(Some).ok_or(ZstdError::Data)
}

/// Unpacks all of `input`, frame after frame, to at most `limit` bytes in all. `stated` is the
/// unpacked size of all if the frames' container states one.
///
/// # Errors
/// [`ZstdError`]; sizes and, if a frame has one, its checksum are verified. What is no frame is
/// refused, wherever it is.
pub fn unpack(input: &[u8], limit: usize, stated: Option<usize>) -> Result<Vec<u8>, ZstdError> {
    let (mut rest, mut contents) = (input, Vec::new());
    while !rest.is_empty() {
        if let Some(after) = skippable(rest)? {
            rest = after;
            continue;
        }
        if !rest.starts_with(&MAGIC) {
            let at = input.len() - rest.len();
            return Err(ZstdError::Trailing { at, bytes: rest.len() });
        }
        let left = stated.map(|bytes| bytes.saturating_sub(contents.len()));
        let part = unpack_frame(&mut rest, limit - contents.len(), left)?;
        append(&mut contents, part)?;
    }
    match stated {
        Some(bytes) if bytes != contents.len() => Err(ZstdError::Length { bytes }),
        _ => Ok(contents),
    }
}

/// The usual file has one frame, whose contents are not moved.
fn append(contents: &mut Vec<u8>, part: Vec<u8>) -> Result<(), ZstdError> {
    if contents.is_empty() {
        *contents = part;
        return Ok(());
    }
    let bytes = contents.len() + part.len();
    contents.try_reserve_exact(part.len()).map_err(|_| ZstdError::NoMemory { bytes })?;
    contents.extend_from_slice(&part);
    Ok(())
}

/// Unpacks the frame that `source` starts with, and moves `source` behind that frame.
fn unpack_frame(
    source: &mut &[u8],
    limit: usize,
    left: Option<usize>,
) -> Result<Vec<u8>, ZstdError> {
    // The window is bounded before any block is decoded: the frame's header is foreign, too.
    let own = states_size(source);
    let mut frame = FrameDecoder::new();
    frame.set_max_window_size(WINDOW);
    frame.init(&mut *source).map_err(|_| ZstdError::Data)?;
    let size = size(own.then(|| frame.content_size()), left, limit)?;
    check_memory(size)?;
    // In steps, so that a frame that unpacks to more than it states ends here.
    while !frame.is_finished() {
        let step = frame.decode_blocks(&mut *source, BlockDecodingStrategy::UptoBytes(STEP));
        step.map_err(|_| ZstdError::Data)?;
        if frame.can_collect() > size {
            return Err(ZstdError::Length { bytes: size });
        }
    }
    let contents = frame.collect().unwrap_or_default();
    if contents.len() != size {
        return Err(ZstdError::Length { bytes: size });
    }
    let (is, should) = (frame.get_calculated_checksum(), frame.get_checksum_from_data());
    if should.is_some() && is != should {
        return Err(ZstdError::Checksum);
    }
    Ok(contents)
}

/// True if the frame states the size of its contents, which may be 0 (RFC 8878 section
/// 3.1.1.1.1): by a field of more than one byte, or by one byte in a frame of a single segment.
fn states_size(frame: &[u8]) -> bool {
    const SIZE_FIELD: u8 = 0b1100_0000;
    const SINGLE_SEGMENT: u8 = 1 << 5;
    frame.get(MAGIC.len()).is_some_and(|flags| flags & (SIZE_FIELD | SINGLE_SEGMENT) != 0)
}

/// The unpacked size of a frame: its `own`, or if it states none, all that is `left` of what the
/// container states.
fn size(own: Option<u64>, left: Option<usize>, limit: usize) -> Result<usize, ZstdError> {
    let bytes = match (own, left) {
        (None, None) => return Err(ZstdError::NoSize),
        (None, Some(left)) => left as u64,
        (Some(own), Some(left)) if own > left as u64 => {
            return Err(ZstdError::Length { bytes: left });
        }
        (Some(own), _) => own,
    };
    usize::try_from(bytes)
        .ok()
        .filter(|&bytes| bytes <= limit)
        .ok_or(ZstdError::TooLarge { bytes, limit })
}

/// Sees whether there is the memory that the decoder will take: a buffer of a power of two, and at
/// the same time first the previous buffer of half the size, later the contents.
fn check_memory(size: usize) -> Result<(), ZstdError> {
    let buffer = (size + SLACK).next_power_of_two();
    let none = |_| ZstdError::NoMemory { bytes: size };
    let (mut first, mut second) = (Vec::<u8>::new(), Vec::<u8>::new());
    first.try_reserve_exact(buffer).map_err(none)?;
    second.try_reserve_exact((buffer / 2).max(size) + SLACK).map_err(none)
}
