//! Read-copy-update: readers never wait, and write no word that another reader reads; a writer
//! learns when no reader can hold the old value any more.
//!
//! The kernel is not preemptive, so a reader is anything that a CPU does between two quiescent
//! states, and a CPU has a quiescent state whenever its work loop comes round, and all the time
//! while the CPU is idle or off (`eqs`). A *grace period* is over once every CPU has been quiescent
//! after its beginning; CPUs that are idle or off take no part and are not woken.
//!
//! - [`ReadGuard`]: a read side. Two plain loads and stores on the CPU's own line.
//! - [`RcuCell`]: a value that is read under a guard and replaced as a whole.
//! - [`Rcu::synchronize`]: waits for a grace period.
//! - [`Rcu::call`]: runs a callback after a grace period, without waiting. [`Rcu::barrier`] waits
//!   for callbacks.
//! - [`Rcu::splice`]: takes over the callbacks of CPUs that are off.
//!
//! A leaving CPU says so once ([`Rcu::cpu_dying`]), and no grace period waits for that CPU from
//! then on. Its callbacks are taken over when firmware has said OFF: the callbacks of all leaving
//! CPUs in one go, under one grace period.
//!
//! ```text
//! writer                                      reader's CPU
//!
//! replace the value (RcuCell::replace)        counter odd: the CPU is in its work loop
//! look at every counter (Eqs::look):          reads the cell under a guard
//!   even: idle or off, not waited for
//!   odd: note the counter
//! look again until the noted counters   <-    work loop comes round: counter + 2 (release)
//! have moved (Eqs::now, acquire)              or idle, or dying: counter + 1 (release)
//! free the old value
//! ```
//!
//! What callers promise, because no type can: the CPU named as the calling one is the CPU on which
//! the caller runs; and a cell is read under guards of the same [`Rcu`] to which its old values are
//! given. There is one [`Rcu`] per kernel.
//!
//! Locks: `moving`, then the list of one CPU, then the heap's. All in ordinary context only, none
//! held over a sleep. Interrupt handlers may read, and nothing else.

#[forbid(unsafe_code)]
mod barrier;
#[forbid(unsafe_code)]
mod callbacks;
#[allow(unsafe_code)] // owns a raw pointer that others read
mod cell;
#[forbid(unsafe_code)]
mod eqs;
#[forbid(unsafe_code)]
mod splice;
#[forbid(unsafe_code)]
mod stall;
#[forbid(unsafe_code)]
mod synchronize;

use alloc::boxed::Box;
use core::marker::PhantomData;

use crate::cpu::{CpuId, CpuMask};
use crate::sync::Lock;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use callbacks::CallbackList;
pub use cell::{RcuCell, Retired};
use eqs::{Eqs, Snapshot};
pub use stall::Stall;
pub use synchronize::How;

/// All state of RCU: what each CPU says about its read sides, and the callbacks that wait for grace
/// periods.
pub struct Rcu {
    cpus: Box<[RcuData]>,
    /// Held while callbacks move between CPUs, so that a barrier finds each callback in one place.
    /// Only `splice` moves callbacks.
    moving: Lock<()>,
    /// Memory for one waiter, so that a grace period can be waited for when nothing may be
    /// allocated. A second waiter at the same time allocates its own.
    spare: Lock<Option<Snapshot>>,
    totals: Totals,
}

/// Cache lines of its own: a CPU that reads shares nothing with the others.
#[repr(align(128))]
#[derive(Default)]
struct RcuData {
    eqs: Eqs,
    /// Callbacks queued here that have not run. Counted up under the list's lock, and down after
    /// each callback: so a CPU that finds 0 need not take the lock.
    pending: AtomicUsize,
    /// The CPU itself queues callbacks and runs them; a barrier on another CPU queues its marker;
    /// the CPU that splices takes all, once the CPU of this list is off.
    list: Lock<CallbackList>,
}

/// For people: all relaxed, no decision depends on them.
#[derive(Default)]
struct Totals {
    synchronized: AtomicU64,
    expedited: AtomicU64,
    stalls: AtomicU64,
    batches: AtomicU64,
    run: AtomicU64,
    spliced: AtomicU64,
}

/// Counts since boot.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct RcuCounts {
    /// Grace periods that a [`Rcu::synchronize`] waited for, of either kind.
    pub synchronized: u64,
    /// Those that sent IPIs ([`How::Expedited`]).
    pub expedited: u64,
    /// Waits that ended at their deadline.
    pub stalls: u64,
    /// Batches of callbacks that have run, each after a grace period.
    pub batches: u64,
    /// Callbacks that have run.
    pub run: u64,
    /// Callbacks taken over from CPUs that were off.
    pub spliced: u64,
    /// Callbacks that wait now.
    pub pending: u64,
}

/// An open read side of one CPU. As long as the guard lives, no grace period that began after the
/// guard was made comes to an end.
#[must_use = "the read side ends when it is dropped"]
pub struct ReadGuard<'a> {
    eqs: &'a Eqs,
    /// The guard belongs to the CPU that opened the read side: not `Send`.
    here: PhantomData<*const ()>,
}

impl Drop for ReadGuard<'_> {
    fn drop(&mut self) {
        self.eqs.close();
    }
}

impl Rcu {
    /// For CPUs `0..cpus`, all of them off.
    pub fn new(cpus: usize) -> Self {
        Self {
            cpus: (0..cpus).map(|_| RcuData::default()).collect(),
            moving: Lock::new(()),
            spare: Lock::new(Some(Snapshot::with_room(cpus))),
            totals: Totals::default(),
        }
    }

    /// This CPU may read from now on. The CPU itself, before its first read side.
    pub fn cpu_starting(&self, cpu: CpuId) {
        self.own(cpu).eqs.start();
    }

    /// This CPU reads nothing any more, and no grace period waits for it. The CPU itself,
    /// interrupts off, among its last acts.
    pub fn cpu_dying(&self, cpu: CpuId) {
        self.own(cpu).eqs.enter_idle();
    }

    /// This CPU is about to sleep. Only from ordinary context with no read side open: with an open
    /// read side this CPU goes on counting as a reader. True if the CPU has to call
    /// [`Self::idle_exit`] after the sleep; false if nothing changed here.
    pub fn idle_enter(&self, cpu: CpuId) -> bool {
        self.own(cpu).eqs.enter_idle()
    }

    /// This CPU has slept.
    pub fn idle_exit(&self, cpu: CpuId) {
        self.own(cpu).eqs.leave_idle();
    }

    /// This CPU is at a point where no read side is open. Only from ordinary context.
    pub fn quiescent(&self, cpu: CpuId) {
        self.own(cpu).eqs.quiescent();
    }

    /// An interrupt is taken: from here on the handler may read, even if the CPU was idle. Give the
    /// result to [`Self::irq_exit`].
    pub fn irq_enter(&self, cpu: CpuId) -> bool {
        self.own(cpu).eqs.leave_idle()
    }

    /// The interrupt is done.
    pub fn irq_exit(&self, cpu: CpuId, was_idle: bool) {
        if was_idle {
            self.own(cpu).eqs.enter_idle();
        }
    }

    /// Opens a read side on the calling CPU. May be nested; never waits.
    ///
    /// # Panics
    /// If the CPU counts as idle or off: no grace period would wait for the read side, and the
    /// value could be freed meanwhile.
    pub fn read(&self, cpu: CpuId) -> ReadGuard<'_> {
        let eqs = &self.own(cpu).eqs;
        assert!(eqs.running(), "CPU {cpu} reads while it is idle or off for RCU");
        eqs.open();
        ReadGuard { eqs, here: PhantomData }
    }

    /// The CPUs that are neither idle nor off, at a glance.
    pub fn running(&self) -> CpuMask {
        let all = self.cpus.iter().enumerate();
        all.filter(|(_, cpu)| cpu.eqs.running()).map(|(i, _)| CpuId(i as u16)).collect()
    }

    /// Callbacks queued on this CPU that have not run.
    pub fn pending(&self, cpu: CpuId) -> usize {
        self.own(cpu).pending.load(Ordering::Relaxed)
    }

    /// What has happened since boot.
    pub fn counts(&self) -> RcuCounts {
        let totals = &self.totals;
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        RcuCounts {
            synchronized: get(&totals.synchronized),
            expedited: get(&totals.expedited),
            stalls: get(&totals.stalls),
            batches: get(&totals.batches),
            run: get(&totals.run),
            spliced: get(&totals.spliced),
            pending: self.cpus.iter().map(|c| c.pending.load(Ordering::Relaxed) as u64).sum(),
        }
    }

    /// Grace periods since boot.
    pub fn grace_periods(&self) -> u64 {
        let counts = self.counts();
        counts.synchronized + counts.batches
    }

    fn own(&self, cpu: CpuId) -> &RcuData {
        &self.cpus[cpu.index()]
    }
}

fn add(total: &AtomicU64, n: usize) {
    total.fetch_add(n as u64, Ordering::Relaxed);
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
