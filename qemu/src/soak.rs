//! `baton soak`: kexecs very often, with Linux in turn and into itself, and holds every kernel to
//! what the ones before it had: all CPUs, and every byte of memory.

mod cycles;
mod verdict;

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use crate::linux::alternate::{Alternation, Round, alternate};
use crate::progress::Progress;
use crate::run::{Limits, save};
use crate::{Options, launch, table};
use verdict::Verdict;

/// Which machine, how often.
#[derive(Args, Clone, Debug)]
pub struct SoakArgs {
    #[command(flatten)]
    machine: Options,
    /// Kexecs between baton and Linux, half of them each way; 0 leaves them out
    #[arg(long, value_name = "N", default_value_t = 100)]
    linux: u32,
    /// CPUs for these
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=512))]
    linux_cpus: u32,
    /// Kexecs of baton into itself, half of them parallel, half serial; 0 leaves them out
    #[arg(long, value_name = "N", default_value_t = 1000)]
    cycles: u32,
    /// Unpacked arm64 packages: a kernel, busybox and kexec-tools (qemu/linux/fetch)
    #[arg(long, value_name = "DIR", default_value = "target/linux/root")]
    root: PathBuf,
    /// Directory for soak.json and the transcripts
    #[arg(long, value_name = "DIR", default_value = "target/report")]
    out: PathBuf,
    #[command(flatten)]
    limits: Limits,
}

/// What `soak.json` holds.
#[derive(Serialize)]
struct Report<'a> {
    v: u32,
    qemu: &'a str,
    accel: &'static str,
    mem: &'a str,
    verdicts: &'a [Verdict],
    rounds: &'a [Round],
    cycles: &'a [cycles::Cycled],
}

/// Does both, prints the verdicts and writes soak.json.
///
/// # Errors
/// An [`crate::Outcome`] if a guest failed, a kernel lacks a CPU or memory; else what went wrong here. The
/// second part is done and the report written even if the first one fails.
pub fn soak(args: &SoakArgs) -> Result<()> {
    args.machine.check()?;
    args.machine.refuse_icount("baton soak")?;
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    let qemu = launch::version(&args.machine.qemu)?;
    launch::kill_on_interrupt()?;
    let (mut rounds, mut cycled, mut verdicts) = (Vec::new(), Vec::new(), Vec::new());
    if args.linux > 0 {
        verdicts.push(with_linux(args, &mut rounds));
    }
    if args.cycles > 0 && !launch::interrupted() {
        verdicts.push(alone(args, &mut cycled));
    }
    println!("{}", show(&verdicts));
    let (accel, mem) = (args.machine.accel_name(), args.machine.mem.as_str());
    let (rounds, cycles) = (rounds.as_slice(), cycled.as_slice());
    let report = Report { v: 1, qemu: &qemu, accel, mem, verdicts: &verdicts, rounds, cycles };
    save(&args.out.join("soak.json"), &serde_json::to_string_pretty(&report)?, "every round")?;
    verdicts.into_iter().map(Verdict::into_result).find(Result::is_err).unwrap_or(Ok(()))
}

fn with_linux(args: &SoakArgs, rounds: &mut Vec<Round>) -> Verdict {
    let start = Instant::now();
    let machine = Options { cpus: args.linux_cpus, ..args.machine.clone() };
    let (root, out, limits, kexecs) = (&*args.root, &*args.out, args.limits, args.linux & !1);
    let this = Alternation { machine: &machine, root, out, limits, kexecs };
    let progress = Progress::new(u64::from(kexecs) + 1);
    let ended = alternate(&this, &progress, rounds);
    let hellos = rounds.iter().map(|round| round.baton.clone()).collect::<Vec<_>>();
    let blackouts = rounds.iter().map(|round| round.blackouts()).collect::<Vec<_>>().concat();
    let mut verdict = Verdict::new("baton and Linux in turn", args.linux_cpus, kexecs, &blackouts);
    // Before the first one there was no Linux, and so none of the LPI tables that it leaves on.
    verdict.memory(&hellos, 1);
    verdict.linux_memory(rounds.iter().skip(1).filter_map(Round::linux_reserved));
    verdict.end(ended, start)
}

fn alone(args: &SoakArgs, cycled: &mut Vec<cycles::Cycled>) -> Verdict {
    let start = Instant::now();
    let progress = Progress::new(u64::from(args.cycles).div_ceil(cycles::TELL) + 1);
    let log = args.out.join("soak.log");
    let ended = cycles::run(&args.machine, args.cycles, args.limits, &log, &progress, cycled);
    let hellos = cycled.iter().map(|cycle| cycle.hello.clone()).collect::<Vec<_>>();
    let blackouts = cycled.iter().map(|cycle| cycle.blackout_ns).collect::<Vec<_>>();
    let mut verdict = Verdict::new("baton into itself", args.machine.cpus, args.cycles, &blackouts);
    verdict.memory(&hellos, 1);
    verdict.end(ended, start)
}

fn show(verdicts: &[Verdict]) -> String {
    table::render(&verdict::HEAD, &verdicts.iter().map(Verdict::row).collect::<Vec<_>>(), 1)
}
