//! CPUs and interrupt controllers (ACPI specification 6.5, 5.2.12). The table is a row of parts, each
//! with its type and its length. An impossible length ends the reading with an error, since
//! nothing says where the next part begins. Nothing here but [`cpus`] allocates.

pub mod cpus;
pub mod gic;

use super::FirmwareError;
use super::read;
use super::tables::{MADT, Table, Tables};

/// Types of parts.
const GICC: u8 = 0x0b;
const GICD: u8 = 0x0c;
const GICR: u8 = 0x0e;

/// Where the parts begin.
const PARTS: usize = 44;

/// Least bytes of a GICC part, of ACPI 5.1; later versions have more.
const GICC_BYTES: usize = 76;

/// Flags of a CPU: there is one, and it can be started; there may be one later.
const ENABLED: u32 = 1;
const ONLINE_CAPABLE: u32 = 1 << 3;

/// The table, whose parts are all in bounds.
#[derive(Clone, Copy, Debug)]
pub struct Madt<'p>(Table<'p>);

/// One part.
#[derive(Clone, Copy, Debug)]
struct Part<'p> {
    kind: u8,
    /// All of it.
    bytes: &'p [u8],
    /// Where it is in the table.
    offset: usize,
}

impl<'p> Madt<'p> {
    /// Reads the table.
    ///
    /// # Errors
    /// [`FirmwareError`] if it is not there, or the length of a part can't be.
    pub fn read(tables: &Tables<'p>) -> Result<Self, FirmwareError> {
        let table = tables.need(MADT)?;
        let mut offset = PARTS;
        while offset < table.bytes.len() {
            offset += length_at(&table, offset)?;
        }
        Ok(Self(table))
    }

    fn parts(&self, kind: u8) -> impl Iterator<Item = Part<'p>> + Clone + use<'p> {
        let table = self.0;
        let part = move |offset: usize| {
            let length = length_at(&table, offset).ok()?;
            let bytes = &table.bytes[offset..offset + length];
            Some(Part { kind: bytes[0], bytes, offset })
        };
        let parts = core::iter::successors(part(PARTS), move |p| part(p.offset + p.bytes.len()));
        parts.filter(move |part| part.kind == kind)
    }

    /// The CPUs, those that are not there included.
    pub fn cpus(&self) -> impl Iterator<Item = Gicc> + Clone + use<'p> {
        self.parts(GICC).filter_map(|part| Gicc::of(&part))
    }

    /// Offsets of CPUs whose part is too short.
    fn short(&self) -> impl Iterator<Item = (usize, usize)> + use<'p> {
        let parts = self.parts(GICC).map(|part| (part.offset, part.bytes.len()));
        parts.filter(|(_, bytes)| *bytes < GICC_BYTES)
    }
}

/// Bytes of the part at an offset, which are all in the table.
fn length_at(table: &Table<'_>, offset: usize) -> Result<usize, FirmwareError> {
    let part = FirmwareError::Part { table: table.name, offset };
    let length = usize::from(read::u8(table.bytes, offset + 1).ok_or(part)?);
    let fits = length >= 2 && length <= table.bytes.len() - offset;
    fits.then_some(length).ok_or(part)
}

/// A CPU's interface: a CPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gicc {
    /// The name of the CPU in ACPI's tables.
    pub uid: u32,
    flags: u32,
    /// GICv2: registers of the CPU interface.
    interface: u64,
    /// GICv3: the CPU's redistributor; 0 if that is in a range of many.
    redistributor: u64,
    /// As in a tree's `reg`.
    mpidr: u64,
}

impl Gicc {
    fn of(Part { bytes, .. }: &Part<'_>) -> Option<Self> {
        if bytes.len() < GICC_BYTES {
            return None;
        }
        Some(Self {
            uid: read::u32(bytes, 8)?,
            flags: read::u32(bytes, 12)?,
            interface: read::u64(bytes, 32)?,
            redistributor: read::u64(bytes, 60)?,
            mpidr: read::u64(bytes, 68)?,
        })
    }

    fn is_enabled(&self) -> bool {
        self.flags & ENABLED != 0
    }

    fn may_come(&self) -> bool {
        !self.is_enabled() && self.flags & ONLINE_CAPABLE != 0
    }
}
