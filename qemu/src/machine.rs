//! Which machine QEMU makes: the options and the command line they become.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use crate::kvm::{self, HostArgs};
use crate::units::Unit;

/// CPUs unless told otherwise.
pub const CPUS: u32 = 16;
/// Where `make` puts UEFI's firmware.
const FIRMWARE: &str = "target/uefi/root/QEMU_EFI.fd";
/// CPUs that QEMU's `virt` has with a GICv2.
const GICV2_CPUS: u32 = 8;
/// CPUs that QEMU's `virt` has with a GICv3.
const GICV3_CPUS: u32 = 512;

/// The interrupt controller's architecture version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Gic {
    /// GICv2, 8 CPUs at most.
    #[value(name = "2")]
    V2,
    /// GICv3.
    #[value(name = "3")]
    V3,
}

/// How QEMU runs the guest's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Accel {
    /// Translation, one host thread per CPU: QEMU's default.
    Tcg,
    /// Translation, one host thread for all CPUs: figures repeat within a few percent.
    TcgSingle,
    /// As tcg-single, and time is counted in instructions: each one that a CPU runs lets the clock
    /// go on by 1 ns. Figures repeat, also on a busy host (see [`crate::units::Unit`]).
    Icount,
    /// A real hypervisor: the host's own on an arm64 host, or else one under translation (see
    /// [`crate::kvm`]).
    Kvm,
}

impl Accel {
    /// The name that the command line takes and the reports print.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcg => "tcg",
            Self::TcgSingle => "tcg-single",
            Self::Icount => "icount",
            Self::Kvm => "kvm",
        }
    }

    const fn qemu(self) -> (&'static str, &'static str) {
        match self {
            Self::Tcg => ("tcg,thread=multi", "neoverse-n1"),
            Self::TcgSingle | Self::Icount => ("tcg,thread=single", "neoverse-n1"),
            Self::Kvm => ("kvm", "host"),
        }
    }
}

/// The machine and what it boots.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The flat arm64 Image to boot
    #[arg(long, value_name = "PATH", default_value = "target/baton.Image")]
    pub image: PathBuf,
    /// CPUs of the machine
    #[arg(long, short = 'n', default_value_t = CPUS, value_parser = clap::value_parser!(u32).range(1..=512))]
    pub cpus: u32,
    /// Memory of the machine, as QEMU writes it
    #[arg(long, default_value = "1G")]
    pub mem: String,
    /// GIC architecture version
    #[arg(long, value_enum, default_value = "3")]
    pub gic: Gic,
    /// A device tree source to merge into QEMU's own tree, such as dts/dsu-2.dts
    #[arg(long, value_name = "PATH")]
    pub dts: Option<PathBuf>,
    /// Enter at EL2 (PSCI by SMC) instead of EL1 (PSCI by HVC)
    #[arg(long)]
    pub el2: bool,
    /// Boot by UEFI, with this firmware (qemu/uefi/fetch): it starts the image's stub, and describes the
    /// machine by ACPI
    #[arg(long, value_name = "PATH", num_args = 0..=1, default_missing_value = FIRMWARE, conflicts_with = "dts")]
    pub uefi: Option<PathBuf>,
    /// Boot from this directory, which the firmware sees as a disk with a FAT volume, and not the image
    #[arg(long, value_name = "DIR", requires = "uefi")]
    pub volume: Option<PathBuf>,
    /// How QEMU runs the guest
    #[arg(long, value_enum, default_value = "tcg")]
    pub accel: Accel,
    /// Kernel command line
    #[arg(long, value_name = "ARGS", default_value = "", allow_hyphen_values = true)]
    pub append: String,
    /// A file for the guest's initrd, NAME=PATH; may be repeated
    #[arg(long = "file", value_name = "NAME=PATH")]
    pub files: Vec<String>,
    /// Leave out the disk: a virtio block device that reads zeroes and has no file behind it
    #[arg(long)]
    pub no_disk: bool,
    /// How long each read from the disk takes, in microseconds
    #[arg(long, value_name = "US", default_value_t = 0, conflicts_with = "no_disk")]
    pub disk_latency: u64,
    /// Pack the initrd with gzip
    #[arg(long)]
    pub gzip: bool,
    /// The QEMU to run
    #[arg(long, value_name = "PROGRAM", default_value = "qemu-system-aarch64", env = "QEMU")]
    pub qemu: String,
    /// One more argument for QEMU; may be repeated
    #[arg(long = "qemu-arg", value_name = "ARG", allow_hyphen_values = true)]
    pub extra: Vec<String>,
    /// The hypervisor's machine, if there is one.
    #[command(flatten)]
    pub host: HostArgs,
}

impl Options {
    /// The defaults, for the image at `image`.
    pub fn new(image: impl Into<PathBuf>) -> Self {
        Self {
            image: image.into(),
            cpus: CPUS,
            mem: "1G".into(),
            gic: Gic::V3,
            dts: None,
            el2: false,
            uefi: None,
            volume: None,
            accel: Accel::Tcg,
            append: String::new(),
            files: Vec::new(),
            no_disk: false,
            disk_latency: 0,
            gzip: false,
            qemu: "qemu-system-aarch64".into(),
            extra: Vec::new(),
            host: HostArgs::default(),
        }
    }

    /// Checks what can be checked before QEMU starts.
    ///
    /// # Errors
    /// More CPUs than the GIC allows, or no image or source at its path.
    pub fn check(&self) -> Result<()> {
        let (name, most) = match self.gic {
            Gic::V2 => ("GICv2", GICV2_CPUS),
            Gic::V3 => ("GICv3", GICV3_CPUS),
        };
        ensure!(
            self.cpus <= most,
            "{} CPUs, but QEMU's virt has at most {most} with {name}",
            self.cpus
        );
        let image = self.image.display();
        ensure!(self.image.is_file(), "no image at {image}; make it with `make image`");
        if let Some(source) = &self.dts {
            ensure!(source.is_file(), "no device tree source at {}; see dts/", source.display());
        }
        if let Some(firmware) = &self.uefi {
            let at = firmware.display();
            ensure!(firmware.is_file(), "no firmware at {at}; run `qemu/uefi/fetch target/uefi`");
            ensure!(!kvm::is_nested(self), "--uefi is for QEMU on this host, not for --accel kvm");
        }
        kvm::check(self)
    }

    /// What the reports call the way the guest's code is run.
    pub fn accel_name(&self) -> &'static str {
        kvm::accel_name(self)
    }

    /// What the guest's clock counts.
    pub fn unit(&self) -> Unit {
        if self.accel == Accel::Icount { Unit::Instructions } else { Unit::Time }
    }

    /// Refuses to count instructions where another kernel runs: its waiters spin, and where no clock
    /// interrupts them, the one host thread never gets to the CPU that they wait for.
    ///
    /// # Errors
    /// The machine counts instructions.
    pub fn refuse_icount(&self, what: &str) -> Result<()> {
        ensure!(
            self.accel != Accel::Icount,
            "{what} runs Linux, which spins while it waits and then stands still under \
             --accel icount; use --accel tcg-single"
        );
        Ok(())
    }

    /// QEMU's arguments, without the ones that say where the console goes and without the device
    /// tree: see [`crate::dts::applied`].
    pub fn arguments(&self, initrd: Option<&Path>) -> Vec<String> {
        let (accel, cpu) = self.accel.qemu();
        let gic = if self.gic == Gic::V2 { 2 } else { 3 };
        let el2 = if self.el2 { ",virtualization=on" } else { "" };
        let mut line: Vec<String> = Vec::new();
        let mut pair = |name: &str, value: String| line.extend([name.to_string(), value]);
        pair("-M", format!("virt,gic-version={gic}{el2}"));
        pair("-accel", accel.into());
        if self.accel == Accel::Icount {
            // Without sleep=off QEMU holds the clock back to real time when all CPUs sleep.
            pair("-icount", "shift=0,sleep=off".into());
        }
        pair("-cpu", cpu.into());
        pair("-smp", self.cpus.to_string());
        pair("-m", self.mem.clone());
        pair("-nic", "none".into());
        if let Some(firmware) = &self.uefi {
            pair("-bios", firmware.display().to_string());
            if self.volume.is_none() {
                // Firmware takes its random numbers from there.
                pair("-device", "virtio-rng-pci".into());
            }
        }
        match &self.volume {
            Some(directory) => {
                let file = format!("file=fat:rw:{}", directory.display());
                pair("-drive", format!("{file},format=raw,if=none,id=volume"));
                pair("-device", "virtio-blk-pci,drive=volume".into());
            }
            None => {
                pair("-kernel", self.image.display().to_string());
                if let Some(path) = initrd {
                    pair("-initrd", path.display().to_string());
                }
                if !self.append.is_empty() {
                    pair("-append", self.append.clone());
                }
            }
        }
        if !self.no_disk {
            let latency = self.disk_latency.saturating_mul(1000);
            let null = "driver=null-co,node-name=disk,read-zeroes=on";
            pair("-blockdev", format!("{null},latency-ns={latency}"));
            pair("-device", "virtio-blk-device,drive=disk".into());
        }
        line.push("-no-reboot".into());
        line.extend(self.extra.iter().cloned());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(options: &Options) -> String {
        options.arguments(None).join(" ")
    }

    #[test]
    fn each_option_reaches_the_command_line() {
        let mut options = Options::new("k.Image");
        assert!(line(&options).starts_with("-M virt,gic-version=3 -accel tcg,thread=multi"));
        assert!(!line(&options).contains("-append"));
        options.gic = Gic::V2;
        options.el2 = true;
        options.accel = Accel::TcgSingle;
        options.cpus = 5;
        options.append = "maxcpus=2 x".into();
        options.extra = vec!["-s".into()];
        let wanted = "-M virt,gic-version=2,virtualization=on -accel tcg,thread=single \
                      -cpu neoverse-n1 -smp 5 -m 1G -nic none -kernel k.Image -append maxcpus=2 x \
                      -no-reboot -s";
        options.no_disk = true;
        assert_eq!(line(&options), wanted);
        let with_initrd = options.arguments(Some(Path::new("i.cpio"))).join(" ");
        assert!(with_initrd.contains("-kernel k.Image -initrd i.cpio"));
    }

    #[test]
    fn uefi_is_firmware_and_its_random_numbers() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let mut options = Options::new(file);
        assert!(!line(&options).contains("-bios"));
        options.uefi = Some("/nowhere/EFI.fd".into());
        let wanted = "-nic none -bios /nowhere/EFI.fd -device virtio-rng-pci -kernel ";
        assert!(line(&options).contains(wanted), "{}", line(&options));
        let refusal = options.check().unwrap_err().to_string();
        assert!(refusal.contains("qemu/uefi/fetch"), "{refusal}");
        options.uefi = Some(file.into());
        assert!(options.check().is_ok());
        options.volume = Some("/a/b".into());
        let line = line(&options);
        assert!(
            line.contains("file=fat:rw:/a/b,format=raw") && !line.contains("-kernel"),
            "{line}"
        );
    }

    #[test]
    fn instructions_are_counted_by_one_host_thread() {
        let mut options = Options::new("k.Image");
        assert_eq!(options.unit(), Unit::Time);
        options.accel = Accel::Icount;
        let wanted = "-accel tcg,thread=single -icount shift=0,sleep=off -cpu neoverse-n1";
        assert!(line(&options).contains(wanted), "{}", line(&options));
        assert_eq!(options.unit(), Unit::Instructions);
        let refusal = options.refuse_icount("baton soak").unwrap_err().to_string();
        assert!(refusal.contains("use --accel tcg-single"), "{refusal}");
    }

    #[test]
    fn a_machine_has_a_disk_unless_told_otherwise() {
        let mut options = Options::new("k.Image");
        options.disk_latency = 20;
        let disk = "-blockdev driver=null-co,node-name=disk,read-zeroes=on,latency-ns=20000 \
                    -device virtio-blk-device,drive=disk";
        assert!(line(&options).contains(disk), "{}", line(&options));
        options.no_disk = true;
        assert!(!line(&options).contains("disk"));
    }

    #[test]
    fn a_gicv2_machine_has_eight_cpus_at_most() {
        let mut options = Options::new("/dev/null");
        options.gic = Gic::V2;
        let refusal = options.check().unwrap_err().to_string();
        assert!(refusal.contains("at most 8 with GICv2"), "{refusal}");
    }

    #[test]
    fn a_missing_image_is_named() {
        let refusal = Options::new("/nowhere/x.Image").check().unwrap_err().to_string();
        assert!(refusal.contains("/nowhere/x.Image"), "{refusal}");
    }
}
