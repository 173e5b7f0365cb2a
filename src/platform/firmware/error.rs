//! Why firmware's tables describe no machine that the kernel can run on.

use core::fmt;

use crate::cpu::TopologyError;
use crate::memory::Range;

/// What firmware's tables lack. A table is named by its signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FirmwareError {
    /// `/chosen` has a part of what a kernel needs to find firmware's tables, but not this property.
    Chosen(&'static str),
    /// A table cannot be read where it is said to be.
    Unreadable {
        /// The table.
        table: &'static str,
        /// Where it is said to be.
        at: u64,
    },
    /// What lies there is another table, or none.
    Signature {
        /// The table.
        table: &'static str,
        /// Where.
        at: u64,
    },
    /// A table has been changed, or was never whole.
    Checksum {
        /// The table.
        table: &'static str,
        /// Where.
        at: u64,
    },
    /// A number in a table is impossible.
    Field {
        /// The table.
        table: &'static str,
        /// The field.
        field: &'static str,
        /// What it says.
        value: u64,
    },
    /// A part of a table is shorter than its own header, or longer than the table.
    Part {
        /// The table.
        table: &'static str,
        /// The offset of the part.
        offset: usize,
    },
    /// There is no such table.
    Missing(&'static str),
    /// The memory map has no RAM that can be used.
    NoMemory,
    /// ACPI before 5.1.
    TooOld {
        /// FADT major version.
        major: u8,
        /// FADT minor version.
        minor: u8,
    },
    /// The hardware is not of the reduced profile.
    NotReduced,
    /// The firmware has no PSCI.
    NoPsci,
    /// An interrupt of the generic timer cannot be used.
    Timer {
        /// Which one.
        interrupt: &'static str,
        /// Its number.
        gsiv: u32,
    },
    /// There is no interrupt controller that has a driver.
    NoGic,
    /// The reservations of LINUX_EFI_MEMRESERVE have no end.
    Endless,
    /// Registers lie in RAM: one of the two is wrong.
    InRam {
        /// Whose registers.
        what: &'static str,
        /// The registers.
        registers: Range,
        /// The RAM.
        ram: Range,
    },
    /// The CPUs make no sense.
    Cpus(TopologyError),
}

impl fmt::Display for FirmwareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen(name) => write!(
                f,
                "/chosen lacks {name}, or it is no number; pass all of linux,uefi-system-table and linux,uefi-mmap-*"
            ),
            Self::Unreadable { table, at } => {
                write!(f, "{table}: not in memory at {at:#x}; update the firmware")
            }
            Self::Signature { table, at } => {
                write!(f, "{table}: what lies at {at:#x} has another signature; update the firmware")
            }
            Self::Checksum { table, at } => {
                write!(f, "{table} at {at:#x}: the checksum is wrong; boot anew, or update the firmware")
            }
            Self::Field { table, field, value } => {
                write!(f, "{table}: {field} is {value:#x}, which can't be; update the firmware")
            }
            Self::Part { table, offset } => write!(
                f,
                "{table}: the length of the part at offset {offset:#x} can't be; update the firmware"
            ),
            Self::Missing(table) => write!(f, "there is no {table}; update the firmware"),
            Self::NoMemory => f.write_str("UEFI memory map: it has no RAM that can be used"),
            Self::TooOld { major, minor } => {
                write!(f, "FADT: ACPI {major}.{minor}; use firmware that has 5.1 or later")
            }
            Self::NotReduced => f.write_str(
                "FADT: the hardware is not of the reduced profile, which Arm asks for; use a device tree",
            ),
            Self::NoPsci => f.write_str(
                "FADT: no PSCI, so no CPU can be started or stopped; use firmware that has PSCI",
            ),
            Self::Timer { interrupt, gsiv } => {
                write!(f, "GTDT: the {interrupt} timer's interrupt {gsiv} is no private one")
            }
            Self::NoGic => f.write_str("MADT: no interrupt controller that is a GICv2 or GICv3"),
            Self::Endless => f.write_str(
                "LINUX_EFI_MEMRESERVE: its elements have no end, and memory cannot be given out around them; boot anew",
            ),
            Self::InRam { what, registers, ram } => write!(
                f,
                "{what}'s registers at {registers} lie in RAM at {ram} of the UEFI memory map; update the firmware"
            ),
            Self::Cpus(why) => write!(f, "MADT: {why}"),
        }
    }
}
