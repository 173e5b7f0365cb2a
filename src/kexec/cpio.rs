//! One newc cpio archive inside an initrd
//! (`Documentation/driver-api/early-userspace/buffer-format.rst`).
//!
//! The frame of each entry (magic, lengths, end of the name) is checked here first, so that an
//! error has a place and a reason; crate `cpio_reader` reads the entry itself.

use alloc::{collections::BTreeMap, vec::Vec};
use core::{fmt, ops};

use cpio_reader::Entry;

const HEADER_BYTES: usize = 110;
const MAGIC_BYTES: usize = 6;
const FIELD_BYTES: usize = 8;
const MODE_FIELD: usize = 1;
const FILE_SIZE_FIELD: usize = 6;
const NAME_SIZE_FIELD: usize = 11;
const TRAILER: &[u8] = b"TRAILER!!!";

const TYPE_MASK: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;

/// A regular file or a symbolic link, as places in the archive's bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CpioFile {
    /// The path as written in the archive, without the final zero; UTF-8.
    pub name: ops::Range<usize>,
    /// Its contents; of a symbolic link, the path of its target.
    pub contents: ops::Range<usize>,
    /// True for a symbolic link.
    pub symlink: bool,
    /// Device and inode, which all names of a hard-linked file share; `None` if the file has a
    /// single name.
    link: Option<(u32, u32, u32)>,
}

/// Why an archive cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CpioError {
    /// No newc entry where one should start.
    Magic,
    /// An entry of the old character format (odc).
    OldFormat,
    /// A header field is not eight hexadecimal digits.
    Field {
        /// Number of the field, 0 is the inode.
        number: usize,
    },
    /// The entry runs past the end of the data.
    Truncated {
        /// Bytes that the entry needs.
        need: u64,
        /// Bytes that are left.
        left: usize,
    },
    /// The name is empty, has no final zero, or has one inside.
    Name,
    /// The name is no UTF-8, the mode has unknown bits, or the checksum is wrong.
    Entry,
    /// The data ends where an entry or the trailer should start.
    NoTrailer,
}

impl fmt::Display for CpioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("no newc cpio entry; make the archive with `cpio -H newc`"),
            Self::OldFormat => {
                f.write_str("an entry of the odc format; make the archive with `cpio -H newc`")
            }
            Self::Field { number } => {
                write!(f, "header field {number} is no hexadecimal number; the archive is damaged")
            }
            Self::Truncated { need, left } => write!(
                f,
                "the entry needs {need} bytes and {left} are left; the archive is cut short"
            ),
            Self::Name => f.write_str("the entry's name is broken; the archive is damaged"),
            Self::Entry => {
                f.write_str("the name is no UTF-8 or mode or checksum is wrong; make it again")
            }
            Self::NoTrailer => {
                f.write_str("the archive ends without its trailer entry; it is cut short")
            }
        }
    }
}

/// Reads the archive at `begin`, up to its trailer. Returns its files and symbolic links in
/// archive order and the offset behind the trailer.
///
/// # Errors
/// The offset of the entry that cannot be read, and why.
pub fn read(data: &[u8], begin: usize) -> Result<(Vec<CpioFile>, usize), (usize, CpioError)> {
    let mut files = Vec::new();
    let mut at = begin;
    loop {
        let frame = CpioFrame::read(data, at).map_err(|error| (at, error))?;
        if data[frame.name.clone()] == *TRAILER {
            share_contents(&mut files);
            return Ok((files, frame.end));
        }
        files.extend(frame.file(data, at).map_err(|error| (at, error))?);
        at = frame.end;
    }
}

/// Passes name and mode of every entry of the archive at `begin`, of whatever type, to `see`;
/// returns the offset behind the trailer.
///
/// # Errors
/// The offset of the entry that cannot be read, and why.
pub fn walk(
    data: &[u8],
    begin: usize,
    mut see: impl FnMut(&[u8], u32),
) -> Result<usize, (usize, CpioError)> {
    let mut at = begin;
    loop {
        let frame = CpioFrame::read(data, at).map_err(|error| (at, error))?;
        if data[frame.name.clone()] == *TRAILER {
            return Ok(frame.end);
        }
        see(&data[frame.name.clone()], frame.mode);
        at = frame.end;
    }
}

/// True for the mode of a regular file.
pub const fn is_regular(mode: u32) -> bool {
    mode & TYPE_MASK == REGULAR
}

/// Where the parts of one entry lie; all inside the data.
struct CpioFrame {
    mode: u32,
    name: ops::Range<usize>,
    contents: ops::Range<usize>,
    end: usize,
}

impl CpioFrame {
    fn read(data: &[u8], at: usize) -> Result<Self, CpioError> {
        let left = data.get(at..).unwrap_or_default();
        check_magic(left)?;
        let header = left.get(..HEADER_BYTES).ok_or(truncated(HEADER_BYTES as u64, left))?;
        let fields = &header[MAGIC_BYTES..];
        // All fields, also those that are not used here: a broken one means a damaged archive.
        for number in 0..fields.len() / FIELD_BYTES {
            field(fields, number)?;
        }
        // In 64 bits: two fields of 32 bits can't overflow there, whatever they say.
        let name_size = u64::from(field(fields, NAME_SIZE_FIELD)?);
        let contents = (HEADER_BYTES as u64 + name_size).next_multiple_of(4);
        let end = contents + u64::from(field(fields, FILE_SIZE_FIELD)?);
        if name_size == 0 {
            return Err(CpioError::Name);
        }
        if end > left.len() as u64 {
            return Err(truncated(end, left));
        }
        // All offsets fit: none exceeds the length of the data.
        let (contents, end) = (at + contents as usize, at + end as usize);
        let name = at + HEADER_BYTES..at + HEADER_BYTES + name_size as usize - 1;
        if data[name.end] != 0 || data[name.clone()].contains(&0) {
            return Err(CpioError::Name);
        }
        // Entries are padded to 4 bytes from their beginning; the padding of the last one may be
        // missing.
        let padded = (end + (4 - (end - at) % 4) % 4).min(data.len());
        let mode = field(fields, MODE_FIELD)?;
        Ok(Self { mode, name, contents: contents..end, end: padded })
    }

    /// The entry as a file; `None` for a directory, a device or such.
    fn file(&self, data: &[u8], at: usize) -> Result<Option<CpioFile>, CpioError> {
        let bytes = &data[at..self.end];
        let entry = cpio_reader::iter_files(bytes).next().ok_or(CpioError::Entry)?;
        let kind = entry.mode().bits() & TYPE_MASK;
        Ok(matches!(kind, REGULAR | SYMLINK).then(|| CpioFile {
            name: self.name.clone(),
            contents: self.contents.clone(),
            symlink: kind == SYMLINK,
            link: link(&entry),
        }))
    }
}

/// The magic of newc, with or without a checksum. Zeros where an entry should start mean that the
/// trailer is missing.
fn check_magic(left: &[u8]) -> Result<(), CpioError> {
    match left.get(..MAGIC_BYTES) {
        Some(b"070701" | b"070702") => Ok(()),
        Some(b"070707") => Err(CpioError::OldFormat),
        Some(_) => Err(CpioError::Magic),
        None if left.iter().all(|byte| *byte == 0) => Err(CpioError::NoTrailer),
        None => Err(truncated(HEADER_BYTES as u64, left)),
    }
}

const fn truncated(need: u64, left: &[u8]) -> CpioError {
    CpioError::Truncated { need, left: left.len() }
}

fn field(fields: &[u8], number: usize) -> Result<u32, CpioError> {
    let digits = &fields[number * FIELD_BYTES..(number + 1) * FIELD_BYTES];
    digits.iter().try_fold(0, |value, digit| {
        let digit = char::from(*digit).to_digit(16).ok_or(CpioError::Field { number })?;
        Ok(value << 4 | digit)
    })
}

/// What names of one file have in common; `None` for a file with a single name.
fn link(entry: &Entry<'_>) -> Option<(u32, u32, u32)> {
    let device = (entry.devmajor()?, entry.devminor()?);
    (entry.nlink() > 1).then_some((device.0, device.1, entry.ino()))
}

/// Of the several names of a hard-linked file only one entry carries the contents; copies the range
/// to the entries of the other names.
fn share_contents(files: &mut [CpioFile]) {
    let mut full = BTreeMap::new();
    for file in files.iter().filter(|file| !file.contents.is_empty()) {
        let Some(link) = file.link else { continue };
        full.entry(link).or_insert(file.contents.clone());
    }
    for file in files.iter_mut().filter(|file| file.contents.is_empty()) {
        if let Some(contents) = file.link.and_then(|link| full.get(&link)) {
            file.contents = contents.clone();
        }
    }
}
