//! baton and Linux in turn, as often as asked, and what each of them finds.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use baton::report::{Hello, Record};
use serde::Serialize;

use super::{Jump, LinuxArgs, Said, System, drive, initramfs, judge};
use crate::progress::Progress;
use crate::run::{Limits, with_guest};
use crate::{Guest, Options, Outcome, collect};

/// Which machine, which Linux, how often.
#[derive(Clone, Debug)]
pub struct Alternation<'a> {
    /// The machine.
    pub machine: &'a Options,
    /// Unpacked packages of the Linux.
    pub root: &'a Path,
    /// Where transcripts go.
    pub out: &'a Path,
    /// How long things may take.
    pub limits: Limits,
    /// Kexecs in all; half of them into Linux, half of them back.
    pub kexecs: u32,
}

/// Into Linux and back, once.
#[derive(Serialize, Clone, Debug)]
pub struct Round {
    /// The jump into Linux, and the one back.
    jumps: [Jump; 2],
    /// What Linux says of itself.
    linux: Said,
    /// The line by which it says how much memory it has.
    memory: String,
    /// What the baton after it says of itself.
    pub baton: Hello,
}

impl Round {
    /// From order to last CPU, into Linux and back, ns.
    pub fn blackouts(&self) -> [u64; 2] {
        self.jumps.each_ref().map(|jump| jump.first_word_ns + jump.online_ns)
    }

    /// Bytes that this Linux has reserved at boot: what it can't use.
    pub fn linux_reserved(&self) -> Option<u64> {
        let (before, _) = self.memory.split_once("K reserved")?;
        Some(before.rsplit(' ').next()?.parse::<u64>().ok()? << 10)
    }
}

/// The Linux that baton hands over to: kernel and initrd, as files on the host.
pub(super) struct Files {
    pub(super) kernel: PathBuf,
    pub(super) archive: PathBuf,
}

impl Files {
    /// Makes the initrd in `out`.
    pub(super) fn make(root: &Path, image: &Path, out: &Path) -> Result<Self> {
        fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
        let archive = out.join("linux.cpio");
        fs::write(&archive, initramfs::build(root, image)?)?;
        Ok(Self { kernel: initramfs::kernel(root)?, archive })
    }

    /// The machine with both in baton's initrd.
    pub(super) fn on(&self, machine: &Options) -> Options {
        let files = [("linux", &self.kernel), ("linux.cpio", &self.archive)];
        let files = files.map(|(name, path)| format!("{name}={}", path.display()));
        let files = machine.files.iter().cloned().chain(files).collect();
        Options { files, ..machine.clone() }
    }
}

/// Goes there and back; every round that was whole is in `rounds`, even if a later one fails.
///
/// # Errors
/// A host error, or an [`Outcome`] if a guest fails or a Linux is not what it is after a cold boot.
pub fn alternate(
    this: &Alternation<'_>,
    progress: &Progress,
    rounds: &mut Vec<Round>,
) -> Result<()> {
    let args = this.arguments();
    let files = Files::make(this.root, &this.machine.image, this.out)?;
    let cold = drive::cold(&args, &files.kernel, &files.archive, progress)?;
    let asked = this.kexecs / 2;
    ensure!(asked > 0, "{} kexecs are too few to go to Linux and back", this.kexecs);
    with_guest(&files.on(this.machine), args.limits, &this.out.join("soak-linux.log"), |guest| {
        arrived(guest, args.limits.silence())?;
        for round in 1..=asked {
            let free = rounds.last().map(|round| round.baton.free_bytes);
            let free =
                free.map_or(String::new(), |bytes| format!("; baton has {bytes} bytes free"));
            progress.step(format!("baton into Linux, {round} of {asked}{free}"));
            let (out, linux, memory) = into_linux(&args, guest, "baton", &cold)?;
            judge::all(std::slice::from_ref(&linux), args.machine.cpus, args.machine.el2)
                .map_err(|why| Outcome::Incomplete(format!("round {round}: {why}")))?;
            progress.step(format!("Linux into baton, {round} of {asked}"));
            drive::linux_line(guest, "leaving", args.limits.silence())?;
            let back = drive::into_baton(guest, args.limits.silence())?;
            collect::no_errors(guest.records())?;
            rounds.push(Round { jumps: [out, back], linux, memory, baton: last_hello(guest)? });
        }
        guest.send("poweroff")?;
        guest.wait_end(args.limits.silence()).map(drop)
    })
}

impl Alternation<'_> {
    fn arguments(&self) -> LinuxArgs {
        LinuxArgs {
            machine: self.machine.clone(),
            root: self.root.to_path_buf(),
            cycles: self.kexecs / 2,
            kexec_flags: "-i".into(),
            before: String::new(),
            no_compare: true,
            out: self.out.to_path_buf(),
            limits: self.limits,
        }
    }
}

/// Waits for the first baton.
pub(super) fn arrived(guest: &mut Guest, silence: Duration) -> Result<Hello, Outcome> {
    let hello = |r: &Record| matches!(r, Record::Hello(_) | Record::Error(_));
    match guest.wait_for("hello record", hello, silence)? {
        Record::Hello(hello) => Ok(hello),
        other => Err(collect::no_errors(&[other]).err().unwrap_or(Outcome::Interrupted)),
    }
}

/// From baton's prompt into a Linux that then does `acts`: the jump, what it is, and its memory.
pub(super) fn into_linux(
    args: &LinuxArgs,
    guest: &mut Guest,
    acts: &str,
    cold: &[String],
) -> Result<(Jump, Said, String), Outcome> {
    let silence = args.limits.silence();
    let append = drive::arguments(args, acts);
    let load = format!("kexec load linux --initrd linux.cpio --append \"{append}\"");
    guest.command_within(&load, silence)?;
    collect::no_errors(guest.records())?;
    guest.send("kexec exec")?;
    let first = guest.transcript().len();
    let jump = drive::into_linux(guest, System::Baton, silence)?;
    let mut said = drive::up(&drive::linux_line(guest, "up", silence)?);
    let lines = &guest.transcript()[first..];
    said.differences = judge::differences(cold, &judge::words(lines.iter()));
    let memory = lines.iter().find(|line| line.contains("Memory: ")).cloned().unwrap_or_default();
    Ok((jump, said, memory))
}

fn last_hello(guest: &Guest) -> Result<Hello, Outcome> {
    let hello = guest.records().iter().rev().find_map(|record| match record {
        Record::Hello(hello) => Some(hello.clone()),
        _ => None,
    });
    hello.ok_or_else(|| Outcome::Incomplete("baton after Linux without a hello record".into()))
}
