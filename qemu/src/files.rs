//! The files that go into the guest's initrd.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::cpio::{self, Archive};
use crate::machine::Options;

/// The name under which the booted image itself is found in the initrd.
pub const OWN_IMAGE: &str = "baton.Image";

/// Packs `NAME=PATH` arguments (or plain paths, which keep their file name) into an archive.
///
/// # Errors
/// A path that cannot be read, or an argument without a usable name.
pub fn pack(arguments: &[String], gzip: bool) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for argument in arguments {
        let (name, path) = split(argument)?;
        let content = fs::read(path).with_context(|| format!("cannot read {path}"))?;
        archive.add(name, &content)?;
    }
    let bytes = archive.finish()?;
    if gzip { cpio::gzip(&bytes) } else { Ok(bytes) }
}

/// The initrd of a run: the booted image itself and the files that the options name.
///
/// # Errors
/// As for [`pack`].
pub fn initrd(options: &Options) -> Result<Vec<u8>> {
    let mut arguments = vec![format!("{OWN_IMAGE}={}", options.image.display())];
    arguments.extend(options.files.iter().cloned());
    pack(&arguments, options.gzip)
}

fn split(argument: &str) -> Result<(&str, &str)> {
    let (name, path) = match argument.split_once('=') {
        Some(pair) => pair,
        None => (Path::new(argument).file_name().and_then(|n| n.to_str()).unwrap_or(""), argument),
    };
    ensure!(!name.is_empty() && !path.is_empty(), "{argument:?} is not NAME=PATH");
    Ok((name, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_path_keeps_its_file_name() {
        assert_eq!(split("a/b.bin").unwrap(), ("b.bin", "a/b.bin"));
        assert_eq!(split("n=a=b").unwrap(), ("n", "a=b"));
    }

    #[test]
    fn arguments_without_a_name_or_a_file_are_refused() {
        for argument in ["=x", "x=", ""] {
            assert!(split(argument).is_err(), "{argument:?}");
        }
        let refusal = pack(&["x=/nowhere/file".into()], false).unwrap_err();
        assert!(refusal.to_string().contains("/nowhere/file"));
    }
}
