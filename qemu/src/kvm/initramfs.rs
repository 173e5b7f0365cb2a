//! The initramfs of the Linux that is the hypervisor: busybox, an arm64 QEMU with the libraries it
//! loads, an init of ours, and the files of one guest.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::carry::{Carried, quoted};
use super::{HostArgs, Tracing};
use crate::cpio::Archive;
use crate::packages::{self, LOADER, read};

/// What it does when it is up.
const INIT: &[u8] = include_bytes!("../../kvm/init");
/// Where the arm64 QEMU is there.
const QEMU: &str = "bin/qemu-system-aarch64";

/// Where the arm64 QEMU is among the packages.
pub fn program(root: &Path) -> PathBuf {
    root.join("usr").join(QEMU)
}

/// The archive, with a guest's command line (QEMU's arguments) and files.
///
/// # Errors
/// A file that is missing, or no ELF where one should be.
pub fn build(host: &HostArgs, arguments: &[String], files: &[Carried]) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for directory in ["bin", "lib", "proc", "sys", "dev", "run"] {
        archive.directory(directory)?;
    }
    let qemu = read(&program(&host.root))?;
    archive.program("init", INIT)?;
    archive.program("bin/busybox", &read(&host.root.join("bin/busybox"))?)?;
    archive.program(QEMU, &qemu)?;
    archive.program(LOADER, &read(&host.root.join(LOADER))?)?;
    for (name, bytes) in packages::libraries(&host.root, &qemu)? {
        archive.program(&format!("lib/{name}"), &bytes)?;
    }
    archive.add("run/command", format!("exec /{QEMU} {}\n", quoted(arguments)).as_bytes())?;
    for file in files {
        archive.add(&file.to, &read(&file.from)?)?;
    }
    if let Some(Tracing { events, kib }) = host.trace {
        let lines: String =
            events.iter().map(|(name, filter)| format!("{name} {filter}\n")).collect();
        archive.add("run/trace", lines.as_bytes())?;
        archive.add("run/trace.kb", kib.to_string().as_bytes())?;
    }
    archive.finish()
}
