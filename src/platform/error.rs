//! Why a device tree, or what it points to, describes no machine that the kernel can run on.

use alloc::string::String;
use core::fmt;

use super::dt::{LimitError, OF_ALL};
use super::firmware::FirmwareError;
use crate::cpu::TopologyError;
use crate::fdt::{AddressError, FdtError};
use crate::memory::Range;

/// What the device tree lacks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PlatformError {
    /// The tree is not well-formed.
    Fdt(FdtError),
    /// No memory node has a range that can be used.
    NoMemory,
    /// The root counts cells in a way that fits no address, so that nothing below it can be read.
    RootCells(&'static str),
    /// It is not known which RAM may be used, or none may be.
    Usable(LimitError),
    /// Registers lie in RAM: one of the two is wrong.
    InRam {
        /// Whose registers.
        what: &'static str,
        /// The registers.
        registers: Range,
        /// The RAM.
        ram: Range,
    },
    /// A reservation cannot be read, so no memory can be given out safely.
    Reserved {
        /// The node.
        node: String,
        /// What is wrong with the reservation.
        why: AddressError,
    },
    /// No node has PSCI.
    NoPsci,
    /// Only PSCI 0.1 is there, which has no standard function numbers.
    PsciTooOld(String),
    /// `method` is neither `hvc` nor `smc`.
    PsciMethod(String),
    /// There is no interrupt controller that has a driver.
    NoGic,
    /// The interrupt controller's registers cannot be found.
    Gic {
        /// The node.
        node: String,
        /// What is wrong with the node's addresses.
        why: AddressError,
    },
    /// There is no generic timer.
    NoTimer,
    /// An interrupt of the generic timer cannot be used.
    Timer {
        /// The node.
        node: String,
        /// Which interrupt.
        interrupt: &'static str,
    },
    /// The CPUs make no sense.
    Cpus(TopologyError),
    /// Firmware's tables, to which the tree points, make no sense.
    Firmware(FirmwareError),
}

impl From<FirmwareError> for PlatformError {
    fn from(error: FirmwareError) -> Self {
        Self::Firmware(error)
    }
}

impl From<FdtError> for PlatformError {
    fn from(error: FdtError) -> Self {
        Self::Fdt(error)
    }
}

impl From<TopologyError> for PlatformError {
    fn from(error: TopologyError) -> Self {
        Self::Cpus(error)
    }
}

impl fmt::Display for PlatformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Firmware(why) = self {
            return write!(f, "firmware: {why}");
        }
        f.write_str("device tree: ")?;
        match self {
            Self::Firmware(_) => Ok(()),
            Self::Fdt(e) => write!(f, "{e}; pass the address of an intact tree in x0"),
            Self::NoMemory => {
                f.write_str("no memory node has a range that can be used; add one with reg")
            }
            Self::RootCells(name) => {
                write!(f, "{name} of the root is not 1 or 2, so no address can be read; correct it")
            }
            Self::Usable(LimitError::Form(why @ AddressError::Length { .. })) => {
                write!(f, "/chosen: {why}; correct it, no other memory may be used")
            }
            Self::Usable(why) => {
                write!(f, "/chosen: {OF_ALL}: {why}; correct it, no other memory may be used")
            }
            Self::InRam { what, registers, ram } => write!(
                f,
                "{what}'s registers at {registers} lie in RAM at {ram}; correct the memory node"
            ),
            Self::Reserved { node, why } => {
                write!(f, "{node}: {why}; correct it, memory cannot be given out around it")
            }
            Self::NoPsci => f.write_str(
                "no PSCI node, so no CPU can be started or stopped; use firmware that has PSCI",
            ),
            Self::PsciTooOld(node) => {
                write!(f, "{node}: only PSCI 0.1; use firmware that has PSCI 0.2 or later")
            }
            Self::PsciMethod(node) => write!(f, "{node}: method is neither hvc nor smc"),
            Self::NoGic => f.write_str("no interrupt controller that is a GICv2 or GICv3"),
            Self::Gic { node, why } => write!(f, "{node}: {why}; the GIC cannot be found"),
            Self::NoTimer => f.write_str("no generic timer (arm,armv8-timer)"),
            Self::Timer { node, interrupt } => {
                write!(f, "{node}: no usable {interrupt} timer interrupt")
            }
            Self::Cpus(e) => write!(f, "/cpus: {e}"),
        }
    }
}
