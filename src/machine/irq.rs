//! Shared peripheral interrupts, as routed by the distributor.

use core::fmt;

use super::StepError;
use crate::cpu::{CpuId, Target};
use crate::interrupt::{Interrupt, Trigger};

/// Where one interrupt is to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// Interrupt number of the architecture (an SPI has 32 and more).
    pub intid: u32,
    /// The CPU that is to take the interrupt.
    pub to: Target,
    /// Enabled afterwards, or masked: an arrival while masked stays pending.
    pub enable: bool,
}

/// A route that did not read back as written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RouteError {
    /// Which interrupt.
    pub intid: u32,
    /// The present destination, if that is a CPU of this machine.
    pub is: Option<CpuId>,
}

/// What the distributor says of one interrupt.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Status {
    /// The interrupt waits for its CPU.
    pub pending: bool,
    /// A CPU has acknowledged the interrupt and not ended it.
    pub active: bool,
    /// The interrupt may be forwarded.
    pub enabled: bool,
    /// The configured trigger.
    pub trigger: Trigger,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pending = if self.pending { "pending" } else { "not pending" };
        let active = if self.active { ", active" } else { "" };
        let enabled = if self.enabled { "enabled" } else { "masked" };
        write!(f, "{pending}{active}, {enabled}, {}", self.trigger.name())
    }
}

/// Counts of the interrupts that each CPU has of its own.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Private {
    /// IPIs from other CPUs (SGI 0).
    pub ipis: u64,
    /// Deadlines of the virtual timer.
    pub timer: u64,
}

impl From<RouteError> for StepError {
    fn from(_: RouteError) -> Self {
        Self::RouteRejected
    }
}

/// Shared interrupts.
pub trait IrqChip {
    /// Makes an interrupt known to the distributor: its priority, and its trigger. The interrupt is
    /// masked and not pending, as before the first route and after a free: the architecture does
    /// not define what becomes of an interrupt that is pending when its trigger changes (IHI 0069
    /// 12.9.9). What was set is taken back by [`Self::quiesce`]. Boot CPU, in ordinary context; not
    /// between the command to jump and the jump.
    fn configure(&self, interrupt: Interrupt);

    /// Applies all routes of interrupts that are configured in one pass: every one of them
    /// disabled, one wait until the distributor has done that, then each is routed, read back, and
    /// enabled again where asked. An interrupt that arrives in between stays pending. Boot CPU, or
    /// the leaving CPU for an interrupt that only the leaving CPU may move. Never from a handler.
    ///
    /// # Errors
    /// The first route that did not take; all others are applied, and the failed one is enabled
    /// again on its old CPU.
    fn apply(&self, routes: &[Route]) -> Result<(), RouteError>;

    /// The CPU that the distributor routes an interrupt to, read from the hardware; `None` if that
    /// is no CPU of this machine.
    fn route_of(&self, intid: u32) -> Option<CpuId>;

    /// Enables or masks one interrupt, and waits until that holds. Any CPU, not from a handler of
    /// another interrupt.
    fn enable(&self, intid: u32, on: bool);

    /// Makes an interrupt pending, as its line would. Any CPU.
    fn pend(&self, intid: u32);

    /// What the distributor says of an interrupt. Any CPU.
    fn status_of(&self, intid: u32) -> Status;

    /// True if the interrupt is pending in the distributor.
    fn pending(&self, intid: u32) -> bool {
        self.status_of(intid).pending
    }

    /// One past the last shared interrupt that the distributor reports. Some distributors accept
    /// writes for interrupts beyond, which then stay in a group that is never enabled.
    fn shared_end(&self) -> u32 {
        1020
    }

    /// How often this CPU's own interrupts were taken, over all CPUs. Any CPU; sums of counts that
    /// go on changing.
    fn private_taken(&self) -> Private;

    /// Redistributors on which an earlier kernel left LPIs enabled that can't be turned off: these
    /// LPIs stay on, and the memory of their tables stays reserved (IHI 0069 5.1).
    fn lpis_left_on(&self) -> usize;

    /// Leaves nothing that could interrupt the next kernel, and all as after power-on: the last
    /// acts of console, timer and interrupt controller, the boot CPU's registers. Devices that act
    /// on their own have been stopped before ([`Driver`](super::quiesce::Driver)). Boot CPU, last
    /// act before the jump. Can't fail: a part that does not settle in time is left so.
    fn quiesce(&self);
}
