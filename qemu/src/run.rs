//! `baton run`: kexecs serially and in parallel, and the report about it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use baton::report::{Cycle, Kexec, Record, TeardownMode};
use clap::Args;

use crate::launch::interrupted;
use crate::progress::Progress;
use crate::report::{Report, Run, Trace};
use crate::timeline::Timeline;
use crate::{Guest, Options, Outcome, chrome, collect, html, launch, outage, table};

/// Lines of the transcript that a failure shows.
const TAIL: usize = 30;
/// Both modes, in the order in which they are run.
const MODES: [TeardownMode; 2] = [TeardownMode::Serial, TeardownMode::Parallel];

/// What to run and where the report goes.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    #[command(flatten)]
    machine: Options,
    /// Kexecs of each mode
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    cycles: u32,
    /// Directory for the report
    #[arg(long, value_name = "DIR", default_value = "target/report")]
    out: PathBuf,
    #[command(flatten)]
    limits: Limits,
}

/// How long things may take.
#[derive(Args, Clone, Copy, Debug)]
pub struct Limits {
    /// Give up after so many seconds without a word from the guest
    #[arg(long, value_name = "SECS", default_value_t = 120)]
    pub timeout: u64,
    /// Give up after so many seconds in all
    #[arg(long, value_name = "SECS", default_value_t = 3600)]
    pub total: u64,
}

impl Limits {
    /// The patience for one word.
    pub fn silence(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

/// Runs the cycles, prints the table and writes the report.
///
/// # Errors
/// An [`Outcome`] if the guest failed, after its last lines were shown; else what went wrong here.
pub fn run(args: &RunArgs) -> Result<()> {
    args.machine.check()?;
    fs::create_dir_all(&args.out).with_context(|| cannot_write(&args.out))?;
    let version = launch::version(&args.machine.qemu)?;
    launch::kill_on_interrupt()?;
    let done = drive(args)?;
    let report = Report::new(&args.machine, &version, args.cycles, done)?;
    let unit = report.conditions.unit;
    println!("{}\n{}", report.conditions.headline(), table::kexec(&report.summary, unit));
    let both = table::warm(&report.summary, &report.long_way, unit);
    println!("{}\n{both}", table::warm_title(unit));
    println!("{}\n{}", outage::title(unit), outage::show(&report.outages, unit));
    println!("{}\n{}", table::steps_title(unit), table::steps(&report.steps, unit));
    println!("{}\n{}", table::phases_title(unit), table::phases(&report.phases, unit));
    write(&args.out, &report)
}

/// Boots the guest and has it do everything.
fn drive(args: &RunArgs) -> Result<Run> {
    let start = Instant::now();
    let progress = Progress::new(u64::from(args.cycles) * 2 + 7);
    progress.step(format!("booting {} CPUs", args.machine.cpus));
    let mut guest = Guest::start_logged(&args.machine, Some(args.out.join("console.log")))?;
    guest.end_by(start + Duration::from_secs(args.limits.total));
    let result = all_modes(args, &mut guest, &progress);
    drop(progress);
    let traces = result.inspect_err(|_| show_tail(&guest, &args.out.join("console.log")))?;
    let records = guest.records().iter().filter(|r| !is_trace(r)).cloned().collect();
    let (command, seconds) = (guest.command_line().to_vec(), start.elapsed().as_secs());
    Ok(Run { records, traces, command, seconds })
}

fn all_modes(
    args: &RunArgs,
    guest: &mut Guest,
    progress: &Progress,
) -> Result<Vec<Trace>, Outcome> {
    let silence = args.limits.silence();
    let hello = guest.wait_for(
        "hello record",
        |r| matches!(r, Record::Hello(_) | Record::Error(_)),
        silence,
    )?;
    collect::no_errors(&[hello])?;
    let mut traces = Vec::new();
    for (mode, warm) in MODES.map(|mode| (mode, true)).into_iter().chain(MODES.map(|m| (m, false)))
    {
        let asked = if warm { args.cycles } else { 1 };
        if !warm {
            // For the next kernel alone: the one after that is told the machine again.
            guest.command_within("set warm off", silence)?;
        }
        cycles(asked, silence, guest, progress, mode)?;
        progress.step(format!("reading the timeline of the last kexec: {mode}"));
        traces.push(Trace { warm, ..trace(guest, silence)? });
    }
    guest.send("poweroff")?;
    let status = guest.wait_end(silence)?;
    collect::no_errors(guest.records())?;
    match status.success() {
        true => Ok(traces),
        false => Err(Outcome::NoVerdict(format!("QEMU ended badly after all was done: {status}"))),
    }
}

/// Has the guest kexec as often as asked, and waits until the last new kernel has said so.
///
/// # Errors
/// A panic, an error record, or no word within `silence`.
pub fn cycles(
    asked: u32,
    silence: Duration,
    guest: &mut Guest,
    progress: &Progress,
    mode: TeardownMode,
) -> Result<(), Outcome> {
    progress.step(format!("{mode} kexec 1 of {asked}"));
    guest.send(&format!("cycle {asked} --teardown {mode} --bringup {mode}"))?;
    loop {
        let wanted = |r: &Record| matches!(r, Record::Cycle(_) | Record::Error(_));
        match guest.wait_for(&format!("cycle record, {mode}"), wanted, silence)? {
            Record::Cycle(Cycle { done, .. }) if done >= asked => return Ok(()),
            Record::Cycle(Cycle { done, .. }) => {
                progress.step(format!("{mode} kexec {} of {asked}", done + 1));
            }
            other => collect::no_errors(&[other])?,
        }
    }
}

/// Asks for the trace of the kexec that led to the running kernel.
///
/// # Errors
/// As for [`cycles`], or the trace has nothing of one of the kernels.
pub fn trace(guest: &mut Guest, silence: Duration) -> Result<Trace, Outcome> {
    let first = guest.records().len();
    guest.command_within("timeline --json", silence)?;
    let (before, after) = guest.records().split_at(first);
    let last = |r: &Record| matches!(r, Record::Kexec(_)).then(|| r.clone());
    let Some(Record::Kexec(kexec)) = before.iter().rev().find_map(last) else {
        return Err(Outcome::Incomplete("no kexec record before the timeline".into()));
    };
    let cpus = before.iter().find_map(|r| match r {
        Record::Hello(hello) => Some(hello.cpus),
        _ => None,
    });
    let records: Vec<Record> = after.iter().filter(|r| is_trace(r)).cloned().collect();
    check_trace(&kexec, &records)?;
    Ok(Trace { kexec, cpus: cpus.unwrap_or_default(), warm: true, records })
}

/// A trace must have something of both kernels.
fn check_trace(kexec: &Kexec, records: &[Record]) -> Result<(), Outcome> {
    let of = |wanted: u32| {
        records.iter().any(|record| match record {
            Record::Step(step) => step.generation == wanted,
            _ => false,
        })
    };
    let (old, new) = (kexec.generation.saturating_sub(1), kexec.generation);
    match (of(old), of(new)) {
        (true, true) => Ok(()),
        (false, _) => Err(Outcome::Incomplete(format!("no steps of kernel {old} in the timeline"))),
        _ => Err(Outcome::Incomplete(format!("no steps of kernel {new} in the timeline"))),
    }
}

fn is_trace(record: &Record) -> bool {
    matches!(record, Record::Step(_) | Record::Mark(_) | Record::Phase(_))
}

/// Boots a guest whose transcript goes to `log`, and has `body` drive it.
///
/// # Errors
/// An [`Outcome`] if that failed, after the last lines were shown; else what went wrong here.
pub fn with_guest<T>(
    machine: &Options,
    limits: Limits,
    log: &Path,
    body: impl FnOnce(&mut Guest) -> Result<T, Outcome>,
) -> Result<T> {
    let mut guest = Guest::start_logged(machine, Some(log.to_path_buf()))?;
    guest.end_by(Instant::now() + Duration::from_secs(limits.total));
    let result = body(&mut guest);
    Ok(result.inspect_err(|_| show_tail(&guest, log))?)
}

/// Shows the end of the transcript, unless the user asked to stop.
pub fn show_tail(guest: &Guest, log: &Path) {
    if interrupted() {
        return;
    }
    eprintln!("the last lines of the console (all of it: {}):", log.display());
    for line in guest.tail(TAIL) {
        eprintln!("  | {line}");
    }
}

/// Writes report.json, index.html and trace.json, and says where they are.
///
/// # Errors
/// A file that cannot be written.
pub fn write(out: &Path, report: &Report) -> Result<()> {
    let timelines: Vec<Timeline> = timelines(report);
    save(
        &out.join("report.json"),
        &serde_json::to_string_pretty(report)?,
        "all figures and records",
    )?;
    save(&out.join("index.html"), &html::page(report, &timelines), "the report with timelines")?;
    let trace = chrome::trace(&timelines).to_string();
    save(&out.join("trace.json"), &trace, "opens in ui.perfetto.dev and chrome://tracing")
}

/// The timelines of a report, in its unit.
pub fn timelines(report: &Report) -> Vec<Timeline> {
    report.traces.iter().map(|trace| Timeline::new(trace, report.conditions.unit)).collect()
}

/// Writes one file and says what it is.
///
/// # Errors
/// The file cannot be written.
pub fn save(path: &Path, text: &str, what: &str) -> Result<()> {
    fs::write(path, text).with_context(|| cannot_write(path))?;
    println!("{:<28} {what}", path.display());
    Ok(())
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

#[cfg(test)]
mod tests;
