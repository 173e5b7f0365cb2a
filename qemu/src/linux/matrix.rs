//! `baton linux-matrix`: into Linux once on every kind of machine, each beside a cold boot of the
//! same Linux on the same machine.

mod show;

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use super::alternate::{Files, arrived, into_linux};
use super::{Jump, LinuxArgs, Said, drive, judge, name};
use crate::progress::Progress;
use crate::run::{Limits, save, with_guest};
use crate::{Accel, Gic, Guest, Options, Outcome, launch};

/// CPUs that a machine with a GICv2 can have.
const GICV2_CPUS: u32 = 8;
/// QEMU restarts the machine when the guest asks for that; later words win over earlier ones.
const RESTART: [&str; 2] = ["-action", "reboot=reset"];

/// Which machines, which Linux.
#[derive(Args, Clone, Debug)]
pub struct MatrixArgs {
    /// The flat arm64 Image to boot
    #[arg(long, value_name = "PATH", default_value = "target/baton.Image")]
    image: PathBuf,
    /// Numbers of CPUs, each with EL1 and EL2, GICv3 and (up to 8) GICv2; 80 takes minutes
    #[arg(long, short = 'n', value_name = "N,N", value_delimiter = ',', default_value = "1,8", value_parser = clap::value_parser!(u32).range(1..=512))]
    cpus: Vec<u32>,
    /// Memory of the machines, as QEMU writes it
    #[arg(long, default_value = "2G")]
    mem: String,
    /// How QEMU runs the guest
    #[arg(long, value_enum, default_value = "tcg")]
    accel: Accel,
    /// The QEMU to run
    #[arg(long, value_name = "PROGRAM", default_value = "qemu-system-aarch64", env = "QEMU")]
    qemu: String,
    /// Unpacked arm64 packages: a kernel, busybox and kexec-tools (qemu/linux/fetch)
    #[arg(long, value_name = "DIR", default_value = "target/linux/root")]
    root: PathBuf,
    /// Directory for linux-matrix.json and the transcripts
    #[arg(long, value_name = "DIR", default_value = "target/report")]
    out: PathBuf,
    #[command(flatten)]
    limits: Limits,
}

/// How a Linux ends.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum End {
    /// It turns the machine off, and QEMU ends.
    PowerOff,
    /// It restarts the machine, and baton is there again, as generation 0.
    Reset,
}

/// One machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    cpus: u32,
    el2: bool,
    gic: Gic,
    end: End,
}

/// What one machine has shown.
#[derive(Serialize, Debug)]
struct Cell {
    cpus: u32,
    level: &'static str,
    gic: &'static str,
    kernel: String,
    /// How KVM runs in Linux, if it does: VHE, Hyp, Protected nVHE.
    kvm: Option<String>,
    end: End,
    seconds: u64,
    jump: Option<Jump>,
    linux: Option<Said>,
    /// What is wrong, if anything.
    why: Option<String>,
}

/// What `linux-matrix.json` holds.
#[derive(Serialize)]
struct Report<'a> {
    v: u32,
    qemu: &'a str,
    accel: &'static str,
    mem: &'a str,
    cells: &'a [Cell],
}

/// Goes through all machines, prints the table and writes linux-matrix.json.
///
/// # Errors
/// What went wrong before the first machine, or an [`Outcome`] that says how many are not clean.
pub fn matrix(args: &MatrixArgs) -> Result<()> {
    let machine = Options { accel: args.accel, ..Options::new(&args.image) };
    machine.check()?;
    machine.refuse_icount("baton linux-matrix")?;
    let qemu = launch::version(&args.qemu)?;
    launch::kill_on_interrupt()?;
    let files = Files::make(&args.root, &args.image, &args.out)?;
    let kinds = kinds(&args.cpus);
    let progress = Progress::new(kinds.len() as u64 * 2);
    let mut cells = Vec::new();
    for kind in &kinds {
        if launch::interrupted() {
            break;
        }
        cells.push(cell(args, *kind, &files, &progress));
    }
    drop(progress);
    println!("{}\n{}", qemu, show::table(&cells));
    let (accel, mem) = (args.accel.name(), args.mem.as_str());
    let report = Report { v: 1, qemu: &qemu, accel, mem, cells: &cells };
    let json = serde_json::to_string_pretty(&report)?;
    save(&args.out.join("linux-matrix.json"), &json, "all figures and what Linux said")?;
    verdict(&cells).map_err(Into::into)
}

fn verdict(cells: &[Cell]) -> Result<(), Outcome> {
    if launch::interrupted() {
        return Err(Outcome::Interrupted);
    }
    match cells.iter().filter(|cell| cell.why.is_some()).count() {
        0 => Ok(()),
        bad => Err(Outcome::Incomplete(format!("{bad} of {} machines are not clean", cells.len()))),
    }
}

/// Every machine that QEMU can make; power-off and reset take turns.
fn kinds(counts: &[u32]) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for (row, &cpus) in counts.iter().enumerate() {
        for (column, (el2, gic)) in
            [(false, Gic::V2), (false, Gic::V3), (true, Gic::V3), (true, Gic::V2)]
                .into_iter()
                .enumerate()
        {
            let end = if (row + column) % 2 == 0 { End::PowerOff } else { End::Reset };
            if gic == Gic::V3 || cpus <= GICV2_CPUS {
                kinds.push(Kind { cpus, el2, gic, end });
            }
        }
    }
    kinds
}

fn cell(args: &MatrixArgs, kind: Kind, files: &Files, progress: &Progress) -> Cell {
    let start = Instant::now();
    let mut cell = Cell {
        cpus: kind.cpus,
        level: if kind.el2 { "EL2" } else { "EL1" },
        gic: if kind.gic == Gic::V2 { "2" } else { "3" },
        kernel: name(&files.kernel),
        kvm: None,
        end: kind.end,
        seconds: 0,
        jump: None,
        linux: None,
        why: None,
    };
    cell.why = run(args, kind, files, progress, &mut cell).err().map(|why| format!("{why:#}"));
    cell.seconds = start.elapsed().as_secs();
    cell
}

/// A cold boot, then baton and Linux; what is known so far is in `cell` even if the rest fails.
fn run(
    args: &MatrixArgs,
    kind: Kind,
    files: &Files,
    progress: &Progress,
    cell: &mut Cell,
) -> Result<()> {
    let args = arguments(args, kind, cell);
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    let cold = drive::cold(&args, &files.kernel, &files.archive, progress)?;
    progress
        .step(format!("baton into Linux: {} CPUs, {}, GICv{}", kind.cpus, cell.level, cell.gic));
    let mut machine = files.on(&args.machine);
    if kind.end == End::Reset {
        machine.extra.extend(RESTART.map(String::from));
    }
    with_guest(&machine, args.limits, &args.out.join("linux.log"), |guest| {
        there(&args, kind, guest, &cold, cell)
    })?;
    let said = cell.linux.iter().cloned().collect::<Vec<_>>();
    judge::all(&said, kind.cpus, kind.el2)
}

fn there(
    args: &LinuxArgs,
    kind: Kind,
    guest: &mut Guest,
    cold: &[String],
    cell: &mut Cell,
) -> Result<(), Outcome> {
    let silence = args.limits.silence();
    let end = if kind.end == End::Reset { "reset" } else { "off" };
    arrived(guest, silence)?;
    let (jump, said, _) = into_linux(args, guest, &format!("hotplug,{end}"), cold)?;
    cell.kvm = guest.transcript().iter().rev().find_map(|line| kvm(line));
    let said = cell.linux.insert(said);
    cell.jump = Some(jump);
    said.refused = drive::refused(&drive::linux_line(guest, "hotplug", silence)?);
    drive::linux_line(guest, end, silence)?;
    if kind.end == End::Reset {
        again(&arrived(guest, silence)?, kind.cpus)?;
        guest.send("poweroff")?;
    }
    let status = guest.wait_end(silence)?;
    match status.success() {
        true => Ok(()),
        false => Err(Outcome::NoVerdict(format!("QEMU ended badly: {status}"))),
    }
}

/// The baton after a reset has nothing of the one before, and all CPUs.
fn again(hello: &baton::report::Hello, cpus: u32) -> Result<(), Outcome> {
    if hello.generation == 0 && hello.online == cpus {
        return Ok(());
    }
    let (generation, online) = (hello.generation, hello.online);
    Err(Outcome::Incomplete(format!(
        "baton after the reset is generation {generation} with {online} of {cpus} CPUs online"
    )))
}

/// From `kvm [1]: VHE mode initialized successfully`.
fn kvm(line: &str) -> Option<String> {
    let (_, said) = line.split_once("kvm [1]: ")?;
    Some(said.split_once(" mode initialized")?.0.to_string())
}

fn arguments(args: &MatrixArgs, kind: Kind, cell: &Cell) -> LinuxArgs {
    let machine = Options {
        cpus: kind.cpus,
        mem: args.mem.clone(),
        gic: kind.gic,
        el2: kind.el2,
        accel: args.accel,
        qemu: args.qemu.clone(),
        ..Options::new(&args.image)
    };
    let directory = format!("linux-{}-{}-gicv{}", kind.cpus, cell.level.to_lowercase(), cell.gic);
    LinuxArgs {
        machine,
        root: args.root.clone(),
        cycles: 1,
        kexec_flags: "-i".into(),
        before: String::new(),
        no_compare: true,
        out: args.out.join(directory),
        limits: args.limits,
    }
}

#[cfg(test)]
mod tests;
