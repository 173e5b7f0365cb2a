//! What the kernel before this one left behind: said once, after everything that is timed.

use alloc::format;
use alloc::string::String;

use super::{Kernel, Level};
use crate::cpu::{CpuId, CpuMask};
use crate::machine::Affinity;
use crate::trace::Mark;

impl Kernel {
    /// Says what was found turned on, and which CPUs run something that is not ours.
    pub(super) fn inherited(&mut self) {
        for warning in self.board.inherited().warnings() {
            self.say(Level::Warning, &format!("before this kernel {warning}"));
        }
        self.lpis();
        self.foreign = self.find_foreign();
        self.say_foreign("it is left alone");
    }

    /// CPUs that did not come, or were not asked, and that firmware says are not OFF: nobody has
    /// turned them on in this kernel, and none of the kernels before it has parked them.
    fn find_foreign(&self) -> CpuMask {
        let on = |cpu: &CpuId| {
            self.hotplug.mark(*cpu) == Mark::Offline
                && !self.parked.contains(*cpu)
                && matches!(self.board.affinity_info(*cpu), Ok(Affinity::On | Affinity::OnPending))
        };
        self.hotplug.topology().cpus().filter(on).collect()
    }

    /// True if a CPU was left ON by an earlier kernel, and still is not ours.
    pub(super) fn is_foreign(&self, cpu: CpuId) -> bool {
        self.foreign.contains(cpu) && self.hotplug.mark(cpu) == Mark::Offline
    }

    /// Names them. Where their code lies nobody knows, so nobody can keep it.
    pub(super) fn say_foreign(&mut self, what_then: &str) {
        let topology = self.hotplug.topology();
        let foreign = topology.cpus().filter(|&cpu| self.is_foreign(cpu));
        let lines = foreign.map(|cpu| {
            let mpidr = topology.mpidr(cpu).map_or(0, |mpidr| mpidr.value());
            format!(
                "cpu {cpu} (MPIDR {mpidr:#x}) was left ON by an earlier kernel, in memory that \
                 nobody has reserved; {what_then}"
            )
        });
        let lines: alloc::vec::Vec<String> = lines.collect();
        lines.iter().for_each(|line| self.say(Level::Warning, line));
    }
}
