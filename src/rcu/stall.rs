//! Which CPUs keep a grace period from ending.

use core::fmt;

use super::{Rcu, add};
use crate::cpu::{CpuId, CpuMask};
use crate::machine::Clock;

/// A wait reached its deadline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stall {
    /// The CPUs that have not been quiescent, or have not run their callbacks.
    pub cpus: CpuMask,
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cpus = self.cpus.ranges();
        write!(
            f,
            "grace period held up by CPU {cpus}: a read side that stays open, or a CPU that "
        )?;
        f.write_str("does not come back to its work loop; see what it was last asked to do")
    }
}

impl core::error::Error for Stall {}

impl Rcu {
    /// The CPUs that have kept callbacks waiting for longer than `ms`. For an occasional check;
    /// takes a list's lock only where callbacks wait.
    pub fn overdue<M: Clock + ?Sized>(&self, m: &M, ms: u64) -> CpuMask {
        let limit = m.now().saturating_sub(m.ticks_from_ms(ms));
        let mut late = CpuMask::new();
        for (i, cpu) in self.cpus.iter().enumerate() {
            let waiting = self.pending(CpuId(i as u16)) != 0;
            if waiting && cpu.list.lock().since().is_some_and(|since| since < limit) {
                self.holdouts(CpuId(i as u16)).iter().for_each(|cpu| late.insert(cpu));
            }
        }
        late
    }

    /// The CPUs that keep the callbacks of this CPU from running: readers, or else the CPU itself.
    pub(super) fn holdouts(&self, cpu: CpuId) -> CpuMask {
        let readers = self.own(cpu).list.lock().laggards(&self.cpus);
        if readers.is_empty() { CpuMask::from_iter([cpu]) } else { readers }
    }

    /// Counts a wait that reached its deadline, and names its CPUs.
    pub(super) fn stall(&self, cpus: CpuMask) -> Stall {
        add(&self.totals.stalls, 1);
        Stall { cpus }
    }
}
