//! `baton floor`: what CPU_ON, CPU_OFF and AFFINITY_INFO cost with no kernel around them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use baton::report::{Floor, FloorMode, Name, Record, Spread};
use clap::Args;

use crate::machine::Gic;
use crate::progress::Progress;
use crate::run::{Limits, with_guest};
use crate::units::Unit;
use crate::{Guest, Options, Outcome, collect, launch, table};

/// Which machine, and which payload as its image.
#[derive(Args, Clone, Debug)]
pub struct FloorArgs {
    #[command(flatten)]
    machine: Options,
    #[command(flatten)]
    limits: Limits,
    /// File for the console's transcript
    #[arg(long, value_name = "PATH", default_value = "target/floor.log")]
    log: PathBuf,
}

/// Runs the payload and prints a table.
///
/// # Errors
/// As for [`collect`].
pub fn floor(args: &FloorArgs) -> Result<()> {
    launch::kill_on_interrupt()?;
    let version = launch::version(&args.machine.qemu)?;
    let progress = Progress::new(1);
    let floors = collect(&args.machine, args.limits, &progress, &args.log)?;
    drop(progress);
    let (cpus, accel) = (args.machine.cpus, args.machine.accel_name());
    let unit = args.machine.unit();
    println!("PSCI alone: {cpus} CPUs, {accel}{}, {version}", unit.note());
    println!("{}", show(&floors, unit));
    Ok(())
}

/// Boots the payload and gathers its records until it turns the machine off.
///
/// # Errors
/// An [`Outcome`] if it failed, after its last lines were shown; else what went wrong here.
pub fn collect(
    machine: &Options,
    limits: Limits,
    progress: &Progress,
    log: &Path,
) -> Result<Vec<Floor>> {
    ensure!(machine.gic == Gic::V3, "the floor payload is for GICv3 only");
    progress.step("floor: PSCI without a kernel");
    with_guest(machine, limits, log, |guest| listen(guest, limits.silence()))
}

fn listen(guest: &mut Guest, silence: Duration) -> Result<Vec<Floor>, Outcome> {
    loop {
        match guest.wait_record(|_| true, silence) {
            Ok(record) => collect::no_errors(&[record])?,
            Err(end @ Outcome::NoVerdict(_)) => return floors(guest, silence, end),
            Err(other) => return Err(other),
        }
    }
}

/// The records of a payload that has ended; it must have ended well.
fn floors(guest: &mut Guest, silence: Duration, end: Outcome) -> Result<Vec<Floor>, Outcome> {
    let floors: Vec<Floor> = guest
        .records()
        .iter()
        .filter_map(|record| match record {
            Record::Floor(floor) => Some(floor.clone()),
            _ => None,
        })
        .collect();
    let good = guest.wait_end(silence)?.success() && !floors.is_empty();
    if good { Ok(floors) } else { Err(end) }
}

/// Times of one mode, cold or warm.
pub fn times(
    floors: &[Floor],
    mode: &Name<FloorMode>,
    warm: bool,
    time: fn(&Floor) -> u64,
) -> Option<Spread> {
    Spread::of(floors.iter().filter(|f| f.mode == *mode && f.warm == warm).map(time))
}

fn show(floors: &[Floor], unit: Unit) -> String {
    let mut modes: Vec<&Name<FloorMode>> = floors.iter().map(|f| &f.mode).collect();
    modes.sort_unstable_by_key(|mode| mode.as_str());
    modes.dedup();
    let mut rows = Vec::new();
    for mode in modes {
        for warm in [false, true] {
            rows.extend(row(floors, mode, warm, unit));
        }
    }
    let head = [
        "mode",
        "",
        "all alive\nmedian",
        "\nmin",
        "\nmax",
        "all off\nmedian",
        "\nmin",
        "\nmax",
        "rounds",
    ];
    table::render(&head, &rows, 2)
}

fn row(floors: &[Floor], mode: &Name<FloorMode>, warm: bool, unit: Unit) -> Option<Vec<String>> {
    let (up, off) =
        (times(floors, mode, warm, |f| f.up_ns), times(floors, mode, warm, |f| f.off_ns));
    up.zip(off)?;
    let mut row = vec![mode.to_string(), temperature(warm).to_string()];
    row.extend(table::spread(up, unit).into_iter().chain(table::spread(off, unit)));
    row.push(floors.iter().filter(|f| f.mode == *mode && f.warm == warm).count().to_string());
    Some(row)
}

/// `warm` or `cold`.
pub const fn temperature(warm: bool) -> &'static str {
    if warm { "warm" } else { "cold" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;

    const LIMITS: Limits = Limits { timeout: 20, total: 60 };

    fn collected(boot: &str) -> Result<Vec<Floor>> {
        let (keep, machine) = fake::qemu(boot, &[]);
        std::fs::write(keep.path().join("qemu"), fake::only_print(&keep)).unwrap();
        collect(&machine, LIMITS, &Progress::new(1), &keep.path().join("log"))
    }

    #[test]
    fn records_until_the_end() {
        let floors = collected(&fake::print(&fake::floors(8))).unwrap();
        assert_eq!(floors.len(), 9);
        let parallel = times(&floors, &FloorMode::Parallel.into(), true, |f| f.up_ns);
        assert_eq!(parallel.map(|s| s.median), Some(50_000));
        let text = show(&floors, Unit::Time);
        assert_eq!(text.lines().filter(|line| line.contains("parallel")).count(), 2, "{text}");
    }

    #[test]
    fn an_end_without_records_is_no_verdict() {
        let error = collected("hello\r\n").unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(Outcome::NoVerdict(_))), "{error}");
    }

    #[test]
    fn the_payload_knows_only_gicv3() {
        let (keep, mut machine) = fake::qemu("", &[]);
        machine.gic = Gic::V2;
        let log = keep.path().join("log");
        assert!(collect(&machine, LIMITS, &Progress::new(1), &log).is_err());
    }
}
