//! What the machine has of the devices that AML code names: clusters with performance monitors,
//! virtio devices, UARTs. Nothing depends on these, so a device that makes no sense is left out.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::aml::{self, Devices, Resources, Value, resources};
use super::fadt::Fadt;
use super::tables::{DSDT, SSDT, Tables};
use crate::config::MAX_VIRTIO;
use crate::cpu::{CpuId, CpuMask};
use crate::interrupt::Interrupt;
use crate::memory::Range;
use crate::platform::shared::{Taken, VIRTIO_BYTES, is_shared, outside, with_room};
use crate::platform::{Cluster, Console, Device, MAX_CLUSTER_CPUS, Uart, Warnings, plain, warn};

/// A processor; a DynamIQ shared unit's monitors; virtio; a PL011; an SBSA UART.
const PROCESSOR: &str = "ACPI0007";
const DSU: &str = "ARMHD500";
const VIRTIO: &str = "LNRO0005";
const PL011: &str = "ARMH0011";
const SBSA: &str = "ARMHB000";

/// All devices: of the DSDT, then of each SSDT.
pub fn devices<'p>(tables: &Tables<'p>, fadt: &Fadt, warnings: &mut Warnings) -> Devices<'p> {
    let mut found = Devices::default();
    let dsdt = (fadt.dsdt != 0).then(|| tables.at(DSDT, fadt.dsdt));
    for table in dsdt.into_iter().chain(tables.all(SSDT)) {
        match table {
            Ok(table) => found.add(&table),
            Err(why) => warn(warnings, "devices left out", why),
        }
    }
    found
}

/// The devices of a kind that are there.
fn present<'d, 'p>(
    devices: &'d Devices<'p>,
    id: &'static str,
) -> impl Iterator<Item = &'d aml::Device<'p>> {
    devices.all.iter().filter(move |device| device.is(id) && device.is_present())
}

fn named(device: &aml::Device<'_>) -> String {
    plain(&device.path)
}

fn resources_of(device: &aml::Device<'_>) -> Resources {
    device.crs.map(resources).unwrap_or_default()
}

/// The clusters that can be used, in the order of the tables.
pub fn clusters(
    devices: &Devices<'_>,
    cpus: &BTreeMap<u32, Option<CpuId>>,
    console: Option<&Console>,
    warnings: &mut Warnings,
) -> Vec<Cluster> {
    let processors = processors(devices);
    let mut taken = Taken::new(console);
    let mut clusters = Vec::new();
    for device in present(devices, DSU) {
        let uids = processors.get(device.parent()).map(Vec::as_slice).unwrap_or_default();
        match cluster(device, uids, cpus, &mut taken) {
            Ok(Some(cluster)) => clusters.push(cluster),
            Ok(None) => {} // firmware describes units whose cores are fused off, too
            Err(why) => warn(warnings, &named(device), format!("left out: {why}")),
        }
    }
    clusters
}

/// The numbers of the processors in each device or scope.
fn processors<'d>(devices: &'d Devices<'_>) -> BTreeMap<&'d str, Vec<u32>> {
    let mut all: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for device in present(devices, PROCESSOR) {
        if let Some(Value::Number(uid)) = device.uid
            && let Ok(uid) = u32::try_from(uid)
        {
            all.entry(device.parent()).or_default().push(uid);
        }
    }
    all
}

/// The cluster of a DSU: the processors beside the unit that the machine has. `None` if the machine has
/// none of these processors.
fn cluster(
    device: &aml::Device<'_>,
    uids: &[u32],
    cpus: &BTreeMap<u32, Option<CpuId>>,
    taken: &mut Taken,
) -> Result<Option<Cluster>, String> {
    let mut members = CpuMask::new();
    uids.iter().filter_map(|uid| *cpus.get(uid)?).for_each(|cpu| members.insert(cpu));
    if members.is_empty() {
        return Ok(None);
    }
    if members.len() > MAX_CLUSTER_CPUS {
        return Err(format!("it has {} CPUs, more than {MAX_CLUSTER_CPUS}", members.len()));
    }
    let interrupt = shared(device)?;
    taken.take(&members, interrupt)?;
    Ok(Some(Cluster { cpus: members, interrupt, name: named(device), emulate: false }))
}

fn shared(device: &aml::Device<'_>) -> Result<Interrupt, String> {
    let interrupt = resources_of(device).interrupt.ok_or("it has no interrupt")?;
    match is_shared(interrupt) {
        true => Ok(interrupt),
        false => Err("its interrupt is no shared interrupt of the GIC".into()),
    }
}

/// Places for virtio devices, in the order of the tables.
pub fn virtio(devices: &Devices<'_>, ram: &[Range], warnings: &mut Warnings) -> Vec<Device> {
    let found = present(devices, VIRTIO).count();
    if found > MAX_VIRTIO {
        warn(warnings, "virtio", format!("{found} places for devices, {MAX_VIRTIO} are used"));
    }
    let mut all = Vec::new();
    for device in present(devices, VIRTIO).take(MAX_VIRTIO) {
        match virtio_device(device, ram) {
            Ok(device) => all.push(device),
            Err(why) => warn(warnings, &named(device), format!("left out: {why}")),
        }
    }
    all
}

fn virtio_device(device: &aml::Device<'_>, ram: &[Range]) -> Result<Device, String> {
    let base = resources_of(device).registers.ok_or("it has no registers")?;
    let base = outside(ram, with_room(base, VIRTIO_BYTES)?)?;
    Ok(Device { base, interrupt: shared(device)?, name: named(device) })
}

/// Where the first UART that has a driver has its registers.
pub fn uart(devices: &Devices<'_>) -> Option<(u64, Uart)> {
    let kind = |device: &aml::Device<'_>| match device.is(SBSA) {
        true => Some(Uart::Sbsa),
        false => device.is(PL011).then_some(Uart::Pl011),
    };
    let mut present = devices.all.iter().filter(|device| device.is_present());
    present.find_map(|device| {
        let kind = kind(device)?;
        Some((resources_of(device).registers?.start, kind))
    })
}

/// The interrupt of the device whose registers begin there.
pub fn interrupt_at(devices: &Devices<'_>, base: u64) -> Option<Interrupt> {
    let at = |device: &aml::Device<'_>| {
        let Resources { registers, interrupt } = resources_of(device);
        interrupt.filter(|_| registers.is_some_and(|registers| registers.start == base))
    };
    devices.all.iter().filter(|device| device.is_present()).find_map(at)
}
