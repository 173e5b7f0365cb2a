//! Ports for a debugger (Microsoft "Debug Port Table 2").

use super::{Address, Kind, Port};
use crate::platform::firmware::FirmwareError;
use crate::platform::firmware::read;
use crate::platform::firmware::tables::{DBG2, Table, Tables};

/// Type of a port: a UART.
const SERIAL: u16 = 0x8000;

/// Bytes of a device before what its offsets point to.
const DEVICE: usize = 22;

/// The UARTs; `None` if there is no such table. A device whose length can't be ends the table.
pub fn ports<'p>(
    tables: &Tables<'p>,
) -> Result<Option<impl Iterator<Item = Port> + use<'p>>, FirmwareError> {
    let Some(table) = tables.find(DBG2)? else { return Ok(None) };
    let offset = table.field(read::u32, 36)? as usize;
    let count = table.field(read::u32, 40)? as usize;
    let devices = core::iter::successors(device(&table, offset), move |(offset, bytes)| {
        device(&table, offset + bytes.len())
    });
    Ok(Some(devices.take(count).filter_map(move |(_, bytes)| port(&table, bytes))))
}

/// The device at an offset.
fn device<'p>(table: &Table<'p>, offset: usize) -> Option<(usize, &'p [u8])> {
    let rest = table.bytes.get(offset..)?;
    let length = usize::from(read::u16(rest, 1)?);
    Some((offset, rest.get(..length).filter(|device| device.len() >= DEVICE)?))
}

fn port(table: &Table<'_>, device: &[u8]) -> Option<Port> {
    let (kind, subtype) = (read::u16(device, 12)?, read::u16(device, 14)?);
    let address = Address::at(device, usize::from(read::u16(device, 18)?))?;
    let usable = kind == SERIAL && read::u8(device, 3)? > 0 && address.space == 0;
    let port = Port {
        table: table.name,
        base: address.base,
        kind: Kind::of(subtype, &address),
        gsiv: None,
    };
    (usable && address.base != 0).then_some(port)
}
