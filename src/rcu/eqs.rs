//! Extended quiescent states: one counter per CPU that says whether the CPU may be reading.
//!
//! Odd: the CPU may be in a read side. Even: the CPU is idle or off. Each CPU moves its own
//! counter. The waiter of a grace period notes the odd counters, and has waited long enough for a
//! CPU as soon as that CPU's counter has moved at all.
//!
//! Why no fence is needed. Every change is a read-modify-write with acquire-release, and so is the
//! first look at a counter ([`Eqs::look`]). All changes of one counter have one order. If the
//! reader's CPU left its idle state before the waiter's look, the waiter sees an odd counter and
//! waits. If that CPU leaves its idle state after the look, its change acquires what the waiter had
//! published before the look, and the read side can't find the old value. A plain load in place of
//! the waiter's read-modify-write would take no place in that order, and reader and waiter could
//! miss each other.

use alloc::vec::Vec;

use super::RcuData;
use crate::cpu::{CpuId, CpuMask};
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The counter of one CPU. Only that CPU changes it, and the boot CPU once that CPU is off.
#[derive(Default)]
pub(super) struct Eqs {
    count: AtomicU64,
    /// Read sides that are open on this CPU. No other CPU looks, so all accesses are relaxed; and
    /// plain loads and stores will do, because an interrupt handler closes every read side it has
    /// opened before it returns.
    readers: AtomicUsize,
}

impl Eqs {
    /// True while the CPU may read.
    pub(super) fn running(&self) -> bool {
        self.count.load(Ordering::Relaxed) & 1 == 1
    }

    /// True while a read side is open on this CPU. Only for that CPU.
    pub(super) fn reading(&self) -> bool {
        self.readers.load(Ordering::Relaxed) != 0
    }

    /// Opens a read side.
    pub(super) fn open(&self) {
        self.readers.store(self.readers.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Closes a read side.
    pub(super) fn close(&self) {
        self.readers.store(self.readers.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
    }

    /// Becomes idle. False if the CPU was idle, or if a read side is open: the CPU goes on counting
    /// as a reader then, and a grace period that waits too long names that CPU.
    pub(super) fn enter_idle(&self) -> bool {
        let may = self.running() && !self.reading();
        if may {
            // Release: pairs with `look` and `now` of a waiter. The CPU's reads come before the
            // moment at which a waiter sees the CPU idle.
            self.count.fetch_add(1, Ordering::AcqRel);
        }
        may
    }

    /// Leaves the idle state; false if the CPU was not idle.
    pub(super) fn leave_idle(&self) -> bool {
        let idle = !self.running();
        if idle {
            // Acquire: pairs with `look`. From here on this CPU sees all that a waiter published
            // before looking.
            self.count.fetch_add(1, Ordering::AcqRel);
        }
        idle
    }

    /// Idle for an instant.
    pub(super) fn quiescent(&self) {
        if self.running() && !self.reading() {
            // Acquire and release as in `leave_idle` and `enter_idle`, in one access: pairs with
            // `look` and `now`.
            self.count.fetch_add(2, Ordering::AcqRel);
        }
    }

    /// Starts from nothing: whatever was open here ended when the CPU was turned off.
    pub(super) fn start(&self) {
        self.readers.store(0, Ordering::Relaxed);
        self.leave_idle();
    }

    /// The CPU is off and reads nothing, whatever its counter last said. By the boot CPU.
    pub(super) fn gone(&self) {
        self.readers.store(0, Ordering::Relaxed);
        self.enter_idle();
    }

    /// The first look of a waiter. Release: pairs with `leave_idle`. Acquire: pairs with
    /// `enter_idle`. See the module for why this is a read-modify-write.
    fn look(&self) -> u64 {
        self.count.fetch_add(0, Ordering::AcqRel)
    }

    /// A later look. Acquire: pairs with `enter_idle` and `quiescent`. Once the counter has moved,
    /// every read of the read sides before that is done.
    fn now(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }
}

/// The CPUs that a grace period waits for, with their counters as the grace period began. Idle CPUs
/// are left out.
#[derive(Default)]
pub(super) struct Snapshot(Vec<SeenCpu>);

struct SeenCpu {
    cpu: CpuId,
    /// The odd counter at the first look. Any other value means that the CPU has been quiescent
    /// since; counters only grow.
    count: u64,
}

impl Snapshot {
    /// With room for this many CPUs.
    pub(super) fn with_room(cpus: usize) -> Self {
        Self(Vec::with_capacity(cpus))
    }

    /// Begins a grace period. `me` is the calling CPU, on which no read side is open. CPUs that are
    /// idle or off at this look are left out for good: if one starts to read later, it finds the
    /// new value.
    pub(super) fn take(&mut self, cpus: &[RcuData], me: CpuId) {
        self.0.clear();
        for (i, other) in cpus.iter().enumerate().filter(|(i, _)| *i != me.index()) {
            let count = other.eqs.look();
            if count & 1 == 1 {
                self.0.push(SeenCpu { cpu: CpuId(i as u16), count });
            }
        }
    }

    /// Drops the CPUs whose counters have moved; true if none is left.
    pub(super) fn passed(&mut self, cpus: &[RcuData]) -> bool {
        self.0.retain(|seen| cpus[seen.cpu.index()].eqs.now() == seen.count);
        self.0.is_empty()
    }

    /// The CPUs whose counters had not moved at the last look.
    pub(super) fn laggards(&self) -> CpuMask {
        self.0.iter().map(|seen| seen.cpu).collect()
    }
}
