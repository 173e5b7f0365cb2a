//! Taking over the callbacks of CPUs that are off.
//!
//! The callbacks of each dead CPU keep their order. The callbacks join the target's next
//! batch, and so wait for a whole grace period once more, whatever part of one is over already.

use alloc::vec::Vec;

use super::{Rcu, add};
use crate::cpu::{CpuMask, Target};
use crate::sync::atomic::Ordering;

impl Rcu {
    /// Moves the callbacks of the `dead` CPUs to a CPU that stays, all in one go: the callbacks
    /// wait for one grace period together. Returns how many there were; allocates only if there
    /// were any. Firmware has said OFF of each dead CPU, so no CPU runs these callbacks meanwhile.
    /// From here on no grace period waits for the dead CPU, even if it did not get to
    /// [`Rcu::cpu_dying`]. The caller wakes the target afterwards, unless the target is the caller.
    pub fn splice(&self, dead: &CpuMask, to: Target) -> usize {
        let _moving = self.moving.lock();
        let mut left = Vec::new();
        for cpu in dead.iter().filter(|cpu| *cpu != to.cpu() && cpu.index() < self.cpus.len()) {
            let own = self.own(cpu);
            own.eqs.gone();
            // Acquire: pairs with the decrement in `run_ready` (callbacks): what the dead CPU's
            // callbacks did is visible.
            if own.pending.load(Ordering::Acquire) != 0 {
                left.append(&mut own.list.lock().take_all());
                own.pending.store(0, Ordering::Relaxed);
            }
        }
        let count = left.len();
        if count != 0 {
            self.adopt(to, &mut left);
        }
        count
    }

    /// Puts callbacks behind those that the target has.
    fn adopt(&self, to: Target, left: &mut Vec<super::callbacks::Callback>) {
        let target = self.own(to.cpu());
        let mut list = target.list.lock();
        target.pending.fetch_add(left.len(), Ordering::Relaxed);
        add(&self.totals.spliced, left.len());
        list.append(left);
    }
}
