//! Devices with registers and one shared interrupt: the PL031 real-time clock and virtio-mmio
//! (Linux `Documentation/devicetree/bindings/rtc/arm,pl031.yaml` and `virtio/mmio.yaml`). Nothing
//! depends on these devices, so a device that makes no sense is left out.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::super::shared::{VIRTIO_BYTES, is_shared, outside, with_room};
use super::super::{Device, Warnings, warn};
use super::interrupts::interrupts;
use super::roles::Roles;
use crate::config::MAX_VIRTIO;
use crate::fdt::{Node, Properties, region};
use crate::memory::Range;

/// Bytes of registers up to RTCICR (Arm DDI 0224, table 3-1).
const PL031_BYTES: u64 = 0x20;

pub(super) fn rtc(
    roles: &Roles<'_>,
    gic: Node<'_>,
    memory: &[Range],
    warnings: &mut Warnings,
) -> Option<Device> {
    used(roles.rtc?, gic, memory, PL031_BYTES, warnings)
}

pub(super) fn virtio(
    roles: &Roles<'_>,
    gic: Node<'_>,
    memory: &[Range],
    warnings: &mut Warnings,
) -> Vec<Device> {
    let found = roles.virtio.len();
    if found > MAX_VIRTIO {
        warn(warnings, "virtio", format!("{found} places for devices, {MAX_VIRTIO} are used"));
    }
    let places = roles.virtio.iter().take(MAX_VIRTIO).copied();
    let mut found = Vec::new();
    for node in places {
        match reaches_memory(node) {
            Ok(()) => found.extend(used(node, gic, memory, VIRTIO_BYTES, warnings)),
            Err(why) => warn(warnings, &node.path(), format!("left out: {why}")),
        }
    }
    found
}

/// The device, or a warning.
fn used(
    node: Node<'_>,
    gic: Node<'_>,
    memory: &[Range],
    least: u64,
    warnings: &mut Warnings,
) -> Option<Device> {
    let device = device(node, gic, memory, least);
    device.map_err(|why| warn(warnings, &node.path(), format!("left out: {why}"))).ok()
}

fn device(node: Node<'_>, gic: Node<'_>, memory: &[Range], least: u64) -> Result<Device, String> {
    let base = outside(memory, registers(node, least)?)?;
    let interrupt = interrupts(node, gic).next().flatten().filter(|i| is_shared(*i));
    let interrupt = interrupt.ok_or("it has no shared interrupt that can be used")?;
    Ok(Device { base, interrupt, name: node.name() })
}

/// The first of a node's ranges, if large enough for `least` bytes of registers.
pub(super) fn registers(node: Node<'_>, least: u64) -> Result<Range, String> {
    let base = region(node, 0).map_err(|why| why.to_string())?;
    with_room(base, least)
}

/// Why a device that reads and writes memory by itself can't: a bus above translates or limits its
/// addresses (devicetree specification v0.4, section 2.3.9), and no driver here does.
fn reaches_memory(node: Node<'_>) -> Result<(), String> {
    let translates = |bus: &Node<'_>| bus.property("dma-ranges").is_some_and(|r| !r.is_empty());
    match node.upwards().skip(1).find(translates) {
        Some(bus) => Err(format!("{} has dma-ranges that are not empty", bus.path())),
        None => Ok(()),
    }
}
