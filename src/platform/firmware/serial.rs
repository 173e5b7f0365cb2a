//! The console's UART: the one of SPCR, or else the first of DBG2 (Microsoft's documents of the two
//! tables), or else the first of the devices. Finding it allocates nothing.

mod dbg2;
mod spcr;

use core::fmt;

use super::FirmwareError;
use super::read;
use super::tables::Tables;
use crate::config::PHYSICAL_END;
use crate::memory::Range;
use crate::platform::Uart;

/// Bytes of a PL011's registers.
pub const PL011_BYTES: u64 = 0x1000;

/// What a port is. The width that a table gives is that of a 16550 alone: tables say 8 bits of a
/// PL011, which wants 32.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A UART that has a driver.
    Driven(Uart),
    /// A 16550, which has no driver yet.
    Ns16550 {
        /// Bytes from one register to the next.
        stride: u8,
        /// Bytes of one access.
        width: u8,
    },
    /// Something else, by the number of its type.
    Other(u16),
}

/// A port for a console.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Port {
    /// The table that names it.
    pub table: &'static str,
    /// Where its registers begin.
    pub base: u64,
    /// What it is.
    pub kind: Kind,
    /// Number of its interrupt, if the table has one.
    pub gsiv: Option<u32>,
}

/// A generic address (ACPI specification 6.5, 5.2.3.2).
#[derive(Clone, Copy, Debug)]
struct Address {
    /// 0 for memory.
    space: u8,
    /// Bits of a register.
    width: u8,
    /// 1 for bytes, then twice as much each; 0 if nothing is said.
    access: u8,
    base: u64,
}

impl Address {
    fn at(table: &[u8], offset: usize) -> Option<Self> {
        let byte = |at| read::u8(table, offset + at);
        let base = read::u64(table, offset + 4)?;
        Some(Self { space: byte(0)?, width: byte(1)?, access: byte(3)?, base })
    }
}

impl Kind {
    /// Of the number of a type, with the address of the registers.
    fn of(kind: u16, at: &Address) -> Self {
        match kind {
            0x00 | 0x01 => Self::Ns16550 { stride: at.access_bytes(), width: at.access_bytes() },
            0x12 => Self::Ns16550 { stride: at.width_bytes(), width: at.access_bytes() },
            0x05 => Self::Ns16550 { stride: 4, width: 4 },
            0x03 | 0x10 => Self::Driven(Uart::Pl011),
            0x0d | 0x0e => Self::Driven(Uart::Sbsa),
            other => Self::Other(other),
        }
    }
}

impl Address {
    fn access_bytes(&self) -> u8 {
        match self.access {
            2 => 2,
            3 => 4,
            _ => 1,
        }
    }

    fn width_bytes(&self) -> u8 {
        (self.width / 8).max(1)
    }
}

impl Port {
    /// The registers, if the UART has a driver.
    pub fn registers(&self) -> Option<Range> {
        let Kind::Driven(_) = self.kind else { return None };
        let range = Range::sized(self.base, PL011_BYTES)?;
        (range.end <= PHYSICAL_END && self.base != 0 && self.base.is_multiple_of(4))
            .then_some(range)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Driven(Uart::Pl011) => f.write_str("a PL011"),
            Self::Driven(Uart::Sbsa) => f.write_str("an SBSA UART"),
            Self::Ns16550 { stride, width } => {
                write!(f, "a 16550 (stride {stride}, accesses of {width} bytes)")
            }
            Self::Other(kind) => write!(f, "a port of type {kind:#x}"),
        }
    }
}

/// The ports of both tables, the better ones first. A table that is not whole is an error in its
/// place.
pub fn ports<'p>(
    tables: &Tables<'p>,
) -> impl Iterator<Item = Result<Port, FirmwareError>> + use<'p> {
    let spcr = spcr::port(tables).transpose().into_iter();
    let (dbg2, why) = match dbg2::ports(tables) {
        Ok(ports) => (ports, None),
        Err(why) => (None, Some(Err(why))),
    };
    spcr.chain(dbg2.into_iter().flatten().map(Ok)).chain(why)
}
