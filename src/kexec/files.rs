//! The initrd as files by path.
//!
//! An initrd is one or more newc cpio archives, plain or gzip, with zeros in between
//! (`Documentation/driver-api/early-userspace/buffer-format.rst`). Where two have a file of the
//! same path, the later one counts.
//!
//! The whole initrd is read when the files are opened, so that an error is told then and not at the
//! first access. Files of a plain archive are places in the initrd itself; only gzip parts take
//! memory, and all of these together at most the limit. Paths are compared as text, without a
//! leading `/` or `./`.

#[cfg(all(test, not(loom)))]
mod tests;

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::{fmt, ops, str};

use super::{
    cpio::{self, CpioError},
    gzip::{self, GzipError},
    image::Foreign,
};

/// Why an initrd cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
        /// Why.
        error: CpioError,
    },
}

impl fmt::Display for FilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the initrd is empty; give -initrd a newc cpio"),
            Self::Compressed { at, how } => {
                write!(f, "the initrd is a {how} file at byte {at}; give a plain or gzip newc cpio")
            }
            Self::Gzip { at, error } => write!(f, "initrd at byte {at}: {error}"),
            Self::Cpio { at, unpacked, error } => {
                let of = if *unpacked { "unpacked initrd" } else { "initrd" };
                write!(f, "{of} at byte {at}: {error}")
            }
        }
    }
}

/// How many symbolic links are followed in a row; more are taken for a circle.
const MAX_LINKS: usize = 8;

/// The files of an initrd.
#[derive(Clone, Debug, Default)]
pub struct Files<'a> {
    parts: Vec<Cow<'a, [u8]>>,
    /// Sorted by path; no two are the same.
    index: Vec<IndexedFile>,
}

#[derive(Clone, Debug)]
struct IndexedFile {
    part: usize,
    path: ops::Range<usize>,
    contents: ops::Range<usize>,
    symlink: bool,
}

impl<'a> Files<'a> {
    /// Reads the whole initrd. Plain archives are borrowed, gzip ones are unpacked, to at most
    /// `limit` bytes in all.
    ///
    /// # Errors
    /// [`FilesError`], if any part of `initrd` is no archive or is damaged.
    pub fn open(initrd: &'a [u8], limit: usize) -> Result<Self, FilesError> {
        // `left` is for all gzip parts together: many small parts count like a large one.
        let mut files = Self::default();
        let mut left = limit;
        let mut at = skip_zeros(initrd, 0);
        while at < initrd.len() {
            if gzip::is_gzip(&initrd[at..]) {
                let (contents, used) = gzip::unpack(&initrd[at..], left)
                    .map_err(|error| FilesError::Gzip { at, error })?;
                left -= contents.len();
                files.add_unpacked(contents)?;
                at += used;
            } else {
                at = files.add_plain(initrd, at)?;
            }
            at = skip_zeros(initrd, at);
        }
        if files.parts.is_empty() {
            return Err(FilesError::Empty);
        }
        files.sort();
        Ok(files)
    }

    /// The contents of the file at `path`, with or without a leading `/` or `./`. If `path` is a
    /// symbolic link, the contents of the link's target; links to directories are not followed.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        // One file and at most `MAX_LINKS` links; a link to itself ends here, too.
        let mut path = String::from(plain(path));
        for _ in 0..=MAX_LINKS {
            let found = self.index.binary_search_by(|file| self.path(file).cmp(&path)).ok()?;
            let file = &self.index[found];
            let contents = self.contents(file);
            if !file.symlink {
                return Some(contents);
            }
            path = target(&path, str::from_utf8(contents).ok()?);
        }
        None
    }

    /// Path and size in bytes of each file, in the order of their paths; a link counts as its
    /// target, and is left out if the target does not exist.
    pub fn iter(&self) -> impl Iterator<Item = (&str, usize)> {
        let paths = self.index.iter().map(|file| self.path(file));
        paths.filter_map(|path| self.get(path).map(|contents| (path, contents.len())))
    }

    /// The path as it is compared. The archive was checked to hold UTF-8 names.
    fn path(&self, file: &IndexedFile) -> &str {
        plain(str::from_utf8(&self.parts[file.part][file.path.clone()]).unwrap_or_default())
    }

    fn contents(&self, file: &IndexedFile) -> &[u8] {
        &self.parts[file.part][file.contents.clone()]
    }

    /// Adds the plain archive at `at` and returns the offset behind its end.
    fn add_plain(&mut self, initrd: &'a [u8], at: usize) -> Result<usize, FilesError> {
        if let Some(Foreign::Compressed(how)) = Foreign::recognise(&initrd[at..]) {
            return Err(FilesError::Compressed { at, how });
        }
        let (found, end) = cpio::read(initrd, at).map_err(|(at, error)| FilesError::Cpio {
            at,
            unpacked: false,
            error,
        })?;
        self.add(Cow::Borrowed(initrd), found);
        Ok(end)
    }

    /// Adds all archives in what a gzip part held.
    fn add_unpacked(&mut self, contents: Vec<u8>) -> Result<(), FilesError> {
        let mut found = Vec::new();
        let mut at = skip_zeros(&contents, 0);
        while at < contents.len() {
            let (files, end) = cpio::read(&contents, at)
                .map_err(|(at, error)| FilesError::Cpio { at, unpacked: true, error })?;
            found.extend(files);
            at = skip_zeros(&contents, end);
        }
        self.add(Cow::Owned(contents), found);
        Ok(())
    }

    fn add(&mut self, part: Cow<'a, [u8]>, found: Vec<cpio::CpioFile>) {
        let number = self.parts.len();
        self.parts.push(part);
        let file = |file: cpio::CpioFile| IndexedFile {
            part: number,
            path: file.name,
            contents: file.contents,
            symlink: file.symlink,
        };
        self.index.extend(found.into_iter().map(file));
    }

    /// Brings the index in order and keeps the last file of each path.
    /// Sorts by path, and leaves one file of each: reversed before the stable sort, so that the one
    /// that came last stands first, and is kept.
    fn sort(&mut self) {
        let mut index = core::mem::take(&mut self.index);
        index.reverse();
        index.sort_by(|a, b| self.path(a).cmp(self.path(b)));
        index.dedup_by(|a, b| self.path(a) == self.path(b));
        self.index = index;
    }
}

/// A path without leading `/` and `./`.
fn plain(mut path: &str) -> &str {
    while let Some(rest) = path.strip_prefix("./").or(path.strip_prefix('/')) {
        path = rest;
    }
    path
}

/// The path that a symbolic link at `path` with these contents stands for.
fn target(path: &str, contents: &str) -> String {
    let directory = match path.rsplit_once('/') {
        Some((directory, _)) if !contents.starts_with('/') => directory,
        _ => "",
    };
    let mut steps: Vec<&str> = Vec::new();
    for step in directory.split('/').chain(contents.split('/')) {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    steps.join("/")
}

/// The offset of the next byte that is not zero; archives are padded with zeros.
fn skip_zeros(data: &[u8], at: usize) -> usize {
    data[at..].iter().position(|byte| *byte != 0).map_or(data.len(), |zeros| at + zeros)
}
