//! What `irqs` shows.

use alloc::string::String;

use super::SharedDescriptor;
use super::descriptor::IrqEntry;
use crate::cpu::{CpuId, CpuMask};

/// One interrupt as of now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// The interrupt's number.
    pub intid: u32,
    /// The device's name.
    pub name: String,
    /// CPUs that may take the interrupt, as the user wants.
    pub requested: CpuMask,
    /// The CPU that takes the interrupt; `None` while it is masked.
    pub effective: Option<CpuId>,
    /// True if a CPU outside `requested` takes the interrupt, because no CPU of `requested` is
    /// online.
    pub broken: bool,
    /// True if the interrupt came so often for nothing that it was turned off.
    pub silenced: bool,
    /// Times that the action found a reason.
    pub handled: u64,
    /// Times that the action found none.
    pub declined: u64,
}

/// How often one interrupt was handled.
pub struct IrqCounter(pub(super) SharedDescriptor);

impl IrqCounter {
    /// Times that the action found a reason. Any CPU, no lock.
    pub fn handled(&self) -> u64 {
        self.0.handled()
    }
}

impl Row {
    pub(super) fn of(entry: &IrqEntry) -> Self {
        let effective = entry.effective();
        Self {
            intid: entry.intid(),
            name: entry.name(),
            requested: entry.requested,
            effective,
            broken: effective.is_some_and(|cpu| !entry.requested.contains(cpu)),
            silenced: entry.silenced(),
            handled: entry.shared.handled(),
            declined: entry.shared.declined(),
        }
    }
}
