//! The mark that tells a flat image of baton from any other, and a whole image from a part.
//!
//! The boot protocol reserves bytes 32 to 55 of the header, and loaders ignore them. The entry code
//! has [`MAGIC`] there, and the host tool's `baton image` writes the rest when it makes the flat
//! file:
//!
//! | offset | contents |
//! | --- | --- |
//! | 32 | "batonimg" |
//! | 40 | bytes of the file, 64 bits |
//! | 48 | CRC-32 of what follows the header |
//! | 52 | zero |
//!
//! A signature for UEFI changes the file afterwards: it is appended, and two fields of the PE header say
//! so. The mark holds all the same: these fields count as zero, as they were, and what is appended has
//! to be the certificates and nothing else.
//!
//! The CRC finds a file that was preallocated and filled in part. It is no protection against an
//! attacker, which signatures are.

#[cfg(all(test, not(loom)))]
mod tests;

use core::cmp::Ordering;

use super::{HEADER_BYTES, ImageError, pe, u32_at, u64_at};
use crate::report::crc32_of;

const MAGIC: &[u8] = b"batonimg";
const MAGIC_AT: usize = 32;
const BYTES_AT: usize = 40;
const CRC_AT: usize = 48;

/// What the header of a baton says about its file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatonMark {
    /// Bytes of the file.
    pub bytes: u64,
    /// CRC-32 of what follows the header.
    pub crc: u32,
}

impl BatonMark {
    /// The mark in the flat image `file`; `None` if `file` is no baton, or one from before the
    /// mark. So `is_some` answers "is the next kernel a baton?", for an unpacked image that
    /// [`Header::parse`](super::Header::parse) has accepted: that function also checks the mark.
    pub fn of(file: &[u8]) -> Option<Self> {
        if !file.get(MAGIC_AT..)?.starts_with(MAGIC) {
            return None;
        }
        Some(Self { bytes: u64_at(file, BYTES_AT)?, crc: u32_at(file, CRC_AT)? })
    }

    /// Writes length and CRC into a finished flat image whose header has the magic of the mark.
    /// False if the header has none: then `file` is unchanged.
    pub fn complete(file: &mut [u8]) -> bool {
        if Self::of(file).is_none() || file.len() < HEADER_BYTES {
            return false;
        }
        let (bytes, crc) = (file.len() as u64, crc(file, file.len()).unwrap_or(0));
        file[BYTES_AT..CRC_AT].copy_from_slice(&bytes.to_le_bytes());
        file[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        true
    }

    /// Compares the mark with the `file` that has it.
    ///
    /// # Errors
    /// [`ImageError::Cut`], [`ImageError::Appended`] or [`ImageError::Crc`].
    pub(super) fn check(self, file: &[u8]) -> Result<(), ImageError> {
        let (len, promised, by) = (file.len() as u64, self.bytes, "header");
        if len < promised {
            return Err(ImageError::Cut { file: len, promised, by });
        }
        if len > promised {
            certificates(file, promised)?;
        }
        match crc(file, usize::try_from(promised).unwrap_or(usize::MAX)) {
            Some(crc) if crc == self.crc => Ok(()),
            _ => Err(ImageError::Crc),
        }
    }
}

/// Checks that what is behind the promised length is a signature for UEFI, whole, and nothing else.
fn certificates(file: &[u8], promised: u64) -> Result<(), ImageError> {
    let len = file.len() as u64;
    let found = pe::signed(file).map(|signed| signed.certificates);
    let end = match found {
        Some((start, end)) if start == promised && end > start => end,
        _ => return Err(ImageError::Appended { file: len, promised, by: "header" }),
    };
    let by = "PE certificate table";
    match len.cmp(&end) {
        Ordering::Less => Err(ImageError::Cut { file: len, promised: end, by }),
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(ImageError::Appended { file: len, promised: end, by }),
    }
}

/// The CRC of what is between the header and `end`, without what a signer writes there. `None` if
/// that is not in the file.
fn crc(file: &[u8], end: usize) -> Option<u32> {
    let body = file.get(..end)?;
    let Some(pe::Signed { checksum, directory, .. }) = pe::signed(body) else {
        return Some(crc32_of(&[body.get(HEADER_BYTES..)?]));
    };
    let parts = [
        body.get(HEADER_BYTES..checksum)?,
        &[0; 4],
        body.get(checksum + 4..directory)?,
        &[0; 8],
        body.get(directory + 8..)?,
    ];
    Some(crc32_of(&parts))
}
