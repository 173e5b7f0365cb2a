//! The guests: what is typed, what is waited for, and when it came.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use baton::report::Record;

use super::judge;
use super::{Jump, LinuxArgs, Said, System};
use crate::gdb::{Place, Watch};
use crate::progress::Progress;
use crate::run::with_guest;
use crate::{Gic, Guest, Options, Outcome, collect, kvm};

/// The first thing that Linux says, on its early console.
const FIRST_WORD: &str = "Booting Linux on physical CPU";
/// What it says when all CPUs are up.
const ALL_UP: &str = "smp: Brought up";
/// The early console of QEMU's virt, so that the first word comes before the clock starts.
pub(super) const CONSOLE: &str = "console=ttyAMA0 earlycon=pl011,0x9000000";

/// What the jumps between the two have shown.
#[derive(Default)]
pub(super) struct Warm {
    pub(super) jumps: Vec<Jump>,
    pub(super) linux: Vec<Said>,
}

/// Boots Linux with no baton before it: what it says of its machine then.
pub(super) fn cold(
    args: &LinuxArgs,
    kernel: &Path,
    archive: &Path,
    progress: &Progress,
) -> Result<Vec<String>> {
    progress.step("cold boot of Linux");
    let (machine, log) =
        (alone(args, kernel, archive, "off", &[]), args.out.join("linux-cold.log"));
    let silence = args.limits.silence();
    with_guest(&machine, args.limits, &log, |guest| {
        linux_line(guest, "up", silence)?;
        let words = judge::words(guest.transcript().iter());
        linux_line(guest, "off", silence)?;
        guest.wait_end(silence)?;
        Ok(words)
    })
}

/// Linux into the same Linux. Without the ITS: a Linux that was booted by device tree leaves LPIs on
/// and can't say so, and the next one then clears a table in the middle of whatever is there now. By ACPI
/// it can (LINUX_EFI_MEMRESERVE), and QEMU's tables name the ITS in any case.
pub(super) fn compare(
    args: &LinuxArgs,
    kernel: &Path,
    archive: &Path,
    progress: &Progress,
) -> Result<Jump> {
    progress.step("Linux into Linux");
    let by_tree = args.machine.uefi.is_none();
    let without = by_tree && args.machine.gic == Gic::V3;
    let no_its = if without { &["-M", "its=off"][..] } else { &[] };
    let machine = alone(args, kernel, archive, "linux baton.entry", no_its);
    let (machine, stub) = watched(machine)?;
    let silence = args.limits.silence();
    with_guest(&machine, args.limits, &args.out.join("linux-linux.log"), |guest| {
        linux_line(guest, "up", silence)?;
        let watch = watch_at(stub, entry_line(guest, silence)?);
        linux_line(guest, "leaving", silence)?;
        let jump = into_linux_watched(guest, System::Linux, watch, silence)?;
        linux_line(guest, "up", silence)?;
        linux_line(guest, "off", silence)?;
        guest.wait_end(silence)?;
        Ok(jump)
    })
}

/// A machine with a stub through which its first instruction in the next kernel is seen. The stub of a
/// QEMU in another machine can't be reached: no stub, and that instruction is not seen.
fn watched(machine: Options) -> Result<(Options, Option<Place>)> {
    if kvm::is_nested(&machine) {
        return Ok((machine, None));
    }
    let stub = Place::free()?;
    let extra = machine.extra.iter().cloned().chain(stub.arguments()).collect();
    Ok((Options { extra, ..machine }, Some(stub)))
}

/// Watches for an address, if both the stub and the address are known.
fn watch_at(stub: Option<Place>, address: Option<u64>) -> Option<Watch> {
    stub?.watch(address?).ok()
}

/// Where the kernel that Linux has loaded will be entered, as its kexec-tools say.
fn entry_line(guest: &mut Guest, silence: Duration) -> Result<Option<u64>, Outcome> {
    Ok(address(&guest.wait_text("@entry ", silence)?))
}

/// The first number in hexadecimal.
fn address(line: &str) -> Option<u64> {
    let digits = line.split_once("0x")?.1;
    let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
    u64::from_str_radix(&digits[..end], 16).ok()
}

/// The machine with Linux as what QEMU boots.
fn alone(args: &LinuxArgs, kernel: &Path, archive: &Path, acts: &str, more: &[&str]) -> Options {
    let mut extra = args.machine.extra.clone();
    extra.extend(["-initrd".to_string(), archive.display().to_string()]);
    extra.extend(more.iter().map(ToString::to_string));
    let (image, append) = (kernel.to_path_buf(), arguments(args, acts));
    Options { image, append, extra, files: Vec::new(), ..args.machine.clone() }
}

/// Boots baton, and goes to Linux and back as often as asked.
pub(super) fn warm(
    args: &LinuxArgs,
    kernel: &Path,
    archive: &Path,
    progress: &Progress,
    cold: &[String],
) -> Result<Warm> {
    if args.machine.uefi.is_some() {
        return by_linux(args, kernel, archive, progress, cold);
    }
    progress.step(format!("booting baton on {} CPUs", args.machine.cpus));
    let files = [("linux", kernel), ("linux.cpio", archive)];
    let files = files.map(|(name, path)| format!("{name}={}", path.display()));
    let machine = Options {
        files: args.machine.files.iter().cloned().chain(files).collect(),
        ..args.machine.clone()
    };
    let (machine, stub) = watched(machine)?;
    let log = args.out.join("linux.log");
    with_guest(&machine, args.limits, &log, |guest| {
        there_and_back(args, guest, stub, progress, cold)
    })
}

/// On a machine with UEFI: boots Linux, which goes to baton, from there to baton once more, and then to
/// Linux and back as often as asked.
fn by_linux(
    args: &LinuxArgs,
    kernel: &Path,
    archive: &Path,
    progress: &Progress,
    cold: &[String],
) -> Result<Warm> {
    // So each Linux that follows was booted by ACPI too: what it says is held against this.
    ensure!(by_acpi(cold), "Linux does not say that ACPI describes the machine");
    progress.step(format!("booting Linux on {} CPUs, by UEFI", args.machine.cpus));
    let (machine, stub) = watched(alone(args, kernel, archive, "baton baton.entry", &[]))?;
    let silence = args.limits.silence();
    with_guest(&machine, args.limits, &args.out.join("linux.log"), |guest| {
        linux_line(guest, "up", silence)?;
        let watch = watch_at(stub, entry_line(guest, silence)?);
        linux_line(guest, "leaving", silence)?;
        let first = into_baton_watched(guest, watch, silence)?;
        progress.step("baton into baton");
        guest.command_within("kexec load baton.Image", silence)?;
        collect::no_errors(guest.records())?;
        guest.send("kexec exec")?;
        let mut warm = there_and_back(args, guest, stub, progress, cold)?;
        warm.jumps.insert(0, first);
        Ok(warm)
    })
}

/// True if a Linux has found its firmware calls by ACPI, and not by a device tree.
fn by_acpi(words: &[String]) -> bool {
    words.iter().any(|line| line.contains("psci: probing for conduit method from ACPI"))
}

fn there_and_back(
    args: &LinuxArgs,
    guest: &mut Guest,
    stub: Option<Place>,
    progress: &Progress,
    cold: &[String],
) -> Result<Warm, Outcome> {
    let silence = args.limits.silence();
    let mut warm = Warm::default();
    let hello = |r: &Record| matches!(r, Record::Hello(_) | Record::Error(_));
    collect::no_errors(&[guest.wait_for("hello record", hello, silence)?])?;
    for cycle in 1..=args.cycles {
        let last = cycle == args.cycles;
        progress.step(format!("baton into Linux, {cycle} of {}", args.cycles));
        let acts = if last { "hotplug,off" } else { "hotplug,baton baton.entry" };
        let load =
            format!("kexec load linux --initrd linux.cpio --append \"{}\"", arguments(args, acts));
        let said = guest.command_within(&load, silence)?;
        // Warnings may come first.
        let entry = said.iter().find(|line| line.contains(", entry 0x"));
        let entry = entry.and_then(|line| address(line));
        busy(guest, &args.before, silence)?;
        collect::no_errors(guest.records())?;
        let watch = watch_at(stub, entry);
        guest.send("kexec exec")?;
        let first = guest.transcript().len();
        warm.jumps.push(into_linux_watched(guest, System::Baton, watch, silence)?);
        let mut said = up(&linux_line(guest, "up", silence)?);
        said.differences =
            judge::differences(cold, &judge::words(guest.transcript()[first..].iter()));
        said.refused = refused(&linux_line(guest, "hotplug", silence)?);
        warm.linux.push(said);
        if !last {
            progress.step(format!("Linux into baton, {cycle} of {}", args.cycles - 1));
            let watch = watch_at(stub, entry_line(guest, silence)?);
            linux_line(guest, "leaving", silence)?;
            warm.jumps.push(into_baton_watched(guest, watch, silence)?);
        }
    }
    linux_line(guest, "off", silence)?;
    guest.wait_end(silence)?;
    Ok(warm)
}

/// Gives baton something to do at the time of the jump.
fn busy(guest: &mut Guest, before: &str, silence: Duration) -> Result<(), Outcome> {
    let commands = before.split(';').map(str::trim).filter(|command| !command.is_empty());
    commands.into_iter().try_for_each(|command| guest.command_within(command, silence).map(drop))
}

/// From the order to leave, which was just given, to a Linux with all its CPUs.
pub(super) fn into_linux(
    guest: &mut Guest,
    from: System,
    silence: Duration,
) -> Result<Jump, Outcome> {
    into_linux_watched(guest, from, None, silence)
}

fn into_linux_watched(
    guest: &mut Guest,
    from: System,
    watch: Option<Watch>,
    silence: Duration,
) -> Result<Jump, Outcome> {
    let order = Instant::now();
    guest.wait_text(FIRST_WORD, silence)?;
    let first = Instant::now();
    guest.wait_text(ALL_UP, silence)?;
    Ok(jump(from, System::Linux, order, first, watch))
}

pub(super) fn into_baton(guest: &mut Guest, silence: Duration) -> Result<Jump, Outcome> {
    into_baton_watched(guest, None, silence)
}

fn into_baton_watched(
    guest: &mut Guest,
    watch: Option<Watch>,
    silence: Duration,
) -> Result<Jump, Outcome> {
    let order = Instant::now();
    guest.wait_text(concat!("baton ", env!("CARGO_PKG_VERSION")), silence)?;
    let first = Instant::now();
    let all = guest.wait_for("hello record", |r| matches!(r, Record::Hello(_)), silence)?;
    let jump = jump(System::Linux, System::Baton, order, first, watch);
    match all {
        Record::Hello(hello) if hello.online < hello.cpus => Err(Outcome::Incomplete(format!(
            "baton after Linux has {} of {} CPUs online",
            hello.online, hello.cpus
        ))),
        _ => Ok(jump),
    }
}

fn jump(from: System, to: System, order: Instant, first: Instant, watch: Option<Watch>) -> Jump {
    let ns = |duration: Duration| duration.as_nanos() as u64;
    let online_ns = ns(first.elapsed());
    let instruction = watch.and_then(|watch| watch.when().ok());
    let instruction_ns = instruction.map(|at| ns(at.saturating_duration_since(order)));
    Jump { from, to, instruction_ns, first_word_ns: ns(first - order), online_ns }
}

/// The next line that our init in Linux says to us; it begins with `word`.
pub(super) fn linux_line(
    guest: &mut Guest,
    word: &str,
    silence: Duration,
) -> Result<String, Outcome> {
    let line = guest.wait_text("@linux ", silence)?;
    let said = line.split_once("@linux ").map_or("", |(_, said)| said).trim().to_string();
    if said.starts_with(word) {
        return Ok(said);
    }
    Err(Outcome::Incomplete(format!("Linux said {said:?} where {word:?} was to come")))
}

/// From `up online LIST at EL hyp yes|no`.
pub(super) fn up(said: &str) -> Said {
    let words: Vec<&str> = said.split(' ').collect();
    let after = |key: &str| {
        let at = words.iter().position(|word| *word == key);
        at.and_then(|at| words.get(at + 1)).copied().unwrap_or_default().to_string()
    };
    Said {
        online: after("online"),
        level: after("at"),
        hyp: after("hyp") == "yes",
        ..Said::default()
    }
}

/// From `hotplug left LIST online LIST refused COUNT`.
pub(super) fn refused(said: &str) -> Option<u32> {
    said.rsplit(' ').next()?.parse().ok()
}

pub(super) fn arguments(args: &LinuxArgs, acts: &str) -> String {
    format!("{CONSOLE} baton.do={acts} baton.flags={}", args.kexec_flags)
}
