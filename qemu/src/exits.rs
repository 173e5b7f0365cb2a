//! `baton exits`: what a kexec costs a guest of KVM, in exits. The host kernel's own tracepoints say
//! each one of every vCPU with its reason; they are counted by kind, CPU and phase, and put on the
//! kernel's own time line.

pub mod account;
pub mod reason;
mod show;
pub mod trace;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use baton::report::{Record, TeardownMode};
use clap::Args;
use serde::Serialize;
use serde_json::json;

use self::account::{Account, Counts};
use self::trace::{Exit, TRACING};
use crate::chrome;
use crate::machine::{Accel, Options};
use crate::progress::Progress;
use crate::report::Trace;
use crate::run::{Limits, cycles, save, trace as read_trace, with_guest};
use crate::timeline::Timeline;
use crate::units::Unit;
use crate::{kvm, launch};

/// Kexecs before the one that is counted: afterwards the host has given all memory that is used.
const WARM: u32 = 2;

/// What to count.
#[derive(Args, Clone, Debug)]
pub struct ExitsArgs {
    #[command(flatten)]
    machine: Options,
    /// Bring CPUs up and down serially, instead of in parallel
    #[arg(long)]
    serial: bool,
    /// Beside it: the floor payload at PATH
    #[arg(long, value_name = "PATH")]
    floor: Option<PathBuf>,
    /// Beside it: Linux into the same Linux, from packages unpacked at DIR (qemu/linux/fetch)
    #[arg(long, value_name = "DIR")]
    linux: Option<PathBuf>,
    /// Directory for exits.json, trace.json and the transcripts
    #[arg(long, value_name = "DIR", default_value = "target/report")]
    out: PathBuf,
    #[command(flatten)]
    limits: Limits,
}

/// What `exits.json` holds.
#[derive(Serialize)]
struct Report<'a> {
    v: u32,
    cpus: u32,
    gic: u32,
    accel: &'static str,
    qemu: &'a str,
    teardown: &'a str,
    account: &'a Account,
    between_calls: &'a [(String, Counts)],
}

/// Boots under KVM, kexecs, counts, prints the tables and writes the report.
///
/// # Errors
/// An [`Outcome`] if a guest failed; this host is a hypervisor itself, whose tracepoints are not this
/// tool's to turn on; else what went wrong here.
pub fn exits(args: &ExitsArgs) -> Result<()> {
    let qemu = launch::version(&args.machine.qemu)?;
    launch::kill_on_interrupt()?;
    let others = u64::from(args.floor.is_some()) + u64::from(args.linux.is_some());
    let progress = Progress::new(4 + u64::from(WARM) + others);
    let mode = if args.serial { TeardownMode::Serial } else { TeardownMode::Parallel };
    let counted = count(&args.machine, mode, &args.out, args.limits, &progress)?;
    let beside = beside(args, &counted, &progress)?;
    drop(progress);
    show(args, mode, &qemu, &counted, &beside);
    write(args, mode.name(), &qemu, &counted, &beside)
}

/// Exits of one kexec.
pub struct Counted {
    /// The guest's records of it.
    pub trace: Trace,
    /// Every exit of the machine's life.
    pub exits: Vec<Exit>,
    /// Those of the kexec, sorted.
    pub account: Account,
}

/// Boots baton under KVM and counts the exits of a kexec of this mode.
///
/// # Errors
/// As for [`exits`].
pub fn count(
    machine: &Options,
    mode: TeardownMode,
    out: &Path,
    limits: Limits,
    progress: &Progress,
) -> Result<Counted> {
    let machine = traced(machine);
    machine.check()?;
    ensure!(
        kvm::is_nested(&machine),
        "exits are counted in the Linux under translation; on this host use its own tracepoints \
         (perf kvm stat)"
    );
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let (trace, exits) = kexec(&machine, mode, out, limits, progress)?;
    let account = account::account(&exits, &trace.kexec, trace.cpus, &trace.records)?;
    Ok(Counted { trace, exits, account })
}

/// The machine as a guest of a KVM that says each exit.
fn traced(machine: &Options) -> Options {
    let mut machine = machine.clone();
    machine.accel = Accel::Kvm;
    // Each vCPU adds events of its own, and the run takes longer; 8 vCPUs fill half of the buffer.
    let times = machine.cpus.div_ceil(8);
    machine.host.trace = Some(kvm::Tracing { kib: TRACING.kib * times * times, ..TRACING });
    machine
}

/// The same span of baton and of what else was asked for.
fn beside(
    args: &ExitsArgs,
    counted: &Counted,
    progress: &Progress,
) -> Result<Vec<(String, Counts)>> {
    let own = account::count(account::between_calls(&counted.exits).iter());
    let mut beside = vec![("baton".to_string(), own)];
    if let Some(floor) = &args.floor {
        beside.push(("floor".into(), alone(args, floor, None, "floor", progress)?));
    }
    if let Some(root) = &args.linux {
        let (kernel, append) = crate::linux::into_itself(&args.out, root, &args.machine.image)?;
        beside.push(("Linux".into(), alone(args, &kernel, Some(&append), "Linux", progress)?));
    }
    Ok(beside)
}

fn show(
    args: &ExitsArgs,
    mode: TeardownMode,
    qemu: &str,
    counted: &Counted,
    beside: &[(String, Counts)],
) {
    let Options { cpus, host, .. } = &args.machine;
    let (gic, linux) = (gic(args), &host.linux);
    println!(
        "Exits of one {mode} kexec: {cpus} CPUs, GICv{gic}, {}, {qemu}, Linux {linux}",
        kvm::NESTED
    );
    let account = &counted.account;
    println!("{}\nThe boot CPU's by phase\n{}", show::kinds(account), show::phases(account));
    println!("From the first CPU_OFF to the last CPU_ON, all CPUs\n{}", show::subjects(beside));
}

fn gic(args: &ExitsArgs) -> u32 {
    if args.machine.gic == crate::Gic::V2 { 2 } else { 3 }
}

fn write(
    args: &ExitsArgs,
    teardown: &str,
    qemu: &str,
    counted: &Counted,
    between_calls: &[(String, Counts)],
) -> Result<()> {
    let report = Report {
        v: 1,
        cpus: args.machine.cpus,
        gic: gic(args),
        accel: kvm::NESTED,
        qemu,
        teardown,
        account: &counted.account,
        between_calls,
    };
    save(&args.out.join("exits.json"), &serde_json::to_string_pretty(&report)?, "all counts")?;
    let line = on_time_line(&counted.trace, &counted.exits)?;
    save(&args.out.join("trace.json"), &line, "the exits on the time line: ui.perfetto.dev")
}

/// Boots baton, kexecs, and gives the last kexec's records and every exit of the machine's life.
fn kexec(
    machine: &Options,
    mode: TeardownMode,
    out: &Path,
    limits: Limits,
    progress: &Progress,
) -> Result<(Trace, Vec<Exit>)> {
    progress.step(format!("booting {} CPUs under a Linux with KVM", machine.cpus));
    let silence = limits.silence();
    let (trace, host) = with_guest(machine, limits, &out.join("console.log"), |guest| {
        guest.wait_for("hello record", |r| matches!(r, Record::Hello(_)), silence)?;
        cycles(WARM + 1, silence, guest, progress, mode)?;
        progress.step("reading the time line");
        let trace = read_trace(guest, silence)?;
        guest.send("poweroff")?;
        progress.step("reading the host's trace");
        guest.wait_end(silence)?;
        Ok((trace, guest.host_log()))
    })?;
    Ok((trace, of_host(host, &out.join("host.log"))?))
}

/// Exits of another kernel that turns its CPUs off and on, and then the machine off.
fn alone(
    args: &ExitsArgs,
    image: &Path,
    linux: Option<&(String, PathBuf)>,
    name: &str,
    progress: &Progress,
) -> Result<Counts> {
    progress.step(format!("{name} in the same place"));
    let mut machine = traced(&args.machine);
    (machine.image, machine.files) = (image.into(), Vec::new());
    if let Some((append, initrd)) = linux {
        machine.append = append.clone();
        machine.extra.extend(["-initrd".into(), initrd.display().to_string()]);
        machine.extra.extend(["-M", "its=off"].map(String::from));
    }
    let log = args.out.join(format!("{}.log", name.to_lowercase()));
    let host = with_guest(&machine, args.limits, &log, |guest| {
        guest.wait_end(Duration::from_secs(args.limits.total))?;
        Ok(guest.host_log())
    })?;
    let path = args.out.join(format!("{}-host.log", name.to_lowercase()));
    Ok(account::count(account::between_calls(&of_host(host, &path)?).iter()))
}

/// What the host's tracepoints have said in the life of a guest that has ended; kept at `path`.
fn of_host(log: Option<String>, path: &Path) -> Result<Vec<Exit>> {
    let log = log.unwrap_or_default();
    fs::write(path, &log).with_context(|| format!("cannot write {}", path.display()))?;
    ensure!(log.contains("@host traced"), "the host's trace did not come to its end");
    let trace = trace::read(&log);
    ensure!(trace.lost == 0, "the host's buffer lost {} events of the trace", trace.lost);
    Ok(trace.exits)
}

/// The kexec's Chrome trace with an instant for each exit on its CPU.
fn on_time_line(trace: &Trace, exits: &[Exit]) -> Result<String> {
    let ahead = account::ahead(exits, &trace.records)?;
    let mut page = chrome::trace(&[Timeline::new(trace, Unit::Time)]);
    let from = trace.kexec.exec_at_ns as i64;
    let to = from + trace.kexec.blackout_ns as i64;
    let instants = exits.iter().filter_map(|exit| {
        let at = exit.at as i64 - ahead;
        let event = json!({
            "name": exit.reason.to_string(), "cat": "exit", "ph": "i", "s": "t",
            "ts": (at - from) as f64 / 1000.0, "pid": 0, "tid": exit.cpu,
        });
        (from..=to).contains(&at).then_some(event)
    });
    let events = page["traceEvents"].as_array_mut().context("a trace without events")?;
    events.extend(instants);
    Ok(page.to_string())
}
