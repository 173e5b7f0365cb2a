//! Callbacks, to be run after a grace period: a list per CPU.
//!
//! Callbacks go through a CPU's list in batches, in the order of their arrival: a callback that is
//! queued while a batch waits belongs to the next batch. A batch notes the counters of the CPUs
//! that may be reading, and later passes of the work loop check whether all counters have moved. So
//! no CPU sleeps for a batch, and no IPI is sent for one.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem::take;

use super::eqs::Snapshot;
use super::{Rcu, RcuData, add};
use crate::cpu::{CpuId, CpuMask};
use crate::machine::Clock;
use crate::sync::atomic::Ordering;

/// What [`Rcu::call`] takes.
pub(super) type Callback = Box<dyn FnOnce() + Send>;

/// Shortest and longest time after which a CPU with callbacks looks again.
const LOOK_AGAIN_US: (u64, u64) = (50, 10_000);

/// The callbacks of one CPU.
#[derive(Default)]
pub(super) struct CallbackList {
    /// Callbacks queued since the waiting batch was closed.
    next: Vec<Callback>,
    /// The waiting batch: waits for the CPUs of the snapshot.
    waiting: Vec<Callback>,
    snapshot: Snapshot,
    /// When the snapshot was taken, ticks.
    since: u64,
    /// A batch is being run: no other batch may overtake that one.
    running: bool,
}

impl CallbackList {
    pub(super) fn push(&mut self, callback: Callback) {
        self.next.push(callback);
    }

    pub(super) fn append(&mut self, callbacks: &mut Vec<Callback>) {
        self.next.append(callbacks);
    }

    /// All callbacks, oldest first. The CPU of this list is off.
    pub(super) fn take_all(&mut self) -> Vec<Callback> {
        let mut all = take(&mut self.waiting);
        all.append(&mut self.next);
        *self = Self::default();
        all
    }

    /// When the waiting batch was closed, ticks.
    pub(super) fn since(&self) -> Option<u64> {
        (!self.waiting.is_empty()).then_some(self.since)
    }

    /// The CPUs for which the batch still waits.
    pub(super) fn laggards(&mut self, cpus: &[RcuData]) -> CpuMask {
        self.snapshot.passed(cpus);
        self.snapshot.laggards()
    }

    /// Takes the callbacks that may run now, and closes the next batch if there is one.
    fn advance(&mut self, cpus: &[RcuData], me: CpuId, now: u64) -> Vec<Callback> {
        if self.running || !self.snapshot.passed(cpus) {
            return Vec::new();
        }
        // The grace period of the waiting batch is over, so that batch may run. The next batch
        // begins its own grace period now: its callbacks were queued before this snapshot.
        let mut ready = take(&mut self.waiting);
        if !self.next.is_empty() {
            self.waiting = take(&mut self.next);
            self.since = now;
            self.snapshot.take(cpus, me);
        }
        // No other CPU may be reading: the next batch need not wait for a later pass.
        if self.snapshot.laggards().is_empty() {
            ready.append(&mut self.waiting);
        }
        self.running = !ready.is_empty();
        ready
    }
}

impl Rcu {
    /// Runs `callback` after every read side that is open now is closed: on the calling CPU, from
    /// its work loop, or on the CPU that takes this CPU's callbacks over. Ordinary context only.
    pub fn call(&self, cpu: CpuId, callback: Box<dyn FnOnce() + Send>) {
        let own = self.own(cpu);
        let mut list = own.list.lock();
        own.pending.fetch_add(1, Ordering::Relaxed);
        list.push(callback);
    }

    /// Runs the callbacks of this CPU whose grace period is over, and closes the next batch;
    /// returns how many have run. Called from the CPU's work loop, where no read side is open:
    /// counts as a quiescent state. Costs one load when nothing waits. Does nothing with a read
    /// side open, or inside a callback.
    pub fn run_ready<M: Clock + ?Sized>(&self, m: &M, cpu: CpuId) -> usize {
        let own = self.own(cpu);
        // Relaxed: this CPU sees what it queued itself, and an IPI follows when another CPU queued
        // here.
        if own.pending.load(Ordering::Relaxed) == 0 || own.eqs.reading() {
            return 0;
        }
        // This CPU is not in its own snapshot, since it is at a quiescent state here.
        own.eqs.quiescent();
        let now = m.now();
        // The lock is free again while the callbacks run: a callback may queue another one.
        let ready = own.list.lock().advance(&self.cpus, cpu, now);
        let count = ready.len();
        if count == 0 {
            return 0;
        }
        for callback in ready {
            callback();
            // Release: pairs with `Rcu::marker` (barrier) and `Rcu::splice`. A CPU that does not
            // count this callback any more sees what it did.
            own.pending.fetch_sub(1, Ordering::Release);
        }
        own.list.lock().running = false;
        add(&self.totals.batches, 1);
        add(&self.totals.run, count);
        count
    }

    /// True if callbacks wait on this CPU, so that it should look again before long.
    pub fn needs(&self, cpu: CpuId) -> bool {
        self.pending(cpu) != 0
    }

    /// When this CPU should look again, ticks; `None` if nothing waits. The longer the batch has
    /// waited, the later.
    #[inline]
    pub fn next_wake<M: Clock + ?Sized>(&self, m: &M, cpu: CpuId) -> Option<u64> {
        self.needs(cpu).then(|| self.look_again_at(m, cpu))
    }

    #[inline(never)]
    fn look_again_at<M: Clock + ?Sized>(&self, m: &M, cpu: CpuId) -> u64 {
        let now = m.now();
        let since = self.own(cpu).list.lock().since().unwrap_or(now);
        let (shortest, longest) = LOOK_AGAIN_US;
        let (shortest, longest) = (m.ticks_from_us(shortest), m.ticks_from_us(longest));
        now + now.saturating_sub(since).clamp(shortest, longest)
    }
}
