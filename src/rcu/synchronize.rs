//! Waiting for a grace period.
//!
//! The waiter notes the counters of the CPUs that may be reading, then sleeps between looks until
//! each has moved. Normal and expedited differ in one thing: whether the CPUs that have not moved
//! are woken at each look. A CPU that is idle for RCU is not in the snapshot, and is never woken.

use super::{Rcu, Stall, add};
use crate::cpu::{CpuId, CpuMask};
use crate::machine::{Clock, Ipi, Pauses};

/// How to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// Leaves the other CPUs alone.
    Normal,
    /// At each look wakes the CPUs whose counter is odd and has not moved, so that a CPU that
    /// sleeps without counting as idle comes round at once.
    Expedited,
}

impl Rcu {
    /// Waits until every read side that is open now, on any CPU, is closed. The calling CPU sleeps
    /// between its looks and counts as idle meanwhile, so that two waiters don't wait for each
    /// other. Allocates nothing unless several wait at once.
    ///
    /// # Errors
    /// The CPUs that may still be reading at `deadline` (ticks). The calling CPU itself, at once,
    /// if a read side is open there.
    pub fn synchronize<M: Clock + Ipi + ?Sized>(
        &self,
        m: &M,
        me: CpuId,
        how: How,
        deadline: u64,
    ) -> Result<(), Stall> {
        self.synchronize_unless(m, me, how, deadline, || false).map(drop)
    }

    /// The same, but for `give_up`, which is asked at each look: once that is true, this returns
    /// false, and readers may still be there.
    ///
    /// # Errors
    /// As for [`Self::synchronize`].
    pub fn synchronize_unless<M: Clock + Ipi + ?Sized>(
        &self,
        m: &M,
        me: CpuId,
        how: How,
        deadline: u64,
        give_up: impl Fn() -> bool,
    ) -> Result<bool, Stall> {
        self.refuse_readers(me)?;
        // Without this, a CPU that calls this function again and again could find the other CPU
        // asleep each time, return without a sleep of its own, and never move the counter that the
        // other CPU waits for.
        self.quiescent(me);
        // The spare snapshot has room for all CPUs. Another waiter may have it.
        let mut snapshot = self.spare.lock().take().unwrap_or_default();
        snapshot.take(&self.cpus, me);
        let mut given_up = false;
        let over = self.wait(m, me, deadline, || {
            let passed = snapshot.passed(&self.cpus);
            given_up = !passed && give_up();
            if !passed && how == How::Expedited {
                m.wake(&snapshot.laggards());
            }
            passed || given_up
        });
        let laggards = snapshot.laggards();
        *self.spare.lock() = Some(snapshot);
        if !over {
            return Err(self.stall(laggards));
        }
        if given_up {
            return Ok(false);
        }
        add(&self.totals.synchronized, 1);
        add(&self.totals.expedited, usize::from(how == How::Expedited));
        Ok(true)
    }

    /// Refuses a caller with an open read side: such a CPU would wait for itself.
    pub(super) fn refuse_readers(&self, me: CpuId) -> Result<(), Stall> {
        if self.own(me).eqs.reading() {
            return Err(self.stall(CpuMask::from_iter([me])));
        }
        Ok(())
    }

    /// Sleeps between looks for `done`, in pauses that double; true if done before the deadline.
    pub(super) fn wait<M: Clock + ?Sized>(
        &self,
        m: &M,
        me: CpuId,
        deadline: u64,
        done: impl FnMut() -> bool,
    ) -> bool {
        Pauses::POLLING.look_until(m, deadline, |until| self.sleep(m, me, until), done)
    }

    /// Sleeps, counting as idle. A CPU that was idle or off for RCU before (not started yet)
    /// remains so.
    fn sleep<M: Clock + ?Sized>(&self, m: &M, me: CpuId, until: u64) {
        let eqs = &self.own(me).eqs;
        let entered = eqs.enter_idle();
        m.wait(Some(until));
        if entered {
            eqs.leave_idle();
        }
    }
}
