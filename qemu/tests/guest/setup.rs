//! What a machine is to be before it is started.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use baton_qemu::{Accel, Gic, Guest, Options};
use tempfile::TempDir;

use crate::vm::{SOON, Vm};
use crate::{check, under_kvm};

/// How long one test may take.
const WHOLE_TEST: Duration = Duration::from_secs(150);
/// How much longer a guest of KVM may take: its hypervisor boots first, and is translated itself.
const KVM_SLOWNESS: u32 = 4;

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

/// The ELF of the image under test.
pub fn elf_path() -> PathBuf {
    let default = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../target/aarch64-unknown-none-softfloat/release/baton-kernel"
    );
    std::env::var_os("BATON_ELF").map_or_else(|| default.into(), PathBuf::from)
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

/// The firmware for machines that boot by UEFI.
pub fn firmware() -> Result<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/uefi/root/QEMU_EFI.fd");
    let path = std::env::var_os("BATON_UEFI").map_or_else(|| default.into(), PathBuf::from);
    ensure!(path.is_file(), "no firmware at {}; run qemu/uefi/fetch target/uefi", path.display());
    Ok(path)
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

    /// Started by UEFI.
    pub fn uefi(mut self) -> Result<Self> {
        self.options.uefi = Some(firmware()?);
        Ok(self)
    }

    /// Started by UEFI from a volume with these files.
    pub fn volume(mut self, files: &[(&str, &[u8])]) -> Result<Self> {
        let directory = self.directory.path().join("volume");
        std::fs::create_dir(&directory)?;
        for (name, bytes) in files {
            let path = directory.join(name);
            std::fs::create_dir_all(path.parent().context("no directory")?)?;
            std::fs::write(path, bytes)?;
        }
        self.options.volume = Some(directory);
        self.uefi()
    }

    /// All CPUs on one thread of the host; KVM has no such thing.
    pub fn one_thread(mut self) -> Self {
        if self.options.accel == Accel::Tcg {
            self.options.accel = Accel::TcgSingle;
        }
        self
    }

    /// The clock counts instructions.
    pub fn instructions(mut self) -> Self {
        self.options.accel = Accel::Icount;
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

    /// The same source without one of its words.
    pub fn dts_without(mut self, name: &str, word: &str) -> Result<Self> {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../dts")).join(name);
        let text = std::fs::read_to_string(path)?.replace(word, "");
        self.options.dts = Some(self.write("part.dts", text.as_bytes())?);
        Ok(self)
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

    /// What a command of the host tool is told about this machine.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The QEMU that runs the machine.
    pub fn program(&self) -> &str {
        &self.options.qemu
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
        Ok(Vm::new(guest, self.directory))
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
