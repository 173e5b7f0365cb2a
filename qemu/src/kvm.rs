//! Where the guest's hypervisor is: on an arm64 host with /dev/kvm QEMU asks the host's own KVM;
//! everywhere else a Linux with KVM runs under QEMU's translation, which emulates EL2, and an arm64
//! QEMU in that Linux has the guest. The second way is as real a KVM for the guest, and its times are
//! a translator's: figures from it are called "KVM under TCG".

mod carry;
mod initramfs;
mod memory;
mod rig;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::Args;

pub use rig::{Rig, Terminal};

use crate::machine::{Accel, Options};
use crate::packages;

/// What the reports call figures of a guest of KVM that is itself translated.
pub const NESTED: &str = "KVM under TCG";
/// What one does to have it.
const HOW: &str = "fetch it with qemu/kvm/fetch, or `make kvm`";

/// The machine whose Linux is the hypervisor, where this host can't be it.
#[derive(Args, Clone, Debug)]
pub struct HostArgs {
    /// With --accel kvm on another architecture: unpacked arm64 packages with a Linux and a QEMU
    /// (qemu/kvm/fetch)
    #[arg(
        id = "host-root",
        long = "host-root",
        value_name = "DIR",
        default_value = "target/kvm/root",
        env = "BATON_KVM"
    )]
    pub root: PathBuf,
    /// CPUs of the machine on which that Linux runs; the guest may have more
    #[arg(id = "host-cpus", long = "host-cpus", value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=8))]
    pub cpus: u32,
    /// Its memory; unless given, the guest's and 1536 MiB
    #[arg(id = "host-mem", long = "host-mem", value_name = "SIZE")]
    pub mem: Option<String>,
    /// Which of its kernels: the newest whose version begins so
    #[arg(id = "host-linux", long = "host-linux", value_name = "VERSION", default_value = "6.1")]
    pub linux: String,
    /// Its CPU, as QEMU names it: neoverse-n1 has VHE, cortex-a72 has not
    #[arg(id = "host-cpu", long = "host-cpu", value_name = "MODEL", default_value = "neoverse-n1")]
    pub cpu: String,
    /// Its time is instructions (QEMU's -icount): slower, and figures repeat
    #[arg(id = "host-icount", long = "host-icount")]
    pub icount: bool,
    /// What to record of the host's KVM.
    #[arg(skip)]
    pub trace: Option<Tracing>,
}

/// What the Linux that is the hypervisor is to record, and print behind the guest's end.
#[derive(Clone, Copy, Debug)]
pub struct Tracing {
    /// Tracepoints of the group kvm, each with its filter (empty: none).
    pub events: &'static [(&'static str, &'static str)],
    /// KiB of buffer for each of its CPUs.
    pub kib: u32,
}

impl Default for HostArgs {
    fn default() -> Self {
        Self {
            root: std::env::var_os("BATON_KVM").map_or("target/kvm/root".into(), PathBuf::from),
            cpus: 2,
            mem: None,
            linux: "6.1".into(),
            cpu: "neoverse-n1".into(),
            icount: false,
            trace: None,
        }
    }
}

impl HostArgs {
    /// The kernel of the hypervisor.
    fn kernel(&self) -> Result<PathBuf> {
        packages::kernel(&self.root, &self.linux, HOW)
    }
}

/// True if this host can't be the hypervisor itself.
pub fn is_nested(options: &Options) -> bool {
    options.accel == Accel::Kvm && !has_kvm()
}

fn has_kvm() -> bool {
    cfg!(target_arch = "aarch64") && Path::new("/dev/kvm").exists()
}

/// What the reports call the way the guest's code is run.
pub fn accel_name(options: &Options) -> &'static str {
    if is_nested(options) { NESTED } else { options.accel.name() }
}

/// Checks what can be checked before QEMU starts.
///
/// # Errors
/// A guest that KVM can't have, or no Linux or QEMU for the hypervisor.
pub fn check(options: &Options) -> Result<()> {
    if options.accel != Accel::Kvm {
        return Ok(());
    }
    ensure!(!options.el2, "a guest of KVM enters at EL1: leave out --el2, or use --accel tcg");
    if is_nested(options) {
        options.host.kernel()?;
        let qemu = initramfs::program(&options.host.root);
        ensure!(qemu.is_file(), "no QEMU at {}; {HOW}", qemu.display());
        memory::of_host(options)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
