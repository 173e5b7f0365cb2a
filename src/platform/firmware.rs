//! A [`Machine`] from what firmware leaves in memory: UEFI's memory map and ACPI's tables.
//!
//! The kernel is entered with a tree all the same: its `/chosen` is the envelope of this boot, and says
//! where UEFI's tables are. Which source counts is decided as Linux does:
//!
//! - a tree with nothing at the root but `/chosen` (and `/hypervisor`) describes no machine, and ACPI's
//!   tables do;
//! - where `/chosen` has a memory map of UEFI, RAM is what that map says and no memory node.
//!
//! What Linux refuses is refused, with a [`FirmwareError`]. What can be left out is left out with a
//! warning, by the tables' own names. All reads are bounded, and memory is read only where the map has
//! memory: what firmware keeps to itself is never touched.

pub mod amend;
pub(super) mod aml;
mod console;
mod devices;
pub mod efi;
mod error;
mod fadt;
mod gtdt;
mod madt;
mod memory;
mod read;
pub mod serial;
mod tables;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub use error::FirmwareError;

use super::dt::{self, Limits, Memory};
use super::{Gic, Machine, PlatformError, Warnings, plain, warn};
use crate::cpu::Mpidr;
use crate::fdt::{self, Tree};
use crate::memory::{Physical, Range};
use efi::{Efi, Envelope};
use madt::Madt;
use tables::Tables;

/// The source of the machine, by what the tree says.
pub(super) fn source<'p>(
    tree: &Tree<'_>,
    physical: &'p dyn Physical,
) -> Result<Source<'p>, FirmwareError> {
    let Some(envelope) = tree.find("/chosen").and_then(Envelope::of) else {
        return Ok(Source::Tree);
    };
    let efi = Efi::open(&envelope?, physical)?;
    Ok(match fdt::describes_machine(tree) {
        true => Source::TreeAndMap(efi),
        false => Source::Tables(efi),
    })
}

/// What describes the machine.
pub(super) enum Source<'p> {
    /// The tree.
    Tree,
    /// The tree, but for the memory.
    TreeAndMap(Efi<'p>),
    /// Firmware's tables.
    Tables(Efi<'p>),
}

/// The interrupt controller, read without a heap.
///
/// # Errors
/// [`FirmwareError`] if the tables have none, or cannot be read.
pub fn gic(efi: Efi<'_>) -> Result<Gic, FirmwareError> {
    let madt = Madt::read(&Tables::open(efi)?)?;
    madt::gic::gic(&madt, &mut |_, _| {})
}

/// The registers of a console for a panic, read without a heap: the first port that has a driver.
pub fn console_of_last_resort(efi: Efi<'_>) -> Option<Range> {
    let tables = Tables::open(efi).ok()?;
    serial::ports(&tables).flatten().find_map(|port| port.registers())
}

/// RAM, and the reservations in the RAM: of UEFI's map, of the tables that lie there, and of the tree.
///
/// # Errors
/// [`PlatformError`] if no memory can be given out safely.
pub(super) fn memory(
    tree: &Tree<'_>,
    efi: &Efi<'_>,
    machine_reserved: &mut Vec<super::Reserved>,
    warnings: &mut Warnings,
) -> Result<Memory, PlatformError> {
    let limits = tree.find("/chosen").map_or(Ok(None), Limits::of_all);
    let limits = limits.map_err(PlatformError::Usable)?;
    let memory = memory::memory(efi, limits.as_ref(), warnings)?;
    machine_reserved.extend(memory::reserved(efi, &memory.usable)?);
    Ok(memory)
}

/// What the tables say that the machine is; `boot` is the MPIDR of the CPU that runs.
///
/// # Errors
/// [`PlatformError`] if they lack something without which no kernel can run.
pub(super) fn machine(
    tree: &Tree<'_>,
    efi: Efi<'_>,
    boot: Mpidr,
    warnings: &mut Warnings,
) -> Result<(Machine, Memory), PlatformError> {
    let mut reserved = dt::reserved(tree, warnings)?;
    let memory = memory(tree, &efi, &mut reserved, warnings)?;
    let tables = Tables::open(efi)?;
    for at in tables.unreadable() {
        warn(warnings, "XSDT", format!("the table at {at:#x} is not in memory; left out"));
    }
    let fadt = fadt::fadt(&tables)?;
    let madt = Madt::read(&tables)?;
    let gic = madt::gic::gic(&madt, &mut |what, why| warn(warnings, what, why))?;
    let cpus = madt::cpus::cpus(&madt, &gic, boot, warnings)?;
    let timer = gtdt::timer(&tables, warnings)?;
    let found = devices::devices(&tables, &fadt, warnings);
    let console = console::console(&tables, &found, warnings);
    let machine = Machine {
        model: model(&tables),
        memory: memory.usable.clone(),
        reserved,
        clusters: devices::clusters(&found, &cpus.by_uid, console.as_ref(), warnings),
        topology: cpus.topology,
        psci: fadt.psci,
        gic,
        timer,
        console,
        rtc: None, // the clock is the runtime services'
        virtio: devices::virtio(&found, &memory.ram, warnings),
    };
    apart(&machine, &memory.ram)?;
    Ok((machine, memory))
}

/// As [`Machine::apart_from`], where the map is what has to be wrong.
fn apart(machine: &Machine, ram: &[Range]) -> Result<(), FirmwareError> {
    match machine.apart_from(ram) {
        Err(PlatformError::InRam { what, registers, ram }) => {
            Err(FirmwareError::InRam { what, registers, ram })
        }
        _ => Ok(()),
    }
}

/// Who made the tables.
fn model(tables: &Tables<'_>) -> String {
    let (oem, table) = tables.maker();
    let text = |bytes| String::from_utf8_lossy(bytes).trim_matches([' ', '\0']).into();
    let (oem, table): (String, String) = (text(oem), text(table));
    plain(&format!("ACPI: {oem} {table}"))
}
