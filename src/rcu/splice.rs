//! What CPUs that are off have left behind.

use alloc::vec::Vec;

use super::{Rcu, add};
use crate::cpu::{CpuMask, Target};
use crate::sync::atomic::Ordering;

impl Rcu {
    /// Takes over the callbacks of `dead` and gives them to a CPU that stays, all in one go: they
    /// wait for one grace period together. How many there were; it allocates only if there were
    /// any. Firmware has said OFF of each, so that nobody runs them meanwhile, and nobody waits for
    /// the CPU any more even if it did not say that it was dying. Wake the target afterwards,
    /// unless it is the caller.
    pub fn splice(&self, dead: &CpuMask, to: Target) -> usize {
        let _moving = self.moving.lock();
        let mut left = Vec::new();
        for cpu in dead.iter().filter(|cpu| *cpu != to.cpu() && cpu.index() < self.cpus.len()) {
            let own = self.own(cpu);
            own.eqs.gone();
            // Acquire is for the callbacks that it has run: they are over.
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

    fn adopt(&self, to: Target, left: &mut Vec<super::callbacks::Callback>) {
        let target = self.own(to.cpu());
        let mut list = target.list.lock();
        target.pending.fetch_add(left.len(), Ordering::Relaxed);
        add(&self.totals.spliced, left.len());
        list.append(left);
    }
}
