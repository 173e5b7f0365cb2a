//! Why an initrd can't be read, or a file in it.

use alloc::string::{String, ToString};
use core::fmt;

use crate::kexec::cpio::{self, CpioError, Odd};
use crate::kexec::gzip::GzipError;
use crate::options::Shown;

/// Why an initrd can't be read, or not any further.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FilesError {
    /// There are no bytes, or only zeros.
    Empty,
    /// The initrd has a part in a compression that is not supported.
    Compressed {
        /// Offset in the initrd.
        at: usize,
        /// The compression's name.
        how: &'static str,
    },
    /// A gzip part cannot be unpacked.
    Gzip {
        /// Offset of the part in the initrd.
        at: usize,
        /// Why.
        error: GzipError,
    },
    /// An archive cannot be read.
    Cpio {
        /// Offset of the entry: in the initrd, or in the unpacked data.
        at: usize,
        /// True if the archive came out of a gzip part.
        unpacked: bool,
        /// The entry's name, as far as it can be read.
        name: String,
        /// Why.
        error: CpioError,
    },
}

impl FilesError {
    /// Where an archive in `data` ended, or why reading it ended.
    pub(super) fn of_archive(
        data: &[u8],
        unpacked: bool,
        end: Result<usize, (usize, CpioError)>,
    ) -> Result<usize, Self> {
        end.map_err(|(at, error)| {
            let name = Shown(cpio::name_at(data, at)).to_string();
            Self::Cpio { at, unpacked, name, error }
        })
    }
}

impl fmt::Display for FilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the initrd is empty; give -initrd a newc cpio"),
            Self::Compressed { at, how } => {
                write!(f, "the initrd is a {how} file at byte {at}; give a plain or gzip newc cpio")
            }
            Self::Gzip { at, error } => write!(f, "initrd at byte {at}: {error}"),
            Self::Cpio { at, unpacked, name, error } => {
                let of = if *unpacked { "unpacked initrd" } else { "initrd" };
                write!(f, "{of} at byte {at}: ")?;
                if !name.is_empty() {
                    write!(f, "\"{name}\": ")?;
                }
                error.fmt(f)
            }
        }
    }
}

impl core::error::Error for FilesError {}

/// Why there is no file of a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoFile {
    /// The path.
    pub path: String,
    /// What is odd about the file, if there is one.
    pub odd: Option<Odd>,
    /// Why the initrd was not read to its end: the file may be there.
    pub damage: Option<FilesError>,
}

impl fmt::Display for NoFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { path, odd: Some(odd), .. } => {
                write!(f, "{path}: {odd}; make the archive again")
            }
            Self { path, damage: Some(damage), .. } => {
                write!(f, "{path}: no such file up to where the initrd is damaged: {damage}")
            }
            Self { path, .. } => write!(f, "{path}: no such file; `files` lists them"),
        }
    }
}

impl core::error::Error for NoFile {}
