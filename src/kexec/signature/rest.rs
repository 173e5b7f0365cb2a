//! What may follow the signed bytes of an initrd: signature files, and nothing else that the next
//! kernel would obey.
//!
//! The next kernel unpacks all archives of its initrd, and Linux also looks for more of its command
//! line at the very end (a bootconfig, `Documentation/admin-guide/bootconfig.rst`). So every byte of
//! the rest is accounted for: it is zero, or belongs to an entry that is a plain signature file, or
//! to an empty trailer.

#[cfg(all(test, not(loom)))]
mod tests;

use alloc::string::ToString;
use alloc::vec::Vec;

use super::{MAX_BYTES, Rest, SUFFIX, parse};
use crate::kexec::cpio::{Frame, is_regular};
use crate::options::Shown;

/// The bits of a mode that a signature file may have beside its type: to read and to write.
const READ_WRITE: u32 = 0o666;
const PERMISSIONS: u32 = 0o7777;

/// Checks the bytes that follow the first `signed` bytes of an initrd.
///
/// # Errors
/// The first thing that is no signature file, and why.
pub fn only_signatures(rest: &[u8], signed: usize) -> Result<(), Rest> {
    let mut names = Vec::new();
    let mut at = 0;
    // Each round reads one archive; its end is behind its beginning, so this ends.
    while let Some(zeros) = rest[at..].iter().position(|&byte| byte != 0) {
        at += zeros;
        if !(signed + at).is_multiple_of(4) {
            return Err(Rest::Unaligned { at: signed + at });
        }
        at = archive(rest, at, signed, &mut names)?;
    }
    Ok(())
}

/// One archive; returns the offset behind its trailer.
fn archive<'r>(
    rest: &'r [u8],
    begin: usize,
    signed: usize,
    names: &mut Vec<&'r [u8]>,
) -> Result<usize, Rest> {
    let mut at = begin;
    loop {
        let frame =
            Frame::read(rest, at).map_err(|error| Rest::Archive { at: signed + at, error })?;
        let (name, begin) = (&rest[frame.name.clone()], signed + at);
        let entry = |why| Rest::Entry { name: Shown(name).to_string(), at: begin, why };
        if let Some(why) = framed(&frame, rest) {
            return Err(entry(why));
        }
        at = frame.end;
        if frame.is_trailer(rest) {
            return if frame.contents.is_empty() {
                Ok(at)
            } else {
                Err(entry("the trailer has contents"))
            };
        }
        if let Some(why) = stranger(&frame, name, &rest[frame.contents.clone()], names) {
            return Err(entry(why));
        }
        names.push(name);
    }
}

/// What is wrong with the frame of an entry, trailer or not.
fn framed(frame: &Frame, rest: &[u8]) -> Option<&'static str> {
    let rules = [
        (frame.has_name(rest), "its name is empty or has a zero inside or none at its end"),
        (frame.has_name(rest) && frame.is_padded(rest), "its padding is missing or not zero"),
        (!frame.summed, "it has a checksum; make the archive with `cpio -H newc`"),
        (!frame.is_special(), "it names a device or a checksum"),
    ];
    rules.iter().find(|(holds, _)| !holds).map(|(_, why)| *why)
}

/// Why an entry is no plain signature file.
fn stranger(frame: &Frame, name: &[u8], contents: &[u8], names: &[&[u8]]) -> Option<&'static str> {
    let permissions = frame.mode() & PERMISSIONS;
    let plain = |step: &[u8]| !matches!(step, b"" | b"." | b"..");
    let rules = [
        (name.ends_with(SUFFIX.as_bytes()), "its name does not end in .sig"),
        (name.split(|&byte| byte == b'/').all(plain), "its path is absolute or has . or .. in it"),
        (!names.contains(&name), "it is there twice"),
        (is_regular(frame.mode()), "it is no regular file"),
        (permissions & !READ_WRITE == 0, "it may be run, or its mode is more than 0666"),
        (frame.links() == 1, "it has several names"),
        (contents.len() <= MAX_BYTES, "it is larger than a signature"),
    ];
    let broken = rules.iter().find(|(holds, _)| !holds).map(|(_, why)| *why);
    broken.or_else(|| parse(contents).err().map(|_| "it does not read as a signature"))
}
