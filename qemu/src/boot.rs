//! `baton boot`: the guest's console on this terminal.

use std::process::Command;

use anyhow::{Result, bail};

use crate::machine::Options;
use crate::{files, launch};

/// Boots the image with its console on the terminal and waits until QEMU ends.
///
/// # Errors
/// QEMU cannot be started, or it failed.
pub fn boot(options: &Options) -> Result<()> {
    options.check()?;
    let directory = tempfile::tempdir()?;
    let initrd = directory.path().join("initrd.cpio");
    std::fs::write(&initrd, files::initrd(options)?)?;
    eprintln!("{}; leave QEMU with Ctrl-A x, or type poweroff", launch::version(&options.qemu)?);
    let mut command = Command::new(&options.qemu);
    command.args(options.arguments(Some(&initrd))).arg("-nographic");
    launch::die_with_parent(&mut command);
    // QEMU gets the terminal's signals itself; this process stays to remove the initrd.
    launch::kill_on_interrupt()?;
    let status = launch::spawn(&mut command, &options.qemu)?.wait()?;
    if status.success() || launch::interrupted() {
        return Ok(());
    }
    bail!("QEMU ended with {status}")
}
