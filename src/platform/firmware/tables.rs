//! ACPI's tables, from the root pointer on (ACPI specification 6.5, 5.2.5 to 5.2.8). A table is used
//! only if its length and its checksum are right. Nothing here allocates.

use super::efi::Efi;
use super::{FirmwareError, read};

/// Bytes of the header of every table.
pub const HEADER: usize = 36;

/// Most bytes of the table of tables, of most tables, and of one with code.
const MAX_ROOT: usize = 16 << 10;
const MAX_TABLE: usize = 1 << 20;
const MAX_CODE: usize = 4 << 20;

/// A signature, and what the table is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name {
    signature: [u8; 4],
    name: &'static str,
    most: usize,
}

const fn name(signature: &[u8; 4], name: &'static str) -> Name {
    Name { signature: *signature, name, most: MAX_TABLE }
}

/// Fixed ACPI description.
pub const FADT: Name = name(b"FACP", "FADT");
/// CPUs and interrupt controllers.
pub const MADT: Name = name(b"APIC", "MADT");
/// The generic timer.
pub const GTDT: Name = name(b"GTDT", "GTDT");
/// The console.
pub const SPCR: Name = name(b"SPCR", "SPCR");
/// Ports for a debugger.
pub const DBG2: Name = name(b"DBG2", "DBG2");
/// Devices, and more devices.
pub const DSDT: Name = Name { most: MAX_CODE, ..name(b"DSDT", "DSDT") };
pub const SSDT: Name = Name { most: MAX_CODE, ..name(b"SSDT", "SSDT") };
const XSDT: Name = Name { most: MAX_ROOT, ..name(b"XSDT", "XSDT") };

/// A table that is whole.
#[derive(Clone, Copy, Debug)]
pub struct Table<'p> {
    /// All of it, the header included; [`HEADER`] bytes at least.
    pub bytes: &'p [u8],
    /// What it is called.
    pub name: &'static str,
}

impl Table<'_> {
    /// A number of the table that must be there.
    ///
    /// # Errors
    /// The table ends before.
    pub fn field<T>(
        &self,
        number: impl FnOnce(&[u8], usize) -> Option<T>,
        at: usize,
    ) -> Result<T, FirmwareError> {
        number(self.bytes, at).ok_or(FirmwareError::Part { table: self.name, offset: at })
    }

    /// Major version.
    pub fn revision(&self) -> u8 {
        self.bytes[8]
    }
}

/// All tables that the root pointer leads to.
#[derive(Clone, Copy)]
pub struct Tables<'p> {
    efi: Efi<'p>,
    root: Table<'p>,
}

impl<'p> Tables<'p> {
    /// Reads the root pointer and the table of tables.
    ///
    /// # Errors
    /// [`FirmwareError`] if there is none, or if it is not whole.
    pub fn open(efi: Efi<'p>) -> Result<Self, FirmwareError> {
        let at = efi.root_pointer()?;
        let root = root_pointer(&efi, at)?;
        Ok(Self { efi, root: table(&efi, XSDT, root)? })
    }

    /// Who made the tables: OEM and OEM's name of the table of tables.
    pub fn maker(&self) -> (&'p [u8], &'p [u8]) {
        (&self.root.bytes[10..16], &self.root.bytes[16..24])
    }

    /// Where tables are said to be.
    fn addresses(&self) -> impl Iterator<Item = u64> + use<'p> {
        let entries = self.root.bytes[HEADER..].as_chunks::<8>().0;
        entries.iter().map(|entry| u64::from_le_bytes(*entry)).filter(|&at| at != 0)
    }

    /// Addresses at which no header can be read.
    pub fn unreadable(&self) -> impl Iterator<Item = u64> + use<'p> {
        let efi = self.efi;
        self.addresses().filter(move |&at| efi.bytes(at, HEADER).is_none())
    }

    /// All tables of a name. One that is not whole is an error in its place.
    pub fn all(
        &self,
        wanted: Name,
    ) -> impl Iterator<Item = Result<Table<'p>, FirmwareError>> + use<'p> {
        let efi = self.efi;
        let is = move |at: &u64| {
            let header = efi.bytes(*at, HEADER);
            header.is_some_and(|header| header.starts_with(&wanted.signature))
        };
        self.addresses().filter(is).map(move |at| table(&efi, wanted, at))
    }

    /// The first table of a name; `None` if there is none.
    ///
    /// # Errors
    /// [`FirmwareError`] if it is not whole.
    pub fn find(&self, wanted: Name) -> Result<Option<Table<'p>>, FirmwareError> {
        self.all(wanted).next().transpose()
    }

    /// The first table of a name.
    ///
    /// # Errors
    /// [`FirmwareError`] if there is none, or if it is not whole.
    pub fn need(&self, wanted: Name) -> Result<Table<'p>, FirmwareError> {
        self.find(wanted)?.ok_or(FirmwareError::Missing(wanted.name))
    }

    /// The table of that name at an address that another table has.
    ///
    /// # Errors
    /// [`FirmwareError`] if it is not whole.
    pub fn at(&self, wanted: Name, at: u64) -> Result<Table<'p>, FirmwareError> {
        table(&self.efi, wanted, at)
    }
}

/// What the root pointer says: where the table of tables is.
fn root_pointer(efi: &Efi<'_>, at: u64) -> Result<u64, FirmwareError> {
    let table = "ACPI root pointer (RSDP)";
    let bytes = efi.read(table, at, 36)?;
    if !bytes.starts_with(b"RSD PTR ") {
        return Err(FirmwareError::Signature { table, at });
    }
    if !sums_up(&bytes[..20]) || !sums_up(bytes) {
        return Err(FirmwareError::Checksum { table, at });
    }
    let root = read::u64(bytes, 24).unwrap_or_default();
    if bytes[15] < 2 || root == 0 {
        return Err(FirmwareError::Field { table, field: "the address of the XSDT", value: root });
    }
    Ok(root)
}

/// A table, if it is whole.
fn table<'p>(efi: &Efi<'p>, wanted: Name, at: u64) -> Result<Table<'p>, FirmwareError> {
    let Name { signature, name: table, most } = wanted;
    let header = efi.read(table, at, HEADER)?;
    if !header.starts_with(&signature) {
        return Err(FirmwareError::Signature { table, at });
    }
    let length = read::u32(header, 4).unwrap_or_default();
    if !(HEADER..=most).contains(&(length as usize)) {
        let value = u64::from(length);
        return Err(FirmwareError::Field { table, field: "the length", value });
    }
    let bytes = efi.read(table, at, length as usize)?;
    match sums_up(bytes) {
        true => Ok(Table { bytes, name: table }),
        false => Err(FirmwareError::Checksum { table, at }),
    }
}

/// True if all bytes add up to zero.
fn sums_up(bytes: &[u8]) -> bool {
    bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)) == 0
}
