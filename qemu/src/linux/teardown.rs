//! How long Linux takes its own CPUs down, by its own clock, on a machine that counts instructions: what
//! the corners of a teardown are shown beside.
//!
//! Up to [`BY_KEXEC`] CPUs go in a kexec (`kexec -e`, from the kernel's `Starting new kernel` to its
//! `Bye!`). More are taken offline through sysfs, one after the other: the same code of Linux, without
//! the kexec around it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::drive::{self, CONSOLE};
use super::initramfs;
use crate::run::{Limits, with_guest};
use crate::{Accel, Guest, Options, Outcome, launch};

/// CPUs that a kexec takes down; with more of them it takes minutes here to get there.
const BY_KEXEC: u32 = 16;

/// One teardown of all CPUs but one.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct Teardown {
    /// CPUs of the machine.
    pub cpus: u32,
    /// kexec or sysfs.
    pub way: &'static str,
    /// Name of the kernel's file.
    pub kernel: String,
    /// Ticks of a second, as the kernel was configured; `None`: its configuration is not there.
    pub hz: Option<u32>,
    /// How long that took, ns of virtual time.
    pub total_ns: Option<u64>,
    /// Why that is not known.
    pub why: Option<String>,
}

/// True if the packages of a Linux are unpacked at `root`.
pub fn is_there(root: &Path) -> bool {
    initramfs::kernel(root).is_ok()
}

/// Boots Linux on this machine, counting instructions, and takes its CPUs down. That this fails is a
/// part of the figure.
///
/// # Errors
/// A file that is missing, or Ctrl-C.
pub fn measure(machine: &Options, root: &Path, out: &Path, limits: Limits) -> Result<Teardown> {
    let kernel = initramfs::kernel(root)?;
    let archive = out.join("linux.cpio");
    fs::write(&archive, initramfs::build(root, &machine.image)?)
        .with_context(|| format!("cannot write {}", archive.display()))?;
    let cpus = machine.cpus;
    let (way, acts) = if cpus <= BY_KEXEC { ("kexec", "linux") } else { ("sysfs", "offline,off") };
    let extra = ["-initrd".to_string(), archive.display().to_string()];
    let linux = Options {
        image: kernel.clone(),
        append: format!("{CONSOLE} baton.do={acts} baton.flags=-i"),
        extra: machine.extra.iter().cloned().chain(extra).collect(),
        files: Vec::new(),
        accel: Accel::Icount,
        ..machine.clone()
    };
    let log = out.join(format!("bench-corners-linux-{cpus}.log"));
    let spans = |guest: &mut Guest| {
        if way == "kexec" { kexec(guest, limits) } else { sysfs(guest, limits) }
    };
    let span = with_guest(&linux, limits, &log, spans);
    if launch::interrupted() {
        return Err(Outcome::Interrupted.into());
    }
    let name = super::name(&kernel);
    let config = kernel.with_file_name(name.replacen("vmlinuz", "config", 1));
    let hz = fs::read_to_string(config).ok().as_deref().and_then(hz);
    let why = span.as_ref().err().map(|why| format!("{why:#}"));
    Ok(Teardown { cpus, way, kernel: name, hz, total_ns: span.ok(), why })
}

fn kexec(guest: &mut Guest, limits: Limits) -> Result<u64, Outcome> {
    drive::linux_line(guest, "up", limits.silence())?;
    drive::linux_line(guest, "leaving", limits.silence())?;
    between(guest, "Starting new kernel", "Bye!", limits)
}

fn sysfs(guest: &mut Guest, limits: Limits) -> Result<u64, Outcome> {
    drive::linux_line(guest, "up", limits.silence())?;
    let span = between(guest, "baton: offline begins", "baton: offline ends", limits)?;
    let said = drive::linux_line(guest, "offline", limits.silence())?;
    match drive::refused(&said) {
        Some(0) => Ok(span),
        _ => Err(Outcome::Incomplete(format!("not all CPUs of Linux went offline: {said}"))),
    }
}

/// The time between two lines of the kernel, by the stamps at their begin.
fn between(guest: &mut Guest, first: &str, last: &str, limits: Limits) -> Result<u64, Outcome> {
    let mut at = |text: &str| {
        let line = guest.wait_text(text, limits.silence())?;
        stamp(&line).ok_or_else(|| Outcome::Incomplete(format!("Linux's line has no time: {line}")))
    };
    let (from, to) = (at(first)?, at(last)?);
    to.checked_sub(from).ok_or_else(|| Outcome::Incomplete(format!("{last:?} is before {first:?}")))
}

/// From `[   12.345678] TEXT`, in ns.
pub(super) fn stamp(line: &str) -> Option<u64> {
    let (seconds, micros) = line.split_once('[')?.1.split_once(']')?.0.trim().split_once('.')?;
    let whole = |digits: &str| digits.parse::<u64>().ok();
    (micros.len() == 6).then_some(())?;
    whole(seconds)?.checked_mul(1_000_000)?.checked_add(whole(micros)?)?.checked_mul(1_000)
}

/// From a line `CONFIG_HZ=250`.
pub(super) fn hz(config: &str) -> Option<u32> {
    config.lines().find_map(|line| line.strip_prefix("CONFIG_HZ="))?.trim().parse().ok()
}
