//! `baton bench`: baton over the floor, cold and warm, and serial over parallel.

mod beside;
mod corners;
mod growth;
mod line;
mod older;
mod rounds;
mod rows;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use baton::report::{Floor, Record};
use clap::Args;
use serde::Serialize;

use crate::linux::teardown::Teardown;
use crate::progress::Progress;
use crate::report::modelled;
use crate::run::{Limits, save};
use crate::units::Unit;
use crate::{Options, floor, launch, table};
use rows::Row;

/// Which machine, which two images, how often.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    #[command(flatten)]
    machine: Options,
    /// The floor payload's Image
    #[arg(long, value_name = "PATH", default_value = "target/floor.Image")]
    floor: PathBuf,
    /// Warm rounds in parallel
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Serial rounds; they take long with many CPUs
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    serial_rounds: u32,
    /// Measure a second time with everything busy: events open in every cluster, timers and work
    /// armed, interrupts firing
    #[arg(long, alias = "load")]
    stress: bool,
    /// With --accel icount: also a table of every phase of a parallel kexec at these numbers of CPUs,
    /// and for three or more the straight line through the figures
    #[arg(long, value_name = "LIST", value_delimiter = ',',
          value_parser = clap::value_parser!(u32).range(1..=512))]
    counts: Vec<u32>,
    /// With --accel icount: also tables of the four corners of a teardown at these numbers of CPUs,
    /// serial and parallel, with a grace period for each CPU and one for all
    #[arg(long, value_name = "LIST", value_delimiter = ',',
          value_parser = clap::value_parser!(u32).range(2..=512))]
    corners: Vec<u32>,
    /// With --corners: unpacked packages of the Linux whose own teardown is shown beside them
    /// (qemu/linux/fetch)
    #[arg(long, value_name = "DIR", default_value = "target/linux/root")]
    linux: PathBuf,
    /// Also boots this revision of the repository in turn with the image, as many times as there are
    /// rounds, and compares their parallel kexecs; built by git and make under target/older
    #[arg(long, value_name = "REVISION")]
    older: Option<String>,
    /// Directory for bench.json and the transcripts
    #[arg(long, value_name = "DIR", default_value = "target/report")]
    out: PathBuf,
    #[command(flatten)]
    limits: Limits,
}

/// What else the machine does meanwhile.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Stress {
    /// Nothing.
    Bare,
    /// All subsystems are in use.
    Live,
}

impl Stress {
    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Live => "live",
        }
    }
}

/// What `bench.json` holds.
#[derive(Serialize)]
struct Bench<'a> {
    v: u32,
    cpus: u32,
    accel: &'static str,
    unit: Unit,
    append: &'a str,
    qemu: &'a str,
    host_cpus: usize,
    rows: &'a [Row],
    floor: &'a [Floor],
    records: &'a [Record],
    live_records: &'a [Record],
    counts: &'a [u32],
    growth: &'a [growth::Row],
    corners: &'a [corners::Corner],
    linux: &'a [Teardown],
    older: &'a [older::Row],
}

/// Measures the floor and baton on the same machine, prints the ratios and writes bench.json.
/// A missed bar is shown, and is no error: figures of one run are noisy.
///
/// # Errors
/// An [`crate::Outcome`] if a guest failed; else what went wrong here.
pub fn bench(args: &BenchArgs) -> Result<()> {
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    args.machine.check()?;
    let unit = args.machine.unit();
    ensure!(
        args.counts.is_empty() && args.corners.is_empty() || unit == Unit::Instructions,
        "--counts and --corners compare instructions: add --accel icount"
    );
    let qemu = launch::version(&args.machine.qemu)?;
    launch::kill_on_interrupt()?;
    let guests = if args.stress { 2 } else { 1 };
    let progress = Progress::new(
        guests * (u64::from(2 * args.rounds + args.serial_rounds) + 2)
            + 1
            + growth::steps(args)
            + corners::steps(args)
            + beside::steps(args)
            + older::steps(args),
    );
    let payload =
        Options { image: args.floor.clone(), append: String::new(), ..args.machine.clone() };
    let floor = floor::collect(&payload, args.limits, &progress, &args.out.join("floor.log"))?;
    let records = rounds::measure(args, Stress::Bare, &progress)?;
    let live =
        if args.stress { rounds::measure(args, Stress::Live, &progress)? } else { Vec::new() };
    let growth = growth::measure(args, &progress)?;
    let corners = corners::measure(args, &progress)?;
    let linux = beside::measure(args, &progress)?;
    let older = older::measure(args, &progress)?;
    drop(progress);
    let mut rows = rows::all(&floor, &records, Stress::Bare);
    rows.extend(rows::all(&floor, &live, Stress::Live));
    let (cpus, accel) = (args.machine.cpus, args.machine.accel_name());
    let note = unit.note();
    let tick = modelled(&args.machine.append);
    println!(
        "baton over PSCI alone: {cpus} CPUs, {accel}{note}{tick}, {qemu}\n{}",
        show(&rows, unit)
    );
    if !growth.is_empty() {
        println!("{}{tick}\n{}", growth::TITLE, growth::show(&args.counts, &growth));
    }
    if !corners.is_empty() {
        println!("{}\n{}", corners::show(&corners), beside::show(&linux, &args.linux));
    }
    if let Some(revision) = &args.older {
        println!("{}", older::show(&older, revision, unit));
    }
    let host_cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let (append, rows) = (args.machine.append.as_str(), rows.as_slice());
    let bench = Bench {
        v: 1,
        cpus,
        accel,
        unit,
        append,
        qemu: &qemu,
        host_cpus,
        rows,
        floor: &floor,
        records: &records,
        live_records: &live,
        counts: &args.counts,
        growth: &growth,
        corners: &corners,
        linux: &linux,
        older: &older,
    };
    save(
        &args.out.join("bench.json"),
        &serde_json::to_string_pretty(&bench)?,
        "all figures and records",
    )
}

fn show(rows: &[Row], unit: Unit) -> String {
    let head = [
        "",
        "mode",
        "",
        "stress",
        "baton\nmedian",
        "\nmin",
        "\nmax",
        "\nover",
        "\nmedian",
        "\nratio",
        "\nbar",
    ];
    table::render(&head, &rows.iter().map(|row| row.cells(unit)).collect::<Vec<_>>(), 4)
}

#[cfg(test)]
mod tests;
