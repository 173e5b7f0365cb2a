//! What the kernel before this one left behind: said once, after everything that is timed.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Kernel, Level};
use crate::cpu::{CpuId, CpuMask};
use crate::hotplug::{BringupOutcome, Why};
use crate::machine::{Affinity, PsciError};
use crate::trace::Mark;

impl Kernel {
    /// Says what was found turned on, and which CPUs run something that is not ours.
    pub(super) fn inherited(&mut self) {
        for warning in self.board.inherited().warnings() {
            self.say(Level::Warning, &format!("before this kernel {warning}"));
        }
        self.lpis();
        self.foreign = self.find_foreign();
        self.foreign.iter().for_each(|cpu| self.board.silence(cpu));
        self.say_foreign("its interrupts are off, and it is left alone");
    }

    /// CPUs that this kernel has not turned on, that none of the kernels before it has parked, and
    /// that firmware says are not OFF.
    fn find_foreign(&self) -> CpuMask {
        let failed = self.last_bringup.failed.iter();
        let refused = failed.filter(|f| was_on(&f.why)).map(|f| f.cpu);
        let on = |cpu: &CpuId| {
            let info = self.board.affinity_info(*cpu);
            self.hotplug.mark(*cpu) == Mark::Offline
                && matches!(info, Ok(Affinity::On | Affinity::OnPending))
        };
        let unasked = self.hotplug.topology().cpus().filter(on);
        refused.chain(unasked).collect::<CpuMask>().and_not(&self.parked)
    }

    /// True if a CPU was left ON by an earlier kernel, and still is.
    pub(super) fn is_foreign(&self, cpu: CpuId) -> bool {
        self.foreign.contains(cpu)
    }

    /// Keeps the outcome of a bring-up. A CPU that firmware has turned on for this kernel is not
    /// foreign.
    pub fn took(&mut self, outcome: BringupOutcome) {
        let turned_on = |why: &Why| !matches!(why, Why::CpuOn(_) | Why::NotReady);
        let failed = outcome.failed.iter().filter(|f| turned_on(&f.why)).map(|f| f.cpu);
        let ours: CpuMask = failed.chain(outcome.online.iter()).collect();
        self.foreign = self.foreign.and_not(&ours);
        self.last_bringup = outcome;
    }

    /// Warns of every foreign CPU. The memory that such a CPU runs in is unknown, so no reservation
    /// can protect it.
    pub(super) fn say_foreign(&mut self, what_then: &str) {
        let topology = self.hotplug.topology();
        let lines = self.foreign.iter().map(|cpu| {
            let mpidr = topology.mpidr(cpu).map_or(0, |mpidr| mpidr.value());
            format!(
                "cpu {cpu} (MPIDR {mpidr:#x}) was left ON by an earlier kernel, in memory that \
                 nobody has reserved; {what_then}"
            )
        });
        let lines: Vec<String> = lines.collect();
        lines.iter().for_each(|line| self.say(Level::Warning, line));
    }
}

/// True if CPU_ON found the CPU on already.
fn was_on(why: &Why) -> bool {
    matches!(why, Why::CpuOn(PsciError::AlreadyOn | PsciError::OnPending))
}
