//! One machine with the real image on it: made by [`Setup`], talked to through [`Vm`].

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use baton::report::{Bringup, Error, Hello, Panic, Record};
use baton_qemu::{Accel, Gic, Guest, Options};
use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::{check, under_kvm};

/// What every name starts with.
const PREFIX: &str = "real-guest";
/// How long one test may take.
const WHOLE_TEST: Duration = Duration::from_secs(150);
/// How long anything may take that is done in a second.
pub const SOON: Duration = Duration::from_secs(60);
/// Lines of the console that a failure shows.
const TAIL: usize = 40;

/// How much longer a guest of KVM may take: its hypervisor boots first, and is translated itself.
const KVM_SLOWNESS: u32 = 4;

thread_local! {
    /// What the last machine of this thread said last, and how it was started.
    static LAST_WORDS: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A test; its error comes with the end of what the machine has said.
pub fn test(
    family: &str,
    name: impl AsRef<str>,
    body: impl FnOnce() -> Result<()> + Send + 'static,
) -> Trial {
    Trial::test(format!("{PREFIX}::{family}::{}", name.as_ref()), move || {
        LAST_WORDS.take();
        body().map_err(|error| Failed::from(format!("{error:#}\n{}", LAST_WORDS.take())))
    })
}

/// The image under test.
pub fn image_path() -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/baton.Image");
    std::env::var_os("BATON_IMAGE").map_or_else(|| default.into(), PathBuf::from)
}

/// The bytes of the image under test.
pub fn image() -> Result<Vec<u8>> {
    let path = image_path();
    std::fs::read(&path)
        .with_context(|| format!("no image at {}; run `make image`", path.display()))
}

/// A machine before it is started.
pub struct Setup {
    options: Options,
    directory: TempDir,
}

/// A machine with so many CPUs: GICv3, entry at EL1, 1 GiB, all TCG threads or, if the whole run is
/// for that, KVM.
pub fn cpus(cpus: u32) -> Result<Setup> {
    machine(cpus, if under_kvm::asked() { Accel::Kvm } else { Accel::Tcg })
}

/// The same as a guest of KVM, whatever the run is for.
pub fn kvm(cpus: u32) -> Result<Setup> {
    machine(cpus, Accel::Kvm)
}

fn machine(cpus: u32, accel: Accel) -> Result<Setup> {
    let path = image_path();
    ensure!(path.is_file(), "no image at {}; run `make image`", path.display());
    let mut options = Options { cpus, accel, ..Options::new(path) };
    options.host.root = hypervisor();
    Ok(Setup { options, directory: tempfile::tempdir()? })
}

/// The unpacked packages of the hypervisor.
pub fn hypervisor() -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/kvm/root");
    std::env::var_os("BATON_KVM").map_or_else(|| default.into(), PathBuf::from)
}

/// As long, or longer where the whole run is under KVM.
pub fn patience(time: Duration) -> Duration {
    time * if under_kvm::asked() { KVM_SLOWNESS } else { 1 }
}

impl Setup {
    pub fn gic2(mut self) -> Self {
        self.options.gic = Gic::V2;
        self
    }

    pub fn el2(mut self) -> Self {
        self.options.el2 = true;
        self
    }

    /// All CPUs on one thread of the host; KVM has no such thing.
    pub fn one_thread(mut self) -> Self {
        if self.options.accel == Accel::Tcg {
            self.options.accel = Accel::TcgSingle;
        }
        self
    }

    /// Without the disk.
    pub fn no_disk(mut self) -> Self {
        self.options.no_disk = true;
        self
    }

    /// Each read from the disk takes so many microseconds.
    pub fn disk_latency(mut self, us: u64) -> Self {
        self.options.disk_latency = us;
        self
    }

    pub fn memory(mut self, size: &str) -> Self {
        self.options.mem = size.into();
        self
    }

    pub fn append(mut self, bootargs: &str) -> Self {
        self.options.append = bootargs.into();
        self
    }

    pub fn gzip(mut self) -> Self {
        self.options.gzip = true;
        self
    }

    /// Another image to boot; the one under test is in no file then.
    pub fn image(mut self, path: &Path) -> Self {
        self.options.image = path.into();
        self
    }

    /// One more file in the initrd.
    pub fn file(mut self, name: &str, bytes: &[u8]) -> Result<Self> {
        let path = self.write(name, bytes)?;
        self.options.files.push(format!("{name}={}", path.display()));
        Ok(self)
    }

    /// This initrd instead of the one with the image and the files; none if it is empty.
    pub fn initrd(self, bytes: &[u8]) -> Result<Self> {
        self.argument("-initrd", "whole.initrd", bytes)
    }

    /// A device tree in place of QEMU's own.
    pub fn dtb(self, bytes: &[u8]) -> Result<Self> {
        self.argument("-dtb", "whole.dtb", bytes)
    }

    /// A source of ours merged into QEMU's own tree.
    pub fn dts(mut self, name: &str) -> Self {
        self.options.dts =
            Some(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../dts")).join(name));
        self
    }

    /// More arguments for QEMU.
    pub fn qemu(mut self, arguments: &[&str]) -> Self {
        self.options.extra.extend(arguments.iter().map(ToString::to_string));
        self
    }

    fn argument(mut self, option: &str, name: &str, bytes: &[u8]) -> Result<Self> {
        let path = self.write(name, bytes)?;
        self.options.extra.extend([option.into(), path.display().to_string()]);
        Ok(self)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.directory.path().join(name);
        std::fs::write(&path, bytes)?;
        Ok(path)
    }

    /// Where files of this machine can be made.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// QEMU's arguments for this machine, translated: one that writes its device tree runs nothing.
    pub fn arguments(&self) -> Vec<String> {
        Options { accel: Accel::Tcg, ..self.options.clone() }.arguments(None)
    }

    /// Starts the machine and waits for nothing.
    pub fn start(self) -> Result<Vm> {
        let slowness = if self.options.accel == Accel::Kvm { KVM_SLOWNESS } else { 1 };
        let mut guest = Guest::start(&self.options)?;
        guest.slower_by(slowness);
        guest.end_by(Instant::now() + WHOLE_TEST * slowness);
        Ok(Vm { guest, _directory: self.directory })
    }

    /// Starts the machine, waits for its prompt, and checks that every CPU is online.
    pub fn boot(self) -> Result<Vm> {
        let cpus = self.options.cpus;
        let mut vm = self.start()?;
        let (bringup, hello) = vm.arrival(0)?;
        check::all_online(&bringup, &hello, cpus)?;
        vm.guest.wait_prompt(SOON)?;
        Ok(vm)
    }
}

/// A machine that runs.
pub struct Vm {
    pub guest: Guest,
    _directory: TempDir,
}

impl Drop for Vm {
    fn drop(&mut self) {
        let command = self.guest.command_line().join(" ");
        let tail = self.guest.tail(TAIL).join("\n  ");
        LAST_WORDS.set(format!("--- {command}\n  {tail}\n---"));
    }
}

impl Vm {
    /// Waits until the kernel of this generation is up; how it brought the CPUs up, and what it is.
    pub fn arrival(&mut self, generation: u32) -> Result<(Bringup, Hello)> {
        let bringup = self.guest.wait_record(|r| matches!(r, Record::Bringup(_)), SOON)?;
        let Record::Bringup(bringup) = bringup else { bail!("no bringup: {bringup:?}") };
        let hello = self.hello()?;
        check::arrival(&bringup, &hello, generation)?;
        Ok((bringup, hello))
    }

    /// Waits for the next hello.
    pub fn hello(&mut self) -> Result<Hello> {
        match self.guest.wait_record(|r| matches!(r, Record::Hello(_)), SOON)? {
            Record::Hello(hello) => Ok(hello),
            other => bail!("no hello: {other:?}"),
        }
    }

    /// Waits for a panic and for the machine to turn itself off.
    pub fn panic(&mut self) -> Result<Panic> {
        let Record::Panic(panic) =
            self.guest.wait_record(|r| matches!(r, Record::Panic(_)), SOON)?
        else {
            bail!("no panic")
        };
        let status = self.guest.wait_end(SOON)?;
        ensure!(status.success(), "QEMU ended with {status}");
        Ok(panic)
    }

    /// Runs a command that must succeed; its lines, without records.
    pub fn run(&mut self, command: &str) -> Result<Vec<String>> {
        let (lines, records) = self.talk(command)?;
        let error = records.iter().find(|r| matches!(r, Record::Error(_)));
        ensure!(error.is_none(), "`{command}` was refused: {error:?}");
        Ok(lines)
    }

    /// Runs a command that must be refused, once and by name; the error's text.
    pub fn refused(&mut self, command: &str) -> Result<String> {
        Ok(self.refused_with(command)?.0)
    }

    /// As [`Self::refused`], with the other records that it printed.
    pub fn refused_with(&mut self, command: &str) -> Result<(String, Vec<Record>)> {
        let (lines, records) = self.talk(command)?;
        let (errors, rest): (Vec<_>, Vec<_>) =
            records.into_iter().partition(|r| matches!(r, Record::Error(_)));
        let [Record::Error(Error { what, place })] = errors.as_slice() else {
            bail!("`{command}` gave {} error records: {lines:?}", errors.len());
        };
        check::same("place of the error", place.as_str(), command)?;
        ensure!(
            lines.iter().any(|line| line == &format!("error: {what}")),
            "`{command}`: no line says {what:?}"
        );
        Ok((what.clone(), rest))
    }

    /// Runs a command; its lines, and the records among them.
    pub fn talk(&mut self, command: &str) -> Result<(Vec<String>, Vec<Record>)> {
        let before = self.guest.records().len();
        let lines = self.guest.command(command).with_context(|| format!("`{command}`"))?;
        let lines = lines.into_iter().filter(|line| !line.starts_with("@baton ")).collect();
        Ok((lines, self.guest.records()[before..].to_vec()))
    }

    /// Runs a command and gives the only record that it printed beside errors.
    pub fn record(&mut self, command: &str) -> Result<Record> {
        let (lines, mut records) = self.talk(command)?;
        records.retain(|r| !matches!(r, Record::Error(_)));
        ensure!(records.len() == 1, "`{command}` gave {} records: {lines:?}", records.len());
        Ok(records.remove(0))
    }

    /// Jumps; how the next kernel brought the CPUs up, and what it is.
    pub fn jump(&mut self, command: &str, generation: u32) -> Result<(Bringup, Hello)> {
        self.guest.send(command)?;
        self.arrival(generation)
    }

    /// Free bytes, as `mem` says.
    pub fn free_bytes(&mut self) -> Result<u64> {
        let lines = self.run("mem")?;
        let line = lines.last().context("`mem` says nothing")?;
        let free = line.strip_prefix("free ").and_then(|rest| rest.split(' ').next()?.parse().ok());
        free.with_context(|| format!("no free bytes in {line:?}"))
    }

    /// The marks of all CPUs, as `cpus` says.
    pub fn marks(&mut self) -> Result<Vec<String>> {
        let mut marks = Vec::new();
        for line in self.run("cpus")?.iter().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            check::same("CPU number", words.first().copied(), Some(&*marks.len().to_string()))?;
            marks.push(words.get(2).context("no mark")?.to_string());
        }
        Ok(marks)
    }

    /// Checks that all CPUs are ONLINE but `others`, which have other marks.
    pub fn expect_marks(&mut self, cpus: u32, others: &[(u32, &str)]) -> Result<()> {
        let wanted: Vec<String> = (0..cpus)
            .map(|cpu| others.iter().find(|other| other.0 == cpu).map_or("ONLINE", |other| other.1))
            .map(String::from)
            .collect();
        check::same("marks", self.marks()?, wanted)
    }

    /// Turns the machine off from the console.
    pub fn power_off(&mut self) -> Result<()> {
        self.guest.send("poweroff")?;
        let status = self.guest.wait_end(SOON)?;
        ensure!(status.success(), "QEMU ended with {status}");
        Ok(())
    }
}
