//! Waiting until callbacks have run.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Rcu, Stall};
use crate::cpu::{CpuId, CpuMask};
use crate::machine::{Clock, Ipi};
use crate::sync::atomic::{AtomicU32, Ordering};

/// A callback behind those of one CPU that says when it is its turn.
struct Marker {
    cpu: CpuId,
    reached: Arc<AtomicU32>,
}

impl Marker {
    fn reached(&self) -> bool {
        // Acquire: the callbacks before it are over, with all they did.
        self.reached.load(Ordering::Acquire) != 0
    }
}

impl Rcu {
    /// Waits until all callbacks that were queued before, on any CPU, have run. The calling CPU runs
    /// its own meanwhile; the others are woken once and run theirs from their work loops. Ordinary
    /// context, not from a callback.
    ///
    /// # Errors
    /// Who keeps callbacks from running at `deadline` (ticks): readers, or CPUs that do not get to
    /// their work loop. The calling CPU itself, at once, if it has a read side open.
    pub fn barrier<M: Clock + Ipi + ?Sized>(
        &self,
        m: &M,
        me: CpuId,
        deadline: u64,
    ) -> Result<(), Stall> {
        self.refuse_readers(me)?;
        let mut markers = self.mark();
        m.wake(&markers.iter().map(|marker| marker.cpu).filter(|&cpu| cpu != me).collect());
        let reached = self.wait(m, me, deadline, || {
            self.run_ready(m, me);
            markers.retain(|marker| !marker.reached());
            markers.is_empty()
        });
        if reached { Ok(()) } else { Err(self.stall(self.held_up(&markers))) }
    }

    /// Puts a marker behind the callbacks of each CPU that has some.
    fn mark(&self) -> Vec<Marker> {
        // Nothing moves from a CPU that is still to come to one that is done already.
        let _still = self.moving.lock();
        (0..self.cpus.len()).filter_map(|i| self.marker(CpuId(i as u16))).collect()
    }

    fn marker(&self, cpu: CpuId) -> Option<Marker> {
        // Acquire: the callbacks that are not counted any more are over, with all they did.
        if self.own(cpu).pending.load(Ordering::Acquire) == 0 {
            return None;
        }
        let reached = Arc::new(AtomicU32::new(0));
        let flag = reached.clone();
        self.call(cpu, Box::new(move || flag.store(1, Ordering::Release)));
        Some(Marker { cpu, reached })
    }

    fn held_up(&self, markers: &[Marker]) -> CpuMask {
        let mut all = CpuMask::new();
        for marker in markers {
            self.holdouts(marker.cpu).iter().for_each(|cpu| all.insert(cpu));
        }
        all
    }
}
