//! The initramfs of the Linux that baton hands over to: busybox, kexec-tools with the libraries it
//! loads, an init of ours, and both kernels for the way back.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cpio::Archive;
use crate::packages::{self, LIBRARIES, LOADER, read};

/// What it does when it is up.
const INIT: &[u8] = include_bytes!("../../linux/init");

/// The kernel among the unpacked packages.
///
/// # Errors
/// There is none.
pub fn kernel(root: &Path) -> Result<PathBuf> {
    packages::kernel(root, "", "fetch it with qemu/linux/fetch, or `make linux`")
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
    for (name, bytes) in packages::libraries(root, &kexec)? {
        archive.program(&format!("{}/{name}", LIBRARIES[0]), &bytes)?;
    }
    archive.add("linux", &read(&kernel(root)?)?)?;
    archive.add("baton.Image", &read(baton)?)?;
    archive.finish()
}
