//! Waiting until callbacks have run.
//!
//! A barrier queues one callback of its own, a marker, behind the others of each CPU that has any.
//! Callbacks of one CPU run in the order of their arrival, so a marker that has run says that those
//! before it have. If the CPU of a marker leaves meanwhile, the marker moves with the others to the
//! survivor, in the same order.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Rcu, Stall};
use crate::cpu::{CpuId, CpuMask};
use crate::machine::{Clock, Ipi};
use crate::sync::atomic::{AtomicU32, Ordering};

/// A callback queued behind all others of one CPU. When the marker runs, the callbacks before it
/// have run.
struct Marker {
    cpu: CpuId,
    reached: Arc<AtomicU32>,
}

impl Marker {
    fn reached(&self) -> bool {
        // Acquire: pairs with the release store of the callback in `Rcu::marker`. What the
        // callbacks before the marker did is visible.
        self.reached.load(Ordering::Acquire) != 0
    }
}

impl Rcu {
    /// Waits until all callbacks that were queued before, on any CPU, have run. The calling CPU
    /// runs its own callbacks meanwhile; the other CPUs are woken once and run theirs from their
    /// work loops. Ordinary context, not from a callback.
    ///
    /// # Errors
    /// The CPUs that keep callbacks from running at `deadline` (ticks): readers, or CPUs that do
    /// not get to their work loop. The calling CPU itself, at once, if a read side is open there.
    pub fn barrier<M: Clock + Ipi + ?Sized>(
        &self,
        m: &M,
        me: CpuId,
        deadline: u64,
    ) -> Result<(), Stall> {
        self.refuse_readers(me)?;
        let mut markers = self.mark();
        // The other CPUs may be asleep, with no deadline for callbacks that have just been queued.
        m.wake(&markers.iter().map(|marker| marker.cpu).filter(|&cpu| cpu != me).collect());
        let reached = self.wait(m, me, deadline, || {
            self.run_ready(m, me);
            markers.retain(|marker| !marker.reached());
            markers.is_empty()
        });
        if reached { Ok(()) } else { Err(self.stall(self.held_up(&markers))) }
    }

    /// Puts a marker behind the callbacks of each CPU that has callbacks.
    fn mark(&self) -> Vec<Marker> {
        // While this is held, no callback moves from a CPU that this loop has yet to reach to a CPU
        // that the loop has passed.
        let _still = self.moving.lock();
        (0..self.cpus.len()).filter_map(|i| self.marker(CpuId(i as u16))).collect()
    }

    fn marker(&self, cpu: CpuId) -> Option<Marker> {
        // Acquire: pairs with the decrement in `run_ready` (callbacks). Callbacks that are not
        // counted any more have run, and what they did is visible.
        if self.own(cpu).pending.load(Ordering::Acquire) == 0 {
            return None;
        }
        // Shared with the callback, which may run after this barrier has given up at its deadline.
        let reached = Arc::new(AtomicU32::new(0));
        let flag = reached.clone();
        // Release: pairs with `Marker::reached`.
        self.call(cpu, Box::new(move || flag.store(1, Ordering::Release)));
        Some(Marker { cpu, reached })
    }

    /// The CPUs that keep these markers from running.
    fn held_up(&self, markers: &[Marker]) -> CpuMask {
        let mut all = CpuMask::new();
        for marker in markers {
            self.holdouts(marker.cpu).iter().for_each(|cpu| all.insert(cpu));
        }
        all
    }
}
