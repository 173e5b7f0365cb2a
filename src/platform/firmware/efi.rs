//! What UEFI leaves to a kernel: the system table, its configuration tables, and the memory map (UEFI
//! specification 2.10, chapters 4 and 7.2). Nothing here allocates.

mod chosen;
mod map;
mod memreserve;
mod targets;

pub use chosen::{Envelope, MapAt};
pub use map::{Entry, MemoryMap, VERSION};

use super::FirmwareError;
use super::read;
use crate::memory::{Physical, Range};

/// "IBI SYST".
const SIGNATURE: [u8; 8] = *b"IBI SYST";

/// Bytes of the system table, up to the pointer to the configuration tables.
const SYSTEM_TABLE: usize = 120;

/// Configuration tables that a system has at most: more than any has.
const MAX_TABLES: u64 = 1024;

/// Bytes of an entry of the array of configuration tables.
const ENTRY: usize = 24;

/// A GUID as it lies in memory.
pub type Guid = [u8; 16];

/// The first three fields of a GUID are little-endian numbers.
pub(super) const fn guid(a: u32, b: u16, c: u16, d: [u8; 8]) -> Guid {
    let ([a0, a1, a2, a3], [b0, b1], [c0, c1]) =
        (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());
    [a0, a1, a2, a3, b0, b1, c0, c1, d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]]
}

/// EFI_ACPI_20_TABLE_GUID.
const ACPI_20: Guid =
    guid(0x8868e871, 0xe4f1, 0x11d3, [0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81]);

/// LINUX_EFI_INITRD_MEDIA_GUID.
const INITRD: Guid =
    guid(0x5568e427, 0x68fc, 0x4f3d, [0xac, 0x74, 0xca, 0x55, 0x52, 0x31, 0xcc, 0x68]);

/// UEFI's memory map and configuration tables. Reads memory only where the map says that there is
/// any.
#[derive(Clone, Copy)]
pub struct Efi<'p> {
    /// The memory map.
    pub map: MemoryMap<'p>,
    /// Where the map itself lies.
    pub map_at: Range,
    physical: &'p dyn Physical,
    /// The array of configuration tables.
    tables: &'p [u8],
}

impl<'p> Efi<'p> {
    /// Reads what `/chosen` points to.
    ///
    /// # Errors
    /// [`FirmwareError`] if a table is not there, or not what it should be.
    pub fn open(envelope: &Envelope, physical: &'p dyn Physical) -> Result<Self, FirmwareError> {
        let (map, map_at) = MemoryMap::open(&envelope.map, physical)?;
        let mut efi = Self { map, map_at, physical, tables: &[] };
        // What follows is read where the map has memory, and so has to be the map's own place.
        efi.read("UEFI memory map", map_at.start, envelope.map.size as usize)?;
        efi.tables = efi.configuration(envelope.system_table)?;
        Ok(efi)
    }

    /// The array that the system table points to.
    fn configuration(&self, at: u64) -> Result<&'p [u8], FirmwareError> {
        let table = "UEFI system table";
        let system = self.read(table, at, SYSTEM_TABLE)?;
        if read::array(system, 0) != Some(SIGNATURE) {
            return Err(FirmwareError::Signature { table, at });
        }
        let (count, array) = (read::u64(system, 104), read::u64(system, 112));
        let (count, array) = (count.unwrap_or_default(), array.unwrap_or_default());
        if count > MAX_TABLES {
            let field = "the number of configuration tables";
            return Err(FirmwareError::Field { table, field, value: count });
        }
        let array = self.map.to_physical(array);
        self.read("UEFI configuration tables", array, count as usize * ENTRY)
    }

    /// Bytes of a table.
    ///
    /// # Errors
    /// [`FirmwareError::Unreadable`] if not all of them are memory.
    pub fn read(
        &self,
        table: &'static str,
        at: u64,
        len: usize,
    ) -> Result<&'p [u8], FirmwareError> {
        self.bytes(at, len).ok_or(FirmwareError::Unreadable { table, at })
    }

    /// Bytes, if all of them are memory.
    pub fn bytes(&self, at: u64, len: usize) -> Option<&'p [u8]> {
        let range = Range::sized(at, len as u64)?;
        self.map.is_memory(range).then(|| self.physical.bytes(at, len)).flatten()
    }

    /// GUID and physical address of each configuration table.
    pub fn tables(&self) -> impl Iterator<Item = (Guid, u64)> + Clone + use<'p> {
        let entries = self.tables.chunks_exact(ENTRY);
        entries.filter_map(|entry| Some((read::array(entry, 0)?, read::u64(entry, 16)?)))
    }

    fn table(&self, guid: Guid) -> Option<u64> {
        self.tables().find(|(found, _)| *found == guid).map(|(_, at)| at)
    }

    /// Where LINUX_EFI_INITRD_MEDIA lies: place and size of the initrd of a Linux that UEFI has started.
    pub fn initrd_table(&self) -> Option<u64> {
        self.table(INITRD)
    }

    /// Where LINUX_EFI_RANDOM_SEED lies.
    pub fn seed_table(&self) -> Option<u64> {
        self.table(targets::RANDOM_SEED)
    }

    /// Where the root of LINUX_EFI_MEMRESERVE lies.
    pub fn memreserve_table(&self) -> Option<u64> {
        self.table(memreserve::MEMRESERVE)
    }

    /// Where ACPI's root pointer lies.
    ///
    /// # Errors
    /// There is none.
    pub fn root_pointer(&self) -> Result<u64, FirmwareError> {
        self.table(ACPI_20).ok_or(FirmwareError::Missing("ACPI root pointer (RSDP)"))
    }

    /// Calls `f` with everything in RAM that is not free, and with what it is: the map itself, what
    /// Linux has reserved for good, what configuration tables point to, and what other parts of the
    /// map say of RAM.
    ///
    /// # Errors
    /// What Linux has reserved cannot be read: no memory can be given out safely. `f` has then been
    /// called with a part.
    pub fn each_taken(&self, f: &mut dyn FnMut(Taken, Range)) -> Result<(), FirmwareError> {
        f(Taken::Map, self.map_at);
        self.map.closed().for_each(|range| f(Taken::Closed, range));
        self.each_target(&mut |range| f(Taken::Table, range));
        self.each_memreserve(&mut |range| f(Taken::MemReserve, range))
    }
}

/// Why memory is not free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// The memory map lies there.
    Map,
    /// An entry of the map that is no RAM lies over one that is.
    Closed,
    /// A configuration table lies there, which the next kernel reads.
    Table,
    /// An earlier kernel has reserved it for good.
    MemReserve,
}

impl Taken {
    /// What its reservation is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Map => "UEFI memory map",
            Self::Closed => "no RAM of the UEFI memory map",
            Self::Table => "UEFI configuration table",
            Self::MemReserve => "LINUX_EFI_MEMRESERVE",
        }
    }
}
