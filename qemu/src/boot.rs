//! `baton boot`: the guest's console on this terminal.

use std::process::Command;

use anyhow::{Result, bail};
use nix::sys::signal::Signal;

use crate::kvm::{self, Rig, Terminal};
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
    let nested = kvm::is_nested(&options);
    let rig =
        nested.then(|| Rig::new(&options, Some(&initrd.path()), Terminal::User)).transpose()?;
    let mut command = Command::new(&options.qemu);
    match &rig {
        Some(rig) => command.args(&rig.arguments),
        None => command.args(options.arguments(Some(&initrd.path()))).arg("-nographic"),
    };
    if nested {
        eprintln!("{}: a Linux with KVM starts first, some 10 to 20 seconds", kvm::NESTED);
    }
    // It stays in our process group, or it could not read the terminal. SIGTERM, not SIGKILL: QEMU
    // then leaves the terminal as it was.
    launch::die_with_parent(&mut command, Signal::SIGTERM);
    let mut child = launch::spawn(&mut command, &options.qemu)?;
    launch::end_on_interrupt(&child)?;
    let status = child.wait()?;
    if launch::interrupted() {
        return Ok(());
    }
    if status.success() {
        return rig.map_or(Ok(()), |rig| rig.verdict());
    }
    bail!("QEMU ended with {status}")
}
