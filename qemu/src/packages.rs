//! Unpacked arm64 packages of Debian: a kernel, programs, and the libraries that they load.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use object::Endianness;
use object::elf::{DT_NEEDED, FileHeader64};
use object::read::elf::{Dyn, FileHeader};

/// Where arm64 programs of Debian look for their loader.
pub const LOADER: &str = "lib/ld-linux-aarch64.so.1";
/// Where libraries are, in the unpacked packages and in an initramfs.
pub const LIBRARIES: [&str; 2] = ["lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu"];

/// The newest kernel among the packages at `root` whose version begins with `version`; `how` says how
/// one gets there.
///
/// # Errors
/// There is none.
pub fn kernel(root: &Path, version: &str, how: &str) -> Result<PathBuf> {
    let boot = root.join("boot");
    let none = || format!("no Linux {version} in {}; {how}", boot.display());
    let prefix = format!("vmlinuz-{version}");
    let entries = fs::read_dir(&boot).with_context(none)?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_wanted = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
    };
    paths.filter(is_wanted).max().with_context(none)
}

/// The libraries that a program loads, and those that they load, by name; without the loader.
///
/// # Errors
/// No ELF, or a library that is not among the packages at `root`.
pub fn libraries(root: &Path, program: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    let mut wanted = needed(program)?;
    while let Some(name) = wanted.pop_first() {
        if LOADER.ends_with(&name) || found.iter().any(|(have, _)| *have == name) {
            continue;
        }
        let mut places = LIBRARIES.iter().map(|directory| root.join(directory).join(&name));
        let Some(path) = places.find(|path| path.exists()) else {
            bail!("{name} is needed and not among the packages at {}", root.display())
        };
        let bytes = read(&path)?;
        wanted.extend(needed(&bytes)?);
        found.push((name, bytes));
    }
    Ok(found)
}

/// The libraries that an ELF names itself.
fn needed(elf: &[u8]) -> Result<BTreeSet<String>> {
    let header = FileHeader64::<Endianness>::parse(elf).context("not a 64-bit ELF")?;
    let endian = header.endian()?;
    let sections = header.sections(endian, elf)?;
    let Some((entries, strings)) = sections.dynamic(endian, elf)? else {
        return Ok(BTreeSet::new());
    };
    let strings = sections.strings(endian, elf, strings)?;
    let needed = entries.iter().filter(|entry| entry.tag(endian) == DT_NEEDED);
    let name = |entry: &_| Ok(String::from_utf8_lossy(Dyn::string(entry, endian, strings)?).into());
    needed.map(name).collect()
}

/// The bytes of a file; the error names it.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
