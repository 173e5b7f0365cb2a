//! The console that firmware uses (Microsoft "Serial Port Console Redirection Table").

use super::{Address, Kind, Port};
use crate::platform::firmware::FirmwareError;
use crate::platform::firmware::read;
use crate::platform::firmware::tables::{SPCR, Tables};

/// Interrupt type: an interrupt of a GIC.
const GIC: u8 = 1 << 3;

/// The port; `None` if there is no such table, or the table says that there is no console.
pub fn port(tables: &Tables<'_>) -> Result<Option<Port>, FirmwareError> {
    let Some(table) = tables.find(SPCR)? else { return Ok(None) };
    let part = FirmwareError::Part { table: table.name, offset: 40 };
    let address = Address::at(table.bytes, 40).ok_or(part)?;
    if address.base == 0 {
        return Ok(None);
    }
    if address.space != 0 {
        let (field, value) = ("the address space", u64::from(address.space));
        return Err(FirmwareError::Field { table: table.name, field, value });
    }
    // Before revision 2 there are two types alone, both 16550s.
    let kind = u16::from(table.field(read::u8, 36)?);
    let has_interrupt = table.field(read::u8, 52)? & GIC != 0;
    let gsiv = read::u32(table.bytes, 54).filter(|_| has_interrupt);
    let kind = Kind::of(kind, &address);
    Ok(Some(Port { table: table.name, base: address.base, kind, gsiv }))
}
