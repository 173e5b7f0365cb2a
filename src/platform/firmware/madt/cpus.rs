//! Which CPUs there are. The order of the table is that of the machine; the CPU that runs may be
//! anywhere in it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Gicc, Madt};
use crate::config::MAX_CPUS;
use crate::cpu::{CpuId, Mpidr, Topology, TopologyError};
use crate::platform::firmware::FirmwareError;
use crate::platform::{Frames, Gic, Warnings, warn};

/// The CPUs, and the number of each by its name in ACPI's tables.
pub struct Cpus {
    /// The CPUs.
    pub topology: Topology,
    /// Names of all CPUs of the table; `None` for a CPU that is not used.
    pub by_uid: BTreeMap<u32, Option<CpuId>>,
}

/// What has been found so far.
#[derive(Default)]
struct Found {
    cpus: Vec<Mpidr>,
    mpidrs: BTreeSet<Mpidr>,
    uids: BTreeMap<u32, Option<Mpidr>>,
    later: Vec<u32>,
}

impl Found {
    /// Adds a CPU that is there, or says why it is left out.
    fn add(&mut self, cpu: &Gicc) -> Result<(), String> {
        if self.uids.contains_key(&cpu.uid) {
            return Err("another CPU has this UID too".into());
        }
        self.uids.insert(cpu.uid, None);
        if cpu.may_come() {
            self.later.push(cpu.uid);
        }
        if !cpu.is_enabled() {
            return Ok(());
        }
        let mpidr = Mpidr::from_reg(cpu.mpidr);
        let mpidr = mpidr.ok_or_else(|| format!("{:#x} is no MPIDR", cpu.mpidr))?;
        if !self.mpidrs.insert(mpidr) {
            return Err(format!("another CPU has MPIDR {mpidr} too"));
        }
        self.uids.insert(cpu.uid, Some(mpidr));
        self.cpus.push(mpidr);
        Ok(())
    }
}

/// Where each CPU names its own redistributor, a CPU without one cannot get interrupts.
fn reaches(cpu: &Gicc, gic: &Gic) -> Result<(), String> {
    let Gic::V3 { redistributors, frames: Frames::Each, .. } = gic else { return Ok(()) };
    let known = redistributors.iter().any(|region| region.contains(cpu.redistributor));
    match known || !cpu.is_enabled() {
        true => Ok(()),
        false => Err(format!("{:#x} is no redistributor that is used", cpu.redistributor)),
    }
}

/// The CPUs that PSCI can start, in the order of the table, and the one that runs.
///
/// # Errors
/// [`FirmwareError::Cpus`] if the table makes no sense.
pub fn cpus(
    madt: &Madt<'_>,
    gic: &Gic,
    boot: Mpidr,
    warnings: &mut Warnings,
) -> Result<Cpus, FirmwareError> {
    let mut found = Found::default();
    for (offset, bytes) in madt.short() {
        let what = format!("MADT GICC at offset {offset:#x}");
        warn(warnings, &what, format!("left out: {bytes} bytes are too few"));
    }
    for cpu in madt.cpus() {
        if let Err(why) = reaches(&cpu, gic).and_then(|()| found.add(&cpu)) {
            warn(warnings, &format!("MADT GICC, UID {}", cpu.uid), format!("left out: {why}"));
        }
    }
    if found.cpus.len() > MAX_CPUS {
        warn(warnings, "MADT", format!("{} CPUs, {MAX_CPUS} are used", found.cpus.len()));
    }
    say_later(&found.later, warnings);
    let topology = topology(&found.cpus, boot, warnings)?;
    let number = |mpidr: Option<Mpidr>| topology.cpu(mpidr?);
    let by_uid = found.uids.into_iter().map(|(uid, mpidr)| (uid, number(mpidr))).collect();
    Ok(Cpus { topology, by_uid })
}

/// CPUs that firmware may add while the machine runs: they are counted and not started.
fn say_later(uids: &[u32], warnings: &mut Warnings) {
    if let Some(first) = uids.first() {
        let count = uids.len();
        let what = format!("{count} CPUs are not there yet (the first has UID {first}); left out");
        warn(warnings, "MADT", what);
    }
}

/// As Linux, which starts no other CPU if the table does not know the one that runs: it is somebody
/// else's table, or the CPU is not meant for this kernel.
fn topology(
    cpus: &[Mpidr],
    boot: Mpidr,
    warnings: &mut Warnings,
) -> Result<Topology, FirmwareError> {
    match Topology::new(cpus, boot) {
        Err(why @ TopologyError::BootCpuMissing(_)) => {
            warn(warnings, "MADT", format!("{why}; no other CPU is started"));
            Topology::new(&[boot], boot)
        }
        other => other,
    }
    .map_err(FirmwareError::Cpus)
}
