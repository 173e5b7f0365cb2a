//! One entry of an archive: where its parts lie and what its header says.

use core::ops;

use super::error::{CpioError, Odd};

const HEADER_BYTES: usize = 110;
const MAGIC_BYTES: usize = 6;
const FIELD_BYTES: usize = 8;
const FIELDS: usize = (HEADER_BYTES - MAGIC_BYTES) / FIELD_BYTES;

const INODE: usize = 0;
const MODE: usize = 1;
const LINKS: usize = 4;
const FILE_SIZE: usize = 6;
const DEVICE: [usize; 2] = [7, 8];
const SPECIAL: [usize; 2] = [9, 10];
const NAME_SIZE: usize = 11;
const SUM: usize = 12;

/// The name of the entry that ends an archive.
pub const TRAILER: &[u8] = b"TRAILER!!!";

const TYPE_MASK: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;
/// Pipe, character device, directory, block device, socket: entries that are no files here.
const OTHERS: [u32; 5] = [0o010_000, 0o020_000, 0o040_000, 0o060_000, 0o140_000];
/// All bits that a mode can have.
const MODE_BITS: u32 = 0o177_777;

/// True for the mode of a regular file.
pub const fn is_regular(mode: u32) -> bool {
    mode & TYPE_MASK == REGULAR && mode & !MODE_BITS == 0
}

/// One entry: where its parts lie, all inside the data, and what its header says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Offset of the header.
    pub at: usize,
    /// The name without its final zero. What is there, if there is no such zero.
    pub name: ops::Range<usize>,
    /// The contents.
    pub contents: ops::Range<usize>,
    /// Behind the entry, padding included: where the next one begins. The padding of the last entry
    /// may be missing.
    pub end: usize,
    /// True if the header states a sum of the contents.
    pub summed: bool,
    fields: [u32; FIELDS],
}

impl Frame {
    /// Reads the entry at `at`.
    ///
    /// # Errors
    /// What hides where the entry ends.
    pub fn read(data: &[u8], at: usize) -> Result<Self, CpioError> {
        let left = data.get(at..).unwrap_or_default();
        let summed = check_magic(left)?;
        let header = left.get(..HEADER_BYTES).ok_or(truncated(HEADER_BYTES as u64, left))?;
        let fields = fields(&header[MAGIC_BYTES..])?;
        // In 64 bits: two fields of 32 bits can't overflow there, whatever they say.
        let name_size = u64::from(fields[NAME_SIZE]);
        let contents = (HEADER_BYTES as u64 + name_size).next_multiple_of(4);
        let end = contents + u64::from(fields[FILE_SIZE]);
        if end > left.len() as u64 {
            return Err(truncated(end, left));
        }
        // All offsets fit: none exceeds the length of the data.
        let (contents, end) = (at + contents as usize, at + end as usize);
        let name = at + HEADER_BYTES..at + HEADER_BYTES + (name_size as usize).saturating_sub(1);
        let padded = (end + (4 - (end - at) % 4) % 4).min(data.len());
        Ok(Self { at, name, contents: contents..end, end: padded, summed, fields })
    }

    /// True for the entry that ends an archive.
    pub fn is_trailer(&self, data: &[u8]) -> bool {
        self.has_name(data) && data[self.name.clone()] == *TRAILER
    }

    /// True if the name is one: not empty, with one zero, at its end.
    pub fn has_name(&self, data: &[u8]) -> bool {
        let name = &data[self.name.clone()];
        !name.is_empty() && !name.contains(&0) && data[self.name.end] == 0
    }

    /// True if the padding behind name and contents is there, and zeros.
    pub fn is_padded(&self, data: &[u8]) -> bool {
        let zeros = |range: ops::Range<usize>| data[range].iter().all(|&byte| byte == 0);
        let whole = (self.end - self.at).is_multiple_of(4);
        whole && zeros(self.name.end + 1..self.contents.start) && zeros(self.contents.end..self.end)
    }

    /// The mode: type and permissions.
    pub const fn mode(&self) -> u32 {
        self.fields[MODE]
    }

    /// How many names the file has.
    pub const fn links(&self) -> u32 {
        self.fields[LINKS]
    }

    /// True if the header names a device that the entry stands for, or states a sum.
    pub const fn is_special(&self) -> bool {
        self.fields[SPECIAL[0]] != 0 || self.fields[SPECIAL[1]] != 0 || self.fields[SUM] != 0
    }

    /// What the names of one file have in common; `None` for a file with a single name.
    pub(super) fn link(&self) -> Option<(u32, u32, u32)> {
        let [major, minor] = DEVICE.map(|number| self.fields[number]);
        (self.links() > 1).then_some((major, minor, self.fields[INODE]))
    }

    /// `false` for a regular file, `true` for a symbolic link, `None` for a directory, a device or
    /// such.
    pub(super) fn kind(&self, data: &[u8]) -> Result<Option<bool>, Odd> {
        if !self.has_name(data) {
            return Err(Odd::Name);
        }
        let mode = self.mode();
        match mode & TYPE_MASK {
            _ if mode & !MODE_BITS != 0 => Err(Odd::Mode { mode }),
            REGULAR => Ok(Some(false)),
            SYMLINK => Ok(Some(true)),
            other if OTHERS.contains(&other) => Ok(None),
            _ => Err(Odd::Mode { mode }),
        }
    }

    /// The contents, unless the header states another sum of them. The empty entry of a file with
    /// several names states the sum of contents that stand elsewhere.
    pub(super) fn checked_contents(&self, data: &[u8]) -> Result<ops::Range<usize>, Odd> {
        let contents = &data[self.contents.clone()];
        let elsewhere = contents.is_empty() && self.links() > 1;
        if self.summed && is_regular(self.mode()) && !elsewhere {
            let stated = self.fields[SUM];
            let found = contents.iter().fold(0_u32, |sum, byte| sum.wrapping_add((*byte).into()));
            if stated != found {
                return Err(Odd::Checksum { stated, found });
            }
        }
        Ok(self.contents.clone())
    }
}

/// The name of the entry at `at`, as far as it is there, for a message about an entry that can't be
/// read.
pub fn name_at(data: &[u8], at: usize) -> &[u8] {
    let left = data.get(at..).unwrap_or_default();
    let header = left.get(MAGIC_BYTES..HEADER_BYTES).unwrap_or_default();
    let size = check_magic(left).ok().and_then(|_| field(header, NAME_SIZE).ok()).unwrap_or(0);
    let name = left.get(HEADER_BYTES..).unwrap_or_default();
    let name = &name[..name.len().min(size as usize)];
    name.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// The magic of newc; true for that with a checksum. Zeros where an entry should start mean that the
/// trailer is missing.
fn check_magic(left: &[u8]) -> Result<bool, CpioError> {
    match left.get(..MAGIC_BYTES) {
        Some(b"070701") => Ok(false),
        Some(b"070702") => Ok(true),
        Some(b"070707") => Err(CpioError::OldFormat),
        Some(_) => Err(CpioError::Magic),
        None if left.iter().all(|byte| *byte == 0) => Err(CpioError::NoTrailer),
        None => Err(truncated(HEADER_BYTES as u64, left)),
    }
}

const fn truncated(need: u64, left: &[u8]) -> CpioError {
    CpioError::Truncated { need, left: left.len() }
}

/// All fields, also those that are not used here: a broken one means a damaged archive.
fn fields(header: &[u8]) -> Result<[u32; FIELDS], CpioError> {
    let mut fields = [0; FIELDS];
    for (number, value) in fields.iter_mut().enumerate() {
        *value = field(header, number)?;
    }
    Ok(fields)
}

fn field(header: &[u8], number: usize) -> Result<u32, CpioError> {
    let digits = header.get(number * FIELD_BYTES..(number + 1) * FIELD_BYTES);
    digits.ok_or(CpioError::Field { number })?.iter().try_fold(0, |value, digit| {
        let digit = char::from(*digit).to_digit(16).ok_or(CpioError::Field { number })?;
        Ok(value << 4 | digit)
    })
}
