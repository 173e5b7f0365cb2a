//! One newc cpio archive inside an initrd
//! (`Documentation/driver-api/early-userspace/buffer-format.rst`).
//!
//! Two kinds of fault are told apart. A broken *frame* (magic, a header field, a length) hides where
//! the next entry begins, so reading ends there, with a [`CpioError`]. What is *odd* about one entry
//! ([`Odd`]) costs that entry and no other.

mod error;
mod frame;

use alloc::{collections::BTreeMap, vec::Vec};
use core::ops;

pub use error::{CpioError, Odd};
pub use frame::{Frame, TRAILER, is_regular, name_at};

/// A regular file or a symbolic link, as places in the archive's bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CpioFile {
    /// The path as written in the archive, without the final zero; any bytes but zeros.
    pub name: ops::Range<usize>,
    /// Its contents; of a symbolic link, the path of its target. `Err` if they can't be used.
    pub contents: Result<ops::Range<usize>, Odd>,
    /// True for a symbolic link.
    pub symlink: bool,
    /// Device and inode, which all names of a hard-linked file share; `None` if the file has a
    /// single name.
    link: Option<(u32, u32, u32)>,
}

/// An archive that was read, whole or up to a broken entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Archive {
    /// Files and symbolic links in the order of the archive.
    pub files: Vec<CpioFile>,
    /// Entries that are no files because something is wrong with their names or modes: the offset
    /// of each.
    pub odd: Vec<(usize, Odd)>,
    /// Where reading ended: behind the trailer, or the offset of the entry that is broken and what
    /// is wrong there.
    pub end: Result<usize, (usize, CpioError)>,
}

/// Reads the archive at `begin`, up to its trailer or to a broken entry.
pub fn read(data: &[u8], begin: usize) -> Archive {
    let mut archive = Archive { files: Vec::new(), odd: Vec::new(), end: Ok(begin) };
    let mut at = begin;
    archive.end = loop {
        let frame = match Frame::read(data, at) {
            Ok(frame) => frame,
            Err(error) => break Err((at, error)),
        };
        at = frame.end;
        if frame.is_trailer(data) {
            break Ok(at);
        }
        archive.add(&frame, data);
    };
    share_contents(&mut archive.files);
    archive
}

impl Archive {
    fn add(&mut self, frame: &Frame, data: &[u8]) {
        match frame.kind(data) {
            Err(odd) => self.odd.push((frame.at, odd)),
            Ok(None) => {}
            Ok(Some(symlink)) => self.files.push(CpioFile {
                name: frame.name.clone(),
                contents: frame.checked_contents(data),
                symlink,
                link: frame.link(),
            }),
        }
    }
}

/// Of the several names of a hard-linked file only one entry carries the contents; copies the range
/// to the entries of the other names. If these contents can't be used, no name has any.
fn share_contents(files: &mut [CpioFile]) {
    let empty = |file: &CpioFile| file.contents.as_ref().is_ok_and(ops::Range::is_empty);
    let mut full = BTreeMap::new();
    for file in files.iter().filter(|file| !empty(file)) {
        let Some(link) = file.link else { continue };
        full.entry(link).or_insert(file.contents.clone());
    }
    for file in files.iter_mut().filter(|file| empty(file)) {
        if let Some(contents) = file.link.and_then(|link| full.get(&link)) {
            file.contents = contents.clone();
        }
    }
}
