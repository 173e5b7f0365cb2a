//! Where UEFI's tables are, as `/chosen` says (Linux `Documentation/arch/arm/uefi.rst`).

use super::FirmwareError;
use crate::fdt::Properties;

/// The memory map in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapAt {
    /// Physical address.
    pub at: u64,
    /// Bytes.
    pub size: u64,
    /// Bytes from one entry to the next.
    pub stride: u64,
    /// Version of an entry.
    pub version: u64,
}

/// What `/chosen` says of UEFI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// Physical address of the system table.
    pub system_table: u64,
    /// The memory map.
    pub map: MapAt,
}

const NAMES: [&str; 5] = [
    "linux,uefi-system-table",
    "linux,uefi-mmap-start",
    "linux,uefi-mmap-size",
    "linux,uefi-mmap-desc-size",
    "linux,uefi-mmap-desc-ver",
];

impl Envelope {
    /// Reads `/chosen`; `None` if it says nothing of a memory map. A system table alone says nothing of
    /// the machine, and Linux, too, goes by the tree then.
    ///
    /// # Errors
    /// It says a part: memory that the map would take must not be given out.
    pub fn of<'t>(chosen: impl Properties<'t>) -> Option<Result<Self, FirmwareError>> {
        let any = NAMES[1..].iter().any(|name| chosen.has(name));
        any.then(|| {
            let number = |name| chosen.number(name).ok_or(FirmwareError::Chosen(name));
            let [system_table, at, size, stride, version] = NAMES.map(number);
            let map = MapAt { at: at?, size: size?, stride: stride?, version: version? };
            Ok(Self { system_table: system_table?, map })
        })
    }
}
