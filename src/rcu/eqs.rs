//! Extended quiescent states: one counter per CPU that says whether the CPU may be reading.
//!
//! Odd: it may be in a read side. Even: it is idle or off. The CPU moves its own counter; whoever
//! waits for a grace period notes the odd ones, and is done with a CPU as soon as its counter has
//! moved at all.
//!
//! Why no fence is needed. Every change is a read-modify-write with acquire-release, and so is the
//! first look at a counter ([`Eqs::look`]). All changes of one counter have one order, so either
//! the CPU left its idle state before our look, and then we see an odd counter and wait; or it does
//! so after, and then it takes over (acquires) what we had published before we looked, and its read
//! side can't find the old value. A plain load in place of our read-modify-write would take no
//! place in that order, and both could miss each other.

use alloc::vec::Vec;

use super::PerCpu;
use crate::cpu::{CpuId, CpuMask};
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The counter of one CPU. Only that CPU changes it, and the boot CPU once that CPU is off.
#[derive(Default)]
pub(super) struct Eqs {
    count: AtomicU64,
    /// Read sides that are open on this CPU. Nobody else looks: relaxed everywhere, and plain
    /// loads and stores, because an interrupt handler closes what it has opened.
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

    /// Becomes idle; false if it was, or if a read side is open: then it goes on counting as
    /// reading, and who waits for it names it.
    pub(super) fn enter_idle(&self) -> bool {
        let may = self.running() && !self.reading();
        if may {
            // Release: what was read before is read before anyone sees the CPU idle.
            self.count.fetch_add(1, Ordering::AcqRel);
        }
        may
    }

    /// Leaves idle; false if it was running.
    pub(super) fn leave_idle(&self) -> bool {
        let idle = !self.running();
        if idle {
            // Acquire: from here on it finds all that was published before the last look.
            self.count.fetch_add(1, Ordering::AcqRel);
        }
        idle
    }

    /// Idle for an instant.
    pub(super) fn quiescent(&self) {
        if self.running() && !self.reading() {
            // Both of the above at once.
            self.count.fetch_add(2, Ordering::AcqRel);
        }
    }

    /// Starts from nothing: whatever was open here ended when the CPU was turned off.
    pub(super) fn start(&self) {
        self.readers.store(0, Ordering::Relaxed);
        self.leave_idle();
    }

    /// The CPU is off and reads nothing, whatever it last said.
    pub(super) fn gone(&self) {
        self.readers.store(0, Ordering::Relaxed);
        self.enter_idle();
    }

    /// The first look: see the module.
    fn look(&self) -> u64 {
        self.count.fetch_add(0, Ordering::AcqRel)
    }

    /// A later look. Acquire: once it has moved, all that it read before has been read.
    fn now(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }
}

/// The CPUs that a grace period waits for, and what their counters said when it began. Idle CPUs
/// are not in it.
#[derive(Default)]
pub(super) struct Snapshot(Vec<Seen>);

struct Seen {
    cpu: CpuId,
    count: u64,
}

impl Snapshot {
    /// With room for this many CPUs.
    pub(super) fn with_room(cpus: usize) -> Self {
        Self(Vec::with_capacity(cpus))
    }

    /// Begins a grace period. `me` is the calling CPU, on which no read side is open.
    pub(super) fn take(&mut self, cpus: &[PerCpu], me: CpuId) {
        self.0.clear();
        for (i, other) in cpus.iter().enumerate().filter(|(i, _)| *i != me.index()) {
            let count = other.eqs.look();
            if count & 1 == 1 {
                self.0.push(Seen { cpu: CpuId(i as u16), count });
            }
        }
    }

    /// Forgets the CPUs that have moved; true if all have.
    pub(super) fn passed(&mut self, cpus: &[PerCpu]) -> bool {
        self.0.retain(|seen| cpus[seen.cpu.index()].eqs.now() == seen.count);
        self.0.is_empty()
    }

    /// Those that had not moved when it was last looked.
    pub(super) fn laggards(&self) -> CpuMask {
        self.0.iter().map(|seen| seen.cpu).collect()
    }
}
