//! The generic timer's interrupts (ACPI specification 6.5, 5.2.25).

use super::FirmwareError;
use super::read;
use super::tables::{GTDT, Table, Tables};
use crate::interrupt::Interrupt;
use crate::platform::{Timer, Warnings, warn};

/// Flag of an interrupt: an edge.
const EDGE: u32 = 1;

/// Reads the table.
///
/// # Errors
/// [`FirmwareError`] if it is not there, or an interrupt that is needed is no private one.
pub fn timer(tables: &Tables<'_>, warnings: &mut Warnings) -> Result<Timer, FirmwareError> {
    let table = tables.need(GTDT)?;
    let needed = |interrupt, at| {
        let gsiv = table.field(read::u32, at)?;
        private(&table, at).ok_or(FirmwareError::Timer { interrupt, gsiv })
    };
    let hypervisor_ppi = private(&table, 72);
    // A machine without EL2 says 0.
    if hypervisor_ppi.is_none() && read::u32(table.bytes, 72).is_some_and(|gsiv| gsiv != 0) {
        warn(warnings, "GTDT", "no hypervisor timer interrupt");
    }
    Ok(Timer {
        physical_ppi: needed("physical", 56)?,
        virtual_ppi: needed("virtual", 64)?,
        hypervisor_ppi,
    })
}

/// The interrupt whose number is at an offset, with its flags behind the number; `None` if the
/// interrupt is not a private one of each CPU.
fn private(table: &Table<'_>, at: usize) -> Option<Interrupt> {
    let (gsiv, flags) = (read::u32(table.bytes, at)?, read::u32(table.bytes, at + 4)?);
    let edge = flags & EDGE != 0;
    let interrupt = if edge { Interrupt::edge(gsiv) } else { Interrupt::level(gsiv) };
    (16..32).contains(&gsiv).then_some(interrupt)
}
