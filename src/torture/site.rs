//! Where a trial runs, and how the boot CPU waits meanwhile.

use crate::cpu::{CpuId, CpuMask};
use crate::hotplug::Hotplug;
use crate::machine::Board;
use crate::services::Services;

/// The machine and its CPUs.
#[derive(Clone, Copy)]
pub struct Site {
    /// The machine.
    pub board: &'static dyn Board,
    /// Its CPUs.
    pub hotplug: &'static Hotplug,
    /// The services of the CPUs.
    pub services: &'static Services,
}

impl Site {
    pub(super) fn boot(&self) -> CpuId {
        self.hotplug.topology().boot()
    }

    pub(super) fn cpus(&self) -> usize {
        self.hotplug.topology().len()
    }

    /// The tick in so many milliseconds.
    pub(super) fn in_ms(&self, ms: u64) -> u64 {
        self.board.now() + self.board.ticks_from_ms(ms)
    }

    /// The boot CPU does what is due, and sleeps until something is, `until` at the latest.
    pub(super) fn nap(&self, until: u64) {
        let boot = self.boot();
        self.services.run_due(self.board, boot);
        self.services.idle(self.board, boot, Some(until));
    }

    /// The same until `done` or so many milliseconds have passed; true if done.
    pub(super) fn until(&self, ms: u64, mut done: impl FnMut() -> bool) -> bool {
        let deadline = self.in_ms(ms);
        loop {
            if done() {
                return true;
            }
            if self.board.now() >= deadline {
                return false;
            }
            self.nap(deadline.min(self.in_ms(1)));
        }
    }

    /// Wakes a CPU other than the caller's own.
    pub(super) fn wake(&self, me: CpuId, cpu: CpuId) {
        if me != cpu {
            self.board.wake(&CpuMask::from_iter([cpu]));
        }
    }
}
