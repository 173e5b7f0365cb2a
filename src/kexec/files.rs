//! The initrd as files by path.
//!
//! An initrd is one or more newc cpio archives, plain or gzip, with zeros in between
//! (`Documentation/driver-api/early-userspace/buffer-format.rst`). Where two have a file of the
//! same path, the later one counts.
//!
//! The whole initrd is read when the files are opened, so that an error is told then and not at the
//! first access. Files of a plain archive are places in the initrd itself; only gzip parts take
//! memory, and all of these together at most the limit. Paths are bytes, compared without a leading
//! `/` or `./`.
//!
//! One odd entry costs that entry ([`Odd`]). Where an archive is cut short or damaged, so that what
//! follows can't be found, the files before are there and the damage is told ([`Files::faults`]):
//! what was to follow might have replaced one of them.

mod error;
#[cfg(all(test, not(loom)))]
mod tests;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::{borrow::Cow, vec::Vec};
use core::ops;

pub use error::{FilesError, NoFile};

use super::cpio::{self, Odd};
use super::gzip;
use super::image::Foreign;
use crate::options::Shown;

/// How many symbolic links are followed in a row; more are taken for a circle.
const MAX_LINKS: usize = 8;

/// The files of an initrd.
#[derive(Clone, Debug, Default)]
pub struct Files<'a> {
    parts: Vec<Cow<'a, [u8]>>,
    /// Sorted by path; no two are the same.
    index: Vec<IndexedFile>,
    /// Entries that are no files because of their names or modes.
    odd: Vec<OddEntry>,
    /// Where reading ended before the end of the initrd.
    damage: Option<FilesError>,
}

#[derive(Clone, Debug)]
struct IndexedFile {
    part: usize,
    path: ops::Range<usize>,
    contents: Result<ops::Range<usize>, Odd>,
    symlink: bool,
}

#[derive(Clone, Debug)]
struct OddEntry {
    part: usize,
    at: usize,
    odd: Odd,
}

impl<'a> Files<'a> {
    /// Reads the initrd. Plain archives are borrowed, gzip ones are unpacked, to at most `limit` bytes
    /// in all.
    ///
    /// # Errors
    /// [`FilesError`] if no file can be read; where some can, [`Files::faults`] tells what is wrong.
    pub fn open(initrd: &'a [u8], limit: usize) -> Result<Self, FilesError> {
        let mut files = Self::default();
        match files.read(initrd, limit) {
            Err(error) if files.index.is_empty() => return Err(error),
            Ok(()) if files.parts.is_empty() => return Err(FilesError::Empty),
            read => files.damage = read.err(),
        }
        files.sort();
        Ok(files)
    }

    fn read(&mut self, initrd: &'a [u8], limit: usize) -> Result<(), FilesError> {
        // `left` is for all gzip parts together: many small parts count like a large one.
        let mut left = limit;
        let mut at = skip_zeros(initrd, 0);
        while at < initrd.len() {
            at = if gzip::is_gzip(&initrd[at..]) {
                let (contents, used) = gzip::unpack(&initrd[at..], left)
                    .map_err(|error| FilesError::Gzip { at, error })?;
                left -= contents.len();
                self.add_unpacked(contents)?;
                at + used
            } else {
                self.add_plain(initrd, at)?
            };
            at = skip_zeros(initrd, at);
        }
        Ok(())
    }

    /// The contents of the file at `path`, with or without a leading `/` or `./`. If `path` is a
    /// symbolic link, the contents of the link's target; links to directories are not followed.
    ///
    /// # Errors
    /// There is no such file, or its contents can't be used.
    pub fn find(&self, path: &str) -> Result<&[u8], NoFile> {
        self.lookup(path.as_bytes()).map_err(|odd| NoFile {
            path: path.into(),
            odd,
            damage: self.damage.clone(),
        })
    }

    /// As [`Files::find`], without the reason why there is none.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.lookup(path.as_bytes()).ok()
    }

    /// The contents; otherwise what is odd about the file, if there is one.
    fn lookup(&self, path: &[u8]) -> Result<&[u8], Option<Odd>> {
        // One file and at most `MAX_LINKS` links; a link to itself ends here, too.
        let mut path = plain(path).to_vec();
        for _ in 0..=MAX_LINKS {
            let found = self.index.binary_search_by(|file| self.path(file).cmp(&path[..]));
            let file = &self.index[found.map_err(|_| None)?];
            let contents = file.contents.clone().map_err(Some)?;
            let contents = &self.parts[file.part][contents];
            if !file.symlink {
                return Ok(contents);
            }
            path = target(&path, contents);
        }
        Err(None)
    }

    /// Path and size in bytes of each file, in the order of their paths; a link counts as its
    /// target. What can't be used is left out.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], usize)> {
        let paths = self.index.iter().map(|file| self.path(file));
        paths.filter_map(|path| self.lookup(path).ok().map(|contents| (path, contents.len())))
    }

    /// What is wrong with the initrd, for people: entries that are left out, and where reading ended
    /// too early.
    pub fn faults(&self) -> impl Iterator<Item = String> {
        let unusable = self.index.iter().filter_map(|file| {
            let odd = file.contents.as_ref().err()?;
            Some(format!("file {}: {odd}; left out", Shown(self.path(file))))
        });
        let odd = self.odd.iter().map(|entry| {
            let name = Shown(cpio::name_at(&self.parts[entry.part], entry.at));
            format!("entry \"{name}\" at byte {}: {}; left out", entry.at, entry.odd)
        });
        unusable.chain(odd).chain(self.damage.iter().map(ToString::to_string))
    }

    /// Where reading ended before the end of the initrd, if it did.
    pub fn damage(&self) -> Option<&FilesError> {
        self.damage.as_ref()
    }

    /// The path as it is compared.
    fn path(&self, file: &IndexedFile) -> &[u8] {
        plain(&self.parts[file.part][file.path.clone()])
    }

    /// Adds the plain archive at `at` and returns the offset behind its end.
    fn add_plain(&mut self, initrd: &'a [u8], at: usize) -> Result<usize, FilesError> {
        if let Some(Foreign::Compressed(how)) = Foreign::recognise(&initrd[at..]) {
            return Err(FilesError::Compressed { at, how });
        }
        let archive = cpio::read(initrd, at);
        let end = FilesError::of_archive(initrd, false, archive.end);
        self.add(Cow::Borrowed(initrd), archive.files, archive.odd);
        end
    }

    /// Adds all archives in what a gzip part held.
    fn add_unpacked(&mut self, contents: Vec<u8>) -> Result<(), FilesError> {
        let (mut found, mut odd) = (Vec::new(), Vec::new());
        let mut at = skip_zeros(&contents, 0);
        let mut end = Ok(at);
        while at < contents.len() && end.is_ok() {
            let archive = cpio::read(&contents, at);
            found.extend(archive.files);
            odd.extend(archive.odd);
            end = FilesError::of_archive(&contents, true, archive.end);
            at = skip_zeros(&contents, *end.as_ref().unwrap_or(&at));
        }
        self.add(Cow::Owned(contents), found, odd);
        end.map(drop)
    }

    fn add(&mut self, contents: Cow<'a, [u8]>, found: Vec<cpio::CpioFile>, odd: Vec<(usize, Odd)>) {
        let part = self.parts.len();
        self.parts.push(contents);
        let file = |file: cpio::CpioFile| IndexedFile {
            part,
            path: file.name,
            contents: file.contents,
            symlink: file.symlink,
        };
        self.index.extend(found.into_iter().map(file));
        self.odd.extend(odd.into_iter().map(|(at, odd)| OddEntry { part, at, odd }));
    }

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
fn plain(mut path: &[u8]) -> &[u8] {
    while let Some(rest) = path.strip_prefix(b"./").or(path.strip_prefix(b"/")) {
        path = rest;
    }
    path
}

/// The path that a symbolic link at `path` with these contents stands for.
fn target(path: &[u8], contents: &[u8]) -> Vec<u8> {
    let directory = match path.iter().rposition(|&byte| byte == b'/') {
        Some(end) if !contents.starts_with(b"/") => &path[..end],
        _ => b"",
    };
    let is_slash = |byte: &u8| *byte == b'/';
    let mut steps: Vec<&[u8]> = Vec::new();
    for step in directory.split(is_slash).chain(contents.split(is_slash)) {
        match step {
            b"" | b"." => {}
            b".." => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    steps.join(&b'/')
}

/// The offset of the next byte that is not zero; archives are padded with zeros.
fn skip_zeros(data: &[u8], at: usize) -> usize {
    data[at..].iter().position(|byte| *byte != 0).map_or(data.len(), |zeros| at + zeros)
}
