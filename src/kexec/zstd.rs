//! Zstandard (RFC 8878), unpacked by crate ruzstd.
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

/// Why a frame can't be unpacked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ZstdError {
    /// Neither the frame nor its container states the size of the contents.
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
            Self::Checksum => f.write_str("the zstd checksum does not match; copy the file again"),
        }
    }
}

/// True if this starts like a frame.
pub fn is_zstd(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Unpacks the frame that `input` starts with, to at most `limit` bytes. `stated` is the unpacked
/// size if the frame's container states one.
///
/// # Errors
/// [`ZstdError`]; size and, if the frame has one, checksum are verified.
pub fn unpack(input: &[u8], limit: usize, stated: Option<usize>) -> Result<Vec<u8>, ZstdError> {
    // The window is bounded before any block is decoded: the frame's header is foreign, too.
    let mut source = input;
    let mut frame = FrameDecoder::new();
    frame.set_max_window_size(WINDOW);
    frame.init(&mut source).map_err(|_| ZstdError::Data)?;
    let size = size(frame.content_size(), stated, limit)?;
    check_memory(size)?;
    // In steps, so that a frame that unpacks to more than it states ends here.
    while !frame.is_finished() {
        let step = frame.decode_blocks(&mut source, BlockDecodingStrategy::UptoBytes(STEP));
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

/// The unpacked size; the frame's own is 0 if the frame does not state a size.
fn size(own: u64, stated: Option<usize>, limit: usize) -> Result<usize, ZstdError> {
    let bytes = match (own, stated) {
        (0, None) => return Err(ZstdError::NoSize),
        (0, Some(stated)) => stated as u64,
        (own, Some(stated)) if own != stated as u64 => {
            return Err(ZstdError::Length { bytes: stated });
        }
        (own, _) => own,
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
