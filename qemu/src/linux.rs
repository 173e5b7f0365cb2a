//! `baton linux`: hands over to an unmodified Linux and lets it hand back, as often as asked, and
//! says how long each jump took, beside Linux into the same Linux.
//!
//! Linux knows nothing of our clock, so the times are the host's: from the order to leave to the first
//! instruction of the next kernel, which QEMU's gdbstub sees, to its first word, and on until all its
//! CPUs are online.

pub mod alternate;
mod drive;
pub mod initramfs;
mod judge;
pub mod matrix;
mod picture;
pub mod teardown;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use crate::progress::Progress;
use crate::run::{Limits, save};
use crate::{Options, launch, table, units};
use judge::Difference;

/// Which machine, which Linux, how often.
#[derive(Args, Clone, Debug)]
pub struct LinuxArgs {
    #[command(flatten)]
    machine: Options,
    /// Unpacked arm64 packages: a kernel, busybox and kexec-tools (qemu/linux/fetch)
    #[arg(long, value_name = "DIR", default_value = "target/linux/root")]
    root: PathBuf,
    /// Times baton hands over to Linux; in between, Linux hands back
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1000))]
    cycles: u32,
    /// Options of `kexec -l` in Linux, separated by commas
    #[arg(long, value_name = "FLAGS", default_value = "-i", allow_hyphen_values = true)]
    kexec_flags: String,
    /// Console commands of baton before each jump into Linux, separated by semicolons
    #[arg(long, value_name = "CMDS", default_value = "")]
    before: String,
    /// Leave out Linux into Linux, which takes long with many CPUs
    #[arg(long)]
    no_compare: bool,
    /// Directory for linux.json and the transcripts
    #[arg(long, value_name = "DIR", default_value = "target/report")]
    out: PathBuf,
    #[command(flatten)]
    limits: Limits,
}

/// A system that leaves or comes.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum System {
    /// This kernel.
    Baton,
    /// The other one.
    Linux,
}

impl System {
    const fn name(self) -> &'static str {
        match self {
            Self::Baton => "baton",
            Self::Linux => "Linux",
        }
    }
}

/// One jump, by the host's clock.
#[derive(Serialize, Clone, Debug)]
struct Jump {
    from: System,
    to: System,
    /// From the order to leave to the first instruction of the next kernel, ns, if that was seen.
    instruction_ns: Option<u64>,
    /// From the order to leave to the first word of the next kernel, ns.
    first_word_ns: u64,
    /// From then until all CPUs are online, ns.
    online_ns: u64,
}

/// What a Linux said of itself.
#[derive(Serialize, Clone, Debug, PartialEq, Eq, Default)]
struct Said {
    /// CPUs that are online, as a list.
    online: String,
    /// EL1 or EL2.
    level: String,
    /// KVM came up.
    hyp: bool,
    /// CPUs whose state could not be changed, of all taken offline and online again.
    refused: Option<u32>,
    /// How its boot messages differ from those of a cold boot.
    differences: Vec<Difference>,
}

/// What `linux.json` holds.
#[derive(Serialize)]
struct Report<'a> {
    v: u32,
    cpus: u32,
    gic: &'static str,
    el2: bool,
    accel: &'static str,
    qemu: &'a str,
    kernel: String,
    jumps: &'a [Jump],
    linux: &'a [Said],
}

/// Linux and its initramfs for one kexec into the same Linux, which then turns the machine off: the
/// kernel, and its command line with the initramfs.
///
/// # Errors
/// A file that is missing among the packages, or no room in `out`.
pub fn into_itself(out: &Path, root: &Path, image: &Path) -> Result<(PathBuf, (String, PathBuf))> {
    let archive = out.join("linux.cpio");
    fs::write(&archive, initramfs::build(root, image)?)?;
    let append = format!("{} baton.do=linux baton.flags=-i", drive::CONSOLE);
    Ok((initramfs::kernel(root)?, (append, archive)))
}

/// Boots, jumps, judges, prints the tables and writes linux.json.
///
/// # Errors
/// An [`crate::Outcome`] if a guest failed, or a Linux that is not what it is after a cold boot;
/// else what went wrong here.
pub fn linux(args: &LinuxArgs) -> Result<()> {
    args.machine.check()?;
    args.machine.refuse_icount("baton linux")?;
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    let qemu = launch::version(&args.machine.qemu)?;
    launch::kill_on_interrupt()?;
    let kernel = initramfs::kernel(&args.root)?;
    let archive = args.out.join("linux.cpio");
    fs::write(&archive, initramfs::build(&args.root, &args.machine.image)?)?;
    let progress = Progress::new(steps(args));
    let cold = drive::cold(args, &kernel, &archive, &progress)?;
    let mut run = drive::warm(args, &kernel, &archive, &progress, &cold)?;
    if !args.no_compare {
        run.jumps.push(drive::compare(args, &kernel, &archive, &progress)?);
    }
    drop(progress);
    let report = Report {
        v: 1,
        cpus: args.machine.cpus,
        gic: if args.machine.gic == crate::Gic::V2 { "2" } else { "3" },
        el2: args.machine.el2,
        accel: args.machine.accel_name(),
        qemu: &qemu,
        kernel: name(&kernel),
        jumps: &run.jumps,
        linux: &run.linux,
    };
    println!("{}\n{}\n{}", headline(&report), show_jumps(&run.jumps), show_linux(&run.linux));
    let json = serde_json::to_string_pretty(&report)?;
    save(&args.out.join("linux.json"), &json, "all figures and what Linux said")?;
    let page = picture::page(&headline(&report), &run.jumps);
    save(&args.out.join("linux.html"), &page, "the jumps as a picture")?;
    judge::all(&run.linux, args.machine.cpus, args.machine.el2)
}

/// Steps of a run, for the progress bar; by UEFI, a Linux and a baton more come first.
fn steps(args: &LinuxArgs) -> u64 {
    let first = if args.machine.uefi.is_some() { 2 } else { 1 };
    u64::from(args.cycles) * 2 + first + u64::from(!args.no_compare)
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn headline(report: &Report<'_>) -> String {
    let level = if report.el2 { "EL2" } else { "EL1" };
    let Report { cpus, gic, accel, kernel, qemu, .. } = report;
    format!("baton and {kernel}: {cpus} CPUs, GICv{gic}, {level}, {accel}, {qemu}")
}

fn show_jumps(jumps: &[Jump]) -> String {
    let head = ["from", "to", "first instruction", "first word", "all online", "blackout"];
    let row = |jump: &Jump| {
        let Jump { from, to, instruction_ns, first_word_ns, online_ns } = jump;
        let first = instruction_ns.map_or("-".to_string(), units::time);
        let times = [*first_word_ns, *online_ns, first_word_ns + online_ns];
        let mut row = vec![from.name().to_string(), to.name().to_string(), first];
        row.extend(times.map(units::time));
        row
    };
    table::render(&head, &jumps.iter().map(row).collect::<Vec<_>>(), 2)
}

fn show_linux(linux: &[Said]) -> String {
    let head = [
        "Linux",
        "online",
        "level",
        "KVM",
        "offline and online\nrefused",
        "other words\nthan cold",
    ];
    let row = |(i, said): (usize, &Said)| {
        let refused = said.refused.map_or("-".to_string(), |count| count.to_string());
        let hyp = if said.hyp { "yes" } else { "no" };
        let words = said.differences.len().to_string();
        let cells = [(i + 1).to_string(), said.online.clone(), said.level.clone()];
        cells.into_iter().chain([hyp.to_string(), refused, words]).collect()
    };
    table::render(&head, &linux.iter().enumerate().map(row).collect::<Vec<Vec<_>>>(), 1)
}

#[cfg(test)]
mod tests;
