//! One guest of a KVM that runs under translation: the outer QEMU's command line and what it reads.
//!
//! ```text
//! this process -- pipes -- outer QEMU, translation, EL2
//!                            PL011      : Linux's console, to a file without a name
//!                            PCI serial : handed through to
//!                                         Linux, KVM -- inner QEMU -- the guest's PL011
//! ```

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::carry::carry;
use super::{initramfs, memory};
use crate::machine::{Gic, Options};
use crate::scratch::Unnamed;

/// What is to be at the other end of the guest's console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// Pipes of this process.
    Pipes,
    /// The user's terminal, with QEMU's own keys (Ctrl-A x).
    User,
}

/// Its parts live as long as the outer QEMU does.
#[derive(Debug)]
pub struct Rig {
    /// Arguments of the outer QEMU.
    pub arguments: Vec<String>,
    /// The whole command line of the inner one.
    pub guest: Vec<String>,
    _initramfs: Unnamed,
    log: Unnamed,
}

impl Rig {
    /// For a guest as the options describe it.
    ///
    /// # Errors
    /// A file that can't be read, or no room for the initramfs.
    pub fn new(options: &Options, initrd: Option<&Path>, terminal: Terminal) -> Result<Self> {
        let (mut guest, files) = carry(&options.arguments(initrd));
        if options.host.icount {
            guest.extend(["-M", "dtb-randomness=off"].map(Into::into));
        }
        let console = ["-chardev", "stdio,id=guest,signal=off", "-serial", "chardev:guest"];
        guest.extend(console.map(Into::into));
        guest.extend(["-display", "none", "-monitor", "none"].map(Into::into));
        // Each vCPU's thread has its number in its name: tracepoints say no more than that.
        guest.extend(["-name", "debug-threads=on"].map(Into::into));
        let initramfs = Unnamed::new(&initramfs::build(&options.host, &guest, &files)?)?;
        let log = Unnamed::new(b"")?;
        let arguments = outer(options, &initramfs.path(), &log.path(), terminal)?;
        guest.insert(0, "qemu-system-aarch64".into());
        Ok(Self { arguments, guest, _initramfs: initramfs, log })
    }

    /// What Linux and the inner QEMU have said so far on their own console.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.log.path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// True once its Linux runs and is about to start the inner QEMU, or has said why it can't.
    pub fn is_up(&self) -> bool {
        let log = self.log();
        ["@host up", "@host no kvm"].iter().any(|word| log.contains(word))
    }

    /// The end of what Linux and the inner QEMU have said.
    pub fn last_words(&self) -> String {
        last(&self.log())
    }

    /// How the inner QEMU ended; an error with the last words of the hypervisor if it did not end by
    /// itself, or not well.
    ///
    /// # Errors
    /// As said.
    pub fn verdict(&self) -> Result<()> {
        let log = self.log();
        let said = |word: &str| {
            let after = format!("@host {word}");
            log.lines().find_map(|line| line.trim().strip_prefix(&after).map(str::trim))
        };
        if said("no kvm").is_some() {
            anyhow::bail!("the Linux that was to be the hypervisor has no /dev/kvm:\n{log}");
        }
        let ended = said("ended").and_then(|rest| rest.split(' ').next()?.parse::<i32>().ok());
        let ended =
            ended.with_context(|| format!("the hypervisor ended first:\n{}", last(&log)))?;
        anyhow::ensure!(ended == 0, "the guest's QEMU ended with {ended}:\n{}", last(&log));
        Ok(())
    }
}

/// The end of a log.
fn last(log: &str) -> String {
    let lines: Vec<&str> = log.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

fn outer(
    options: &Options,
    initramfs: &Path,
    log: &Path,
    terminal: Terminal,
) -> Result<Vec<String>> {
    let host = &options.host;
    let gic = if options.gic == Gic::V2 { 2 } else { 3 };
    let mut line: Vec<String> = Vec::new();
    let mut pair = |name: &str, value: String| line.extend([name.to_string(), value]);
    pair("-M", format!("virt,gic-version={gic},virtualization=on"));
    pair("-cpu", host.cpu.clone());
    pair("-smp", host.cpus.to_string());
    pair("-m", memory::of_host(options)?);
    pair("-nic", "none".into());
    pair("-kernel", host.kernel()?.display().to_string());
    pair("-initrd", initramfs.display().to_string());
    let mut append = "console=ttyAMA0 quiet loglevel=4 panic=-1".to_string();
    if host.icount {
        pair("-accel", "tcg,thread=single".into());
        pair("-icount", "shift=0,sleep=off".into());
        pair("-rtc", "base=2026-01-01T00:00:00,clock=vm".into());
        append += " nokaslr";
    } else {
        pair("-accel", "tcg,thread=multi".into());
    }
    pair("-append", append);
    pair("-chardev", format!("file,id=host,path={}", log.display()));
    pair("-serial", "chardev:host".into());
    let keys = if terminal == Terminal::User { ",mux=on" } else { "" };
    pair("-chardev", format!("stdio,id=guest,signal=off{keys}"));
    pair("-device", "pci-serial,chardev=guest".into());
    match terminal {
        Terminal::User => pair("-mon", "chardev=guest".into()),
        Terminal::Pipes => pair("-monitor", "none".into()),
    }
    pair("-display", "none".into());
    line.push("-no-reboot".into());
    Ok(line)
}
