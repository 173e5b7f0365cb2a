//! How long a PE file has to be, by its own headers (PE/COFF specification, sections 3.3, 3.4, 4).
//!
//! Kernels with an EFI stub are PE files too, and so a copy that ended early shows. The headers are
//! foreign: each offset is checked, sums are made in 64 bits, and what is odd without promising
//! bytes (no PE signature, sections without contents) is passed over.

#[cfg(all(test, not(loom)))]
mod tests;

use super::{ImageError, u16_at, u32_at};

/// From the PE signature: signature and COFF header.
const COFF_BYTES: u64 = 24;
const SECTIONS_AT: u64 = 6;
const OPTIONAL_BYTES_AT: u64 = 20;
const SECTION_BYTES: u64 = 40;
/// Bytes of the optional header up to the directory of certificates, and with that.
const CERTIFICATES: u64 = 144;
const WITH_CERTIFICATES: u64 = 152;
const DIRECTORIES_AT: u64 = 108;
const CHECKSUM: u64 = 64;
const PE32_PLUS: u16 = 0x20b;
/// A section of zeros, with no contents in the file.
const UNINITIALISED: u32 = 0x80;

/// A length that the file must have, and which part of the file says so.
type Promise = (u64, &'static str);

/// Compares the length of a PE file with what its headers promise. A file that is no PE passes.
/// Zeros behind the promised length are padding of a partition or archive.
///
/// # Errors
/// [`ImageError::Cut`] or [`ImageError::Appended`].
pub fn check(file: &[u8]) -> Result<(), ImageError> {
    let Some((promised, by)) = promise(file) else { return Ok(()) };
    let len = file.len() as u64;
    let behind = usize::try_from(promised).ok().and_then(|end| file.get(end..));
    match behind {
        None => Err(ImageError::Cut { file: len, promised, by }),
        Some(rest) if rest.iter().any(|byte| *byte != 0) => {
            Err(ImageError::Appended { file: len, promised, by })
        }
        Some(_) => Ok(()),
    }
}

/// The largest promise; `None` if the file is no PE, or promises nothing.
fn promise(file: &[u8]) -> Option<Promise> {
    let pe = u64::from(u32_at(file, 60).filter(|at| *at != 0 && file.starts_with(b"MZ"))?);
    // Headers that lie behind the end of the file are the first promise that is not kept.
    let headers = (pe + COFF_BYTES, "PE header");
    if headers.0 > file.len() as u64 {
        return Some(headers);
    }
    let signature = file.get(pe as usize..)?;
    if !signature.starts_with(b"PE\0\0") {
        return None;
    }
    let optional = pe + COFF_BYTES;
    let sections = optional + u64::from(half(file, pe + OPTIONAL_BYTES_AT)?);
    let count = u64::from(half(file, pe + SECTIONS_AT)?);
    let table = sections + count * SECTION_BYTES;
    if table > file.len() as u64 {
        return Some((table, "PE header"));
    }
    let ends = (0..count).filter_map(|i| section_end(file, sections + i * SECTION_BYTES));
    let by_sections = ends.max().map(|end| (end, "PE section table"));
    let known = [
        by_sections,
        certificates_end(file, optional, sections).map(|end| (end, "PE certificate table")),
        symbols_end(file, pe).map(|end| (end, "PE symbol table")),
    ];
    known.into_iter().flatten().max_by_key(|promise| promise.0)
}

/// What a signer for UEFI writes into a PE file: the checksum and the place of the certificates in the
/// headers, and the certificates behind all else.
pub(super) struct Signed {
    /// Where the checksum is, 4 bytes.
    pub checksum: usize,
    /// Where the place of the certificates is, 8 bytes.
    pub directory: usize,
    /// From where to where the certificates are; empty if there are none.
    pub certificates: (u64, u64),
}

/// The places of a signature; `None` if the file is no PE file of 64 bits, or has no room for one.
pub(super) fn signed(file: &[u8]) -> Option<Signed> {
    let pe = u64::from(u32_at(file, 60).filter(|at| *at != 0 && file.starts_with(b"MZ"))?);
    if !file.get(usize::try_from(pe).ok()?..)?.starts_with(b"PE\0\0") {
        return None;
    }
    let optional = pe + COFF_BYTES;
    let bytes = u64::from(half(file, pe + OPTIONAL_BYTES_AT)?);
    if bytes < WITH_CERTIFICATES || half(file, optional)? != PE32_PLUS {
        return None;
    }
    let (at, size) =
        (word(file, optional + CERTIFICATES)?, word(file, optional + CERTIFICATES + 4)?);
    Some(Signed {
        checksum: usize::try_from(optional + CHECKSUM).ok()?,
        directory: usize::try_from(optional + CERTIFICATES).ok()?,
        certificates: (u64::from(at), u64::from(at) + u64::from(size)),
    })
}

/// Where the contents of the section end whose entry is at `at`.
fn section_end(file: &[u8], at: u64) -> Option<u64> {
    let (size, start) = (word(file, at + 16)?, word(file, at + 20)?);
    let none = size == 0 || start == 0 || word(file, at + 36)? & UNINITIALISED != 0;
    (!none).then(|| u64::from(start) + u64::from(size))
}

/// Where the certificates of a signed file end, which lie behind the sections.
fn certificates_end(file: &[u8], optional: u64, sections: u64) -> Option<u64> {
    let room = sections - optional >= WITH_CERTIFICATES && half(file, optional)? == PE32_PLUS;
    if !room || word(file, optional + DIRECTORIES_AT)? <= 4 {
        return None;
    }
    let (start, size) =
        (word(file, optional + CERTIFICATES)?, word(file, optional + CERTIFICATES + 4)?);
    (start != 0 && size != 0).then(|| u64::from(start) + u64::from(size))
}

/// Where the symbols end that a linker may have left in the file, with the strings behind them.
fn symbols_end(file: &[u8], pe: u64) -> Option<u64> {
    const SYMBOL_BYTES: u64 = 18;
    let (start, count) = (word(file, pe + 12)?, word(file, pe + 16)?);
    let strings = u64::from(start) + u64::from(count) * SYMBOL_BYTES;
    (start != 0).then(|| strings + u64::from(word(file, strings).unwrap_or(0)))
}

fn half(file: &[u8], at: u64) -> Option<u16> {
    u16_at(file, usize::try_from(at).ok()?)
}

fn word(file: &[u8], at: u64) -> Option<u32> {
    u32_at(file, usize::try_from(at).ok()?)
}
