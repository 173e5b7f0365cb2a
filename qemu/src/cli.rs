//! The command line of `baton`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::attach::AttachArgs;
use crate::bench::BenchArgs;
use crate::costs::CheckArgs;
use crate::draw::DrawArgs;
use crate::exits::ExitsArgs;
use crate::floor::FloorArgs;
use crate::linux::LinuxArgs;
use crate::linux::matrix::MatrixArgs;
use crate::profile::ProfileArgs;
use crate::results::ReportArgs;
use crate::run::RunArgs;
use crate::sign::{KeygenArgs, SignArgs, VerifyArgs};
use crate::soak::SoakArgs;
use crate::{
    Options, Outcome, attach, bench, boot, costs, draw, exits, files, floor, image, linux, profile,
    results, run, sign, soak,
};

/// Makes images, boots them under QEMU and reports what they measure.
#[derive(Parser)]
#[command(name = "baton", version, about, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  baton image target/aarch64-unknown-none-softfloat/release/baton-kernel target/baton.Image \\
      --stub target/aarch64-unknown-none-softfloat/release/baton-efi
  baton cpio target/files.cpio baton.Image=target/baton.Image
  baton boot --cpus 8                     the prompt, on this terminal
  baton run --cpus 16 --cycles 5          the report, in target/report

Every subcommand has its own --help.";

const RUN_EXAMPLES: &str = "\
Examples:
  baton run --cpus 80 --accel tcg-single
  baton run --gic 2 --cpus 8 --el2 --out target/report-el2

Exit codes: 0 all done, 1 error on the host, 2 wrong command line, 10 panic, 11 timeout,
12 no verdict (QEMU ended first), 13 error record, 14 malformed record, 15 incomplete
(a CPU did not come or leave, figures missing), 130 interrupted.";

const SIGN_EXAMPLES: &str = "\
Examples:
  baton sign --key my.key --image vmlinuz --initrd rootfs --append 'quiet' vmlinuz.sig

A kernel that keeps the running initrd: that can't hold a signature over itself, so the
signatures go into an archive behind what is signed.
  baton cpio files.cpio baton.Image=target/baton.Image
  baton sign --key my.key --image target/baton.Image --initrd files.cpio \\
      --append kexec.sig=enforce baton.Image.sig
  baton cpio sigs.cpio baton.Image.sig
  cat files.cpio sigs.cpio > initrd.cpio";

#[derive(Subcommand)]
enum Command {
    /// Make the flat arm64 Image from the linked ELF
    Image(ImageArgs),
    /// Make a newc cpio archive, the form of initrd whose files the console sees
    Cpio(CpioArgs),
    /// Boot with the console on this terminal
    #[command(
        after_help = "Examples:\n  baton boot --cpus 8\n  baton boot --el2 --append 'cpuhp.teardown=serial' --file hello=README.md"
    )]
    Boot(Options),
    /// Kexec serially and in parallel, and report how long every phase took
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Make the report of a run from the results that baton left in a device tree or on a console
    #[command(
        after_help = "Examples:\n  baton report --fdt /sys/firmware/fdt --out report\n  baton report --console console.log"
    )]
    Report(ReportArgs),
    /// Fetch the results of a baton on a machine of its own, over a line that loses bytes
    #[command(
        after_help = "Examples:\n  baton attach --tty /dev/ttyUSB0 --run 'psci bench' --run 'cycle 5'\n  baton attach --exec 'ipmitool -I lanplus -H bmc -U u -P p sol activate' --log sol.log"
    )]
    Attach(AttachArgs),
    /// Run the floor payload: PSCI without a kernel
    #[command(after_help = "Example:\n  baton floor --image target/floor.Image --cpus 80")]
    Floor(FloorArgs),
    /// Hold baton against the floor, cold and warm
    #[command(
        after_help = "Example:\n  baton bench --cpus 80 --accel tcg-single --rounds 5\n  baton bench --cpus 80 --accel tcg-single --dts dts/dsu-2.dts --stress"
    )]
    Bench(BenchArgs),
    /// Hold what a kexec costs, in instructions, against a table
    #[command(after_help = "Example:\n  baton bench-check\n  baton bench-check --write")]
    BenchCheck(CheckArgs),
    /// Show where the instructions of a parallel kexec go, by function
    #[command(
        after_help = "Example:\n  baton profile --cpus 80\n  baton profile --cpus 8 --top 100"
    )]
    Profile(ProfileArgs),
    /// Count what a kexec costs a guest of KVM, in exits
    #[command(
        after_help = "Example:\n  baton exits --cpus 8\n  baton exits --cpus 8 --floor target/floor.Image --linux target/linux/root"
    )]
    Exits(ExitsArgs),
    /// Hand over to an unmodified Linux and back, and time the jumps beside Linux's own
    #[command(
        after_help = "Example:\n  qemu/linux/fetch target/linux\n  baton linux --cpus 8 --mem 2G --cycles 3\n  baton linux --cpus 80 --mem 2G --el2"
    )]
    Linux(LinuxArgs),
    /// Hand over to Linux once on every kind of machine: CPUs, exception level, GIC
    #[command(
        after_help = "Example:\n  baton linux-matrix --cpus 1,8\n  baton linux-matrix --cpus 80 --accel tcg-single"
    )]
    LinuxMatrix(MatrixArgs),
    /// Kexec very often, with Linux in turn and into itself: no fault, no byte of memory lost
    #[command(after_help = "Example:\n  baton soak --cpus 8 --mem 2G --linux 100 --cycles 1000")]
    Soak(SoakArgs),
    /// Draw the timelines of a report, serial beside parallel
    #[command(after_help = "Example:\n  baton draw target/report/report.json timeline.svg")]
    Draw(DrawArgs),
    /// Make a key to sign kernels with
    #[command(after_help = "Example:\n  baton keygen my.key\n  make image KEY=my.key.public")]
    Keygen(KeygenArgs),
    /// Sign a kernel with all that it gets: initrd, command line, device tree
    #[command(after_help = SIGN_EXAMPLES)]
    Sign(SignArgs),
    /// Check a signature as the kernel does
    #[command(
        after_help = "Example:\n  baton verify --key my.key.public --image vmlinuz --initrd rootfs --append 'quiet' vmlinuz.sig"
    )]
    Verify(VerifyArgs),
}

#[derive(Args)]
struct ImageArgs {
    /// The kernel as the linker left it
    elf: PathBuf,
    /// Where the Image goes
    out: PathBuf,
    /// The UEFI stub as the linker left it: the Image is then a PE file too, which UEFI, GRUB and shim
    /// start
    #[arg(long, value_name = "ELF")]
    stub: Option<PathBuf>,
}

#[derive(Args)]
struct CpioArgs {
    /// Where the archive goes
    out: PathBuf,
    /// Files, each as NAME=PATH or as a path that keeps its file name
    #[arg(value_name = "NAME=PATH")]
    files: Vec<String>,
    /// Pack it with gzip
    #[arg(long)]
    gzip: bool,
}

/// Does what the command line says. The exit code is 0, 1 for an error of the host side, 2 for a
/// wrong command line, or [`Outcome::exit_code`].
pub fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("baton: {error:#}");
            ExitCode::from(error.downcast_ref::<Outcome>().map_or(1, Outcome::exit_code))
        }
    }
}

fn dispatch(command: Command) -> Result<()> {
    match command {
        Command::Image(args) => make_image(&args),
        Command::Cpio(args) => make_cpio(&args),
        Command::Boot(options) => boot::boot(&options),
        Command::Run(args) => run::run(&args),
        Command::Report(args) => results::report(&args),
        Command::Attach(args) => attach::attach(&args),
        Command::Floor(args) => floor::floor(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::BenchCheck(args) => costs::check(&args),
        Command::Profile(args) => profile::profile(&args),
        Command::Exits(args) => exits::exits(&args),
        Command::Linux(args) => linux::linux(&args),
        Command::LinuxMatrix(args) => linux::matrix::matrix(&args),
        Command::Soak(args) => soak::soak(&args),
        Command::Draw(args) => draw::draw(&args),
        Command::Keygen(args) => sign::keygen(&args),
        Command::Sign(args) => sign::sign(&args),
        Command::Verify(args) => sign::verify(&args),
    }
}

fn make_image(args: &ImageArgs) -> Result<()> {
    let elf = args.elf.display();
    let read = |path: &PathBuf| {
        std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let (bytes, stub) = (read(&args.elf)?, args.stub.as_ref().map(read).transpose()?);
    let flat = image::from_elf(&bytes, stub.as_deref()).with_context(|| format!("{elf}"))?;
    write(&args.out, &flat)?;
    let (file, memory) = (flat.len(), image::image_size(&flat));
    println!("{}: {file} bytes, {memory} in memory", args.out.display());
    Ok(())
}

fn make_cpio(args: &CpioArgs) -> Result<()> {
    let bytes = files::pack(&args.files, args.gzip)?;
    write(&args.out, &bytes)?;
    println!("{}: {} bytes, {} files", args.out.display(), bytes.len(), args.files.len());
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
