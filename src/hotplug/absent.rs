//! CPUs that the tree lists and firmware does not know: a tree for a larger machine, or a virtual
//! CPU that the hypervisor has not made.

use super::Hotplug;
use crate::cpu::{CpuId, CpuMask};
use crate::machine::{PsciError, Seam};
use crate::trace::Mark;

impl Hotplug {
    /// True if firmware does not know this CPU: it has never been on for this kernel, AFFINITY_INFO
    /// says INVALID_PARAMETERS or NOT_PRESENT, and so did CPU_ON, if it was asked. Such a CPU is in
    /// no kernel's way. A CPU that was on once is not absent, whatever firmware says of it later.
    pub fn is_absent(&self, m: &dyn Seam, cpu: CpuId) -> bool {
        let cell = self.cell(cpu);
        cell.mark() == Mark::Offline
            && !cell.was_on()
            && cell.refusal().is_none_or(unknown)
            && m.affinity_info(cpu).is_err_and(unknown)
    }

    /// The CPUs that are absent.
    pub fn absent(&self, m: &dyn Seam) -> CpuMask {
        self.topology.cpus().filter(|&cpu| self.is_absent(m, cpu)).collect()
    }
}

/// True if this is what firmware says of a CPU that it does not know (Arm DEN 0022, 5.6 CPU_ON and
/// 5.7 AFFINITY_INFO).
fn unknown(error: PsciError) -> bool {
    matches!(error, PsciError::InvalidParameters | PsciError::NotPresent)
}
