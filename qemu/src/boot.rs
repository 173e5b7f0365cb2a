//! `baton boot`: the guest's console on this terminal.

use std::process::Command;

use anyhow::{Result, bail};
use nix::sys::signal::Signal;

use crate::machine::Options;
use crate::scratch::{self, Unnamed};
use crate::{files, launch};

/// Boots the image with its console on the terminal and waits until QEMU ends.
///
/// # Errors
/// QEMU cannot be started, or it failed.
pub fn boot(options: &Options) -> Result<()> {
    options.check()?;
    let initrd = Unnamed::new(&files::initrd(options)?)?;
    eprintln!("{}; leave QEMU with Ctrl-A x, or type poweroff", launch::version(&options.qemu)?);
    let (options, _tree) = scratch::prepared(options)?;
    let mut command = Command::new(&options.qemu);
    command.args(options.arguments(Some(&initrd.path()))).arg("-nographic");
    // It stays in our process group, or it could not read the terminal. SIGTERM, not SIGKILL: QEMU
    // then leaves the terminal as it was.
    launch::die_with_parent(&mut command, Signal::SIGTERM);
    let mut child = launch::spawn(&mut command, &options.qemu)?;
    launch::end_on_interrupt(&child)?;
    let status = child.wait()?;
    if status.success() || launch::interrupted() {
        return Ok(());
    }
    bail!("QEMU ended with {status}")
}
