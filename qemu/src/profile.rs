//! `baton profile`: where the instructions of a parallel kexec into itself go, by function.
//!
//! QEMU logs every block of code that a CPU runs, from just before `kexec exec` until the next kernel
//! is up, and the ELF has the functions. The sum is held against the blackout that the kernel itself
//! has recorded in the same kexec.

mod account;
mod log;
mod show;
mod symbols;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::BufReader;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use baton::report::{Kexec, Record, TeardownMode};
use clap::Args;

use crate::files::OWN_IMAGE;
use crate::gdb::{Place, Stub};
use crate::launch::interrupted;
use crate::machine::Accel;
use crate::progress::Progress;
use crate::run::{Limits, cycles, save, with_guest};
use crate::scratch::Unnamed;
use crate::{Guest, Options, Outcome, collect, launch};
use account::Account;
use log::Log;
use symbols::Symbols;

pub use show::Profile;

/// What QEMU is to log. Blocks that are not chained are translated anew, so all are described.
const LOG: &str = "log nochain,exec,in_asm";
/// So far may sum and blackout be apart, percent.
const BAR: f64 = 2.0;
/// Blocks between two looks at whether Ctrl-C came.
const LOOKS: u64 = 1 << 16;

/// Which machine, which kernel.
#[derive(Args, Clone, Debug)]
pub struct ProfileArgs {
    #[command(flatten)]
    machine: Options,
    /// The ELF from which the image was made
    #[arg(
        long,
        value_name = "PATH",
        default_value = "target/aarch64-unknown-none-softfloat/release/baton-kernel"
    )]
    elf: PathBuf,
    /// Functions that the table has; the others are one line
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,
    /// Directory for profile.json, which has all functions, and the transcript
    #[arg(long, value_name = "DIR", default_value = "target/report")]
    out: PathBuf,
    #[command(flatten)]
    limits: Limits,
}

impl ProfileArgs {
    /// For a machine and its ELF, with transcript and figures in `out`.
    pub fn new(machine: Options, elf: PathBuf, out: PathBuf) -> Self {
        Self { machine, elf, top: 30, out, limits: Limits { timeout: 60, total: 140 } }
    }
}

/// Measures, prints the table and writes profile.json.
///
/// # Errors
/// The sum is not the blackout, the ELF is another kernel's; an [`Outcome`] if the guest failed; else
/// what went wrong here.
pub fn profile(args: &ProfileArgs) -> Result<()> {
    let qemu = launch::version(&args.machine.qemu)?;
    launch::kill_on_interrupt()?;
    let progress = Progress::new(5);
    let profile = measure(args, &progress)?;
    drop(progress);
    println!("{}, {qemu}\n{}", profile.headline(), profile.table(args.top as usize));
    let json = serde_json::to_string_pretty(&profile)?;
    save(&args.out.join("profile.json"), &json, "all functions")?;
    let apart = profile.apart();
    ensure!(
        apart.abs() <= BAR,
        "the sum is {apart:+.2} % off the blackout, more than {BAR} %: time went by without \
         instructions, as with rcu.tick=, or QEMU's log has a form that is not known"
    );
    Ok(())
}

/// Boots the machine, has it kexec twice, and adds up the second kexec.
///
/// # Errors
/// As for [`profile`], but for the sum, which is not held against anything.
pub fn measure(args: &ProfileArgs, progress: &Progress) -> Result<Profile> {
    ensure!(
        matches!(args.machine.accel, Accel::Tcg | Accel::Icount),
        "baton profile counts instructions: leave out --accel {}",
        args.machine.accel.name()
    );
    let read = |path: &PathBuf| {
        fs::read(path).with_context(|| format!("cannot read {}; run `make image`", path.display()))
    };
    let (elf, image) = (read(&args.elf)?, read(&args.machine.image)?);
    let place = || format!("{} and {}", args.machine.image.display(), args.elf.display());
    Symbols::read(&elf, &image, &[]).with_context(place)?;
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    let (log, stub) = (Unnamed::new(&[])?, Place::free()?);
    let mut machine = Options { accel: Accel::Icount, ..args.machine.clone() };
    machine.extra.extend(stub.arguments());
    machine.extra.extend(["-D".into(), log.path().display().to_string()]);
    progress.step(format!("booting {} CPUs", machine.cpus));
    let (kexec, bases) =
        with_guest(&machine, args.limits, &args.out.join("profile.log"), |guest| {
            kexecs(args, guest, stub, progress)
        })?;
    progress.step("adding up");
    let symbols = Symbols::read(&elf, &image, &bases)?;
    let mut account = Account::new(&symbols);
    let lines = File::open(log.path()).context("QEMU's log")?;
    add(&mut Log::new(BufReader::new(lines)), &mut account)?;
    Ok(Profile::new(&machine, &kexec, account.close()?))
}

/// Runs two kexecs and logs the second one: the record of the second kexec, and the addresses of the
/// kernel that left and the kernel that came.
fn kexecs(
    args: &ProfileArgs,
    guest: &mut Guest,
    stub: Place,
    progress: &Progress,
) -> Result<(Kexec, Vec<u64>), Outcome> {
    let (silence, mode) = (args.limits.silence(), TeardownMode::Parallel);
    guest.wait_for("hello record", |r| matches!(r, Record::Hello(_)), silence)?;
    cycles(1, silence, guest, progress, mode)?;
    progress.step("the second kexec, logged");
    let append = format!("{} cpuhp.bringup={mode}", args.machine.append);
    let load = format!("kexec load {OWN_IMAGE} --append \"{}\"", append.trim_start());
    // QEMU takes long to write over code that was run, the longer the more CPUs there are.
    guest.command_within(&load, silence + Duration::from_secs(args.machine.cpus.into()))?;
    collect::no_errors(guest.records())?;
    monitor(stub, LOG)?;
    guest.send(&format!("kexec exec --teardown {mode}"))?;
    let done = |r: &Record| matches!(r, Record::Kexec(_) | Record::Error(_));
    let record = guest.wait_for("kexec record", done, silence)?;
    monitor(stub, "log none")?;
    let Record::Kexec(kexec) = record else {
        return Err(collect::no_errors(&[record]).err().unwrap_or(Outcome::Interrupted));
    };
    guest.wait_for("hello record", |r| matches!(r, Record::Hello(_)), silence)?;
    guest.send("poweroff")?;
    guest.wait_end(silence)?;
    collect::jumps(guest.records())?;
    let bases = guest.records().iter().filter_map(|record| match record {
        Record::Hello(hello) => Some(hello.base),
        _ => None,
    });
    Ok((kexec, bases.collect()))
}

/// Has QEMU's monitor do something. The machine stands still meanwhile, and so does its clock.
fn monitor(stub: Place, command: &str) -> Result<(), Outcome> {
    let told = || {
        let mut stub = Stub::open(stub)?;
        stub.monitor(command)?;
        stub.ok("D")
    };
    told().map_err(|why: anyhow::Error| match interrupted() {
        true => Outcome::Interrupted,
        false => Outcome::NoVerdict(format!("{why:#}")),
    })
}

fn add(log: &mut Log<BufReader<File>>, account: &mut Account<'_>) -> Result<()> {
    let mut blocks: u64 = 0;
    while let Some(ran) = log.next()? {
        account.add(&ran);
        blocks += 1;
        if blocks.is_multiple_of(LOOKS) && interrupted() {
            return Err(Outcome::Interrupted.into());
        }
    }
    Ok(())
}
