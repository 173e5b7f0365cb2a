//! What can be wrong with a request about an interrupt.

use alloc::string::String;
use core::fmt;

use crate::cpu::{CpuId, CpuMask};
use crate::machine::StepError;
use crate::machine::irq::{Route, RouteError};

/// Why a request about an interrupt was refused; nothing has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IrqError {
    /// The number is not that of a shared interrupt that this kernel routes.
    NotShared(u32),
    /// The interrupt is in use already, by the device of this name.
    Taken(u32, String),
    /// The interrupt is not in use.
    Unknown(u32),
    /// None of the CPUs is online.
    NobodyOnline(u32, CpuMask),
    /// The device of this name can be served by these CPUs only.
    Bound(u32, String, CpuMask),
    /// No CPU stays at all.
    NobodyStays,
    /// The route did not read back as written.
    Route {
        /// The interrupt.
        intid: u32,
        /// The device's name.
        name: String,
        /// The CPU of the route as written.
        to: CpuId,
        /// The CPU of the route as read back, if it is a CPU of this machine.
        is: Option<CpuId>,
    },
    /// These CPUs may still run the action.
    StillRunning(u32, CpuMask),
}

impl IrqError {
    pub(super) fn route(name: String, route: Route, error: RouteError) -> Self {
        Self::Route { intid: error.intid, name, to: route.to.cpu(), is: error.is }
    }
}

impl fmt::Display for IrqError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotShared(intid) => {
                write!(
                    f,
                    "interrupt {intid} can't be routed: it is no SPI that the distributor has"
                )
            }
            Self::Taken(intid, name) => write!(f, "interrupt {intid} belongs to {name} already"),
            Self::Unknown(intid) => {
                write!(f, "nobody uses interrupt {intid}; `irqs` lists those in use")
            }
            Self::NobodyOnline(intid, cpus) => write!(
                f,
                "interrupt {intid} stays where it is: none of the CPUs {} is online; `cpus` shows \
                 each CPU's mark",
                cpus.ranges()
            ),
            Self::Bound(intid, name, cpus) => write!(
                f,
                "interrupt {intid} ({name}) can be served by CPUs {} only, where its device is",
                cpus.ranges()
            ),
            Self::NobodyStays => f.write_str("no CPU stays that could take interrupts"),
            Self::Route { intid, name, to, is } => {
                write!(f, "interrupt {intid} ({name}) does not go to CPU {to}: its route reads ")?;
                match is {
                    Some(cpu) => write!(f, "CPU {cpu}; no interrupt was moved"),
                    None => f.write_str("no CPU of this machine; no interrupt was moved"),
                }
            }
            Self::StillRunning(intid, cpus) => write!(
                f,
                "the handler of interrupt {intid} may still run on CPUs {}; the interrupt is masked",
                cpus.ranges()
            ),
        }
    }
}

impl core::error::Error for IrqError {}

impl From<IrqError> for StepError {
    fn from(_: IrqError) -> Self {
        Self::RouteRejected
    }
}
