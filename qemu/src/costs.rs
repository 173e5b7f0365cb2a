//! `baton bench-check`: what a kexec of baton into itself costs in instructions, held against a table
//! that is committed. The short form of this runs with the tests in QEMU.

mod column;
mod measure;
mod table;
#[cfg(test)]
mod tests;
mod verdict;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::machine::Accel;
use crate::progress::Progress;
use crate::run::{Limits, with_guest};
use crate::{Options, launch};

pub use column::{Column, rustc};
pub use measure::{Figure, Group, Key, kexec, measure};
pub use table::Table;
pub use verdict::{Verdict, WRITE};

/// The machines whose figures the table has, by their CPUs.
pub const COUNTS: [u32; 3] = [1, 8, 80];

/// Which image, held against which table.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// The flat arm64 Image to boot
    #[arg(long, value_name = "PATH", default_value = "target/baton.Image")]
    image: PathBuf,
    /// The table
    #[arg(long, value_name = "PATH", default_value = "qemu/costs.txt")]
    table: PathBuf,
    /// Write the figures into the table, in the column of this QEMU, instead of holding them against
    /// it
    #[arg(long)]
    write: bool,
    /// The QEMU to run
    #[arg(long, value_name = "PROGRAM", default_value = "qemu-system-aarch64", env = "QEMU")]
    qemu: String,
    /// Directory for the transcripts
    #[arg(long, value_name = "DIR", default_value = "target/report")]
    out: PathBuf,
    #[command(flatten)]
    limits: Limits,
}

/// Measures, and holds the figures against the table, or writes them there.
///
/// # Errors
/// A figure that is over its bar, or so far below that the table has to be written anew; an
/// [`crate::Outcome`] if a guest failed; else what went wrong here.
pub fn check(args: &CheckArgs) -> Result<()> {
    let said = launch::version(&args.qemu)?;
    let here = Column::new(&said, rustc())
        .with_context(|| format!("{} says no version that can be read: {said:?}", args.qemu))?;
    let mut table = read(&args.table, args.write)?;
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    launch::kill_on_interrupt()?;
    let figures = all(args)?;
    if args.write {
        table.replace(here, figures);
        fs::write(&args.table, table.to_string())
            .with_context(|| format!("cannot write {}", args.table.display()))?;
        println!("{}: {} figures, {said}", args.table.display(), table.rows());
        return Ok(());
    }
    let verdict = Verdict::new(&table, &here, &figures);
    println!("{verdict}");
    if let Some(why) = verdict.failure() {
        bail!("{why}");
    }
    Ok(())
}

/// The table; to write one it need not be there yet.
fn read(path: &Path, write: bool) -> Result<Table> {
    if write && !path.exists() {
        return Ok(Table::default());
    }
    let text = fs::read_to_string(path);
    let text =
        text.with_context(|| format!("cannot read {}; {WRITE} writes one", path.display()))?;
    Table::parse(&text).with_context(|| format!("{}", path.display()))
}

/// The figures of all machines, one machine after the other.
fn all(args: &CheckArgs) -> Result<Vec<Figure>> {
    let progress = Progress::new(COUNTS.len() as u64 * (1 + measure::STEPS));
    let mut figures = Vec::new();
    for cpus in COUNTS {
        progress.step(format!("booting {cpus} CPUs"));
        let machine = machine(args, cpus)?;
        let log = args.out.join(format!("bench-check-{cpus}.log"));
        let silence = args.limits.silence();
        figures.extend(with_guest(&machine, args.limits, &log, |guest| {
            let figures = measure(guest, cpus, silence, &progress)?;
            guest.send("poweroff")?;
            guest.wait_end(silence)?;
            Ok(figures)
        })?);
    }
    Ok(figures)
}

/// The machine of the table with so many CPUs: GICv3, entered at EL1, 1 GiB, counting instructions.
fn machine(args: &CheckArgs, cpus: u32) -> Result<Options> {
    ensure!(args.image.is_file(), "no image at {}; run `make image`", args.image.display());
    let mut machine = Options::new(&args.image);
    (machine.cpus, machine.accel, machine.qemu) = (cpus, Accel::Icount, args.qemu.clone());
    Ok(machine)
}
