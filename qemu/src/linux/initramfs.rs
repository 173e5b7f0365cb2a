//! The initramfs of the Linux that baton hands over to: busybox, kexec-tools with the libraries it
//! loads, an init of ours, and both kernels for the way back.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use object::Endianness;
use object::elf::{DT_NEEDED, FileHeader64};
use object::read::elf::{Dyn, FileHeader};

use crate::cpio::Archive;

/// What it does when it is up.
const INIT: &[u8] = include_bytes!("../../linux/init");
/// Where arm64 programs of Debian look for their loader.
const LOADER: &str = "lib/ld-linux-aarch64.so.1";
/// Where libraries are, in the unpacked packages and in the initramfs.
const LIBRARIES: [&str; 2] = ["lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu"];

/// The kernel among the unpacked packages.
///
/// # Errors
/// There is none.
pub fn kernel(root: &Path) -> Result<PathBuf> {
    let boot = root.join("boot");
    let entries = fs::read_dir(&boot).with_context(|| {
        format!("no Linux at {}; fetch it with qemu/linux/fetch, or `make linux`", boot.display())
    })?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_kernel = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"))
    };
    paths.filter(is_kernel).max().with_context(|| format!("no vmlinuz-* in {}", boot.display()))
}

/// The archive, from the packages unpacked at `root`, with baton's image in it.
///
/// # Errors
/// A file that is missing there, or no ELF where one should be.
pub fn build(root: &Path, baton: &Path) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for directory in ["bin", "sbin", "lib", LIBRARIES[0]] {
        archive.directory(directory)?;
    }
    let kexec = read(&root.join("sbin/kexec"))?;
    archive.program("init", INIT)?;
    archive.program("bin/busybox", &read(&root.join("bin/busybox"))?)?;
    archive.program("sbin/kexec", &kexec)?;
    archive.program(LOADER, &read(&root.join(LOADER))?)?;
    for (name, bytes) in libraries(root, &kexec)? {
        archive.program(&format!("{}/{name}", LIBRARIES[0]), &bytes)?;
    }
    archive.add("linux", &read(&kernel(root)?)?)?;
    archive.add("baton.Image", &read(baton)?)?;
    archive.finish()
}

/// The libraries that a program loads, and those that they load.
fn libraries(root: &Path, program: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    let mut wanted = needed(program)?;
    while let Some(name) = wanted.pop_first() {
        if LOADER.ends_with(&name) || found.iter().any(|(have, _)| *have == name) {
            continue;
        }
        let mut places = LIBRARIES.iter().map(|directory| root.join(directory).join(&name));
        let Some(path) = places.find(|path| path.exists()) else {
            bail!("kexec-tools needs {name}, which is not among the packages at {}", root.display())
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

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
