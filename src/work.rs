//! Work items of each CPU: a function to be run there soon, in ordinary context.
//!
//! A CPU's work loop runs what is queued, in order. When a CPU has left, its items move to a
//! survivor, in bulk and after firmware has said OFF. Pinned items never move: a pinned item waits
//! until its CPU is back, and a CPU that has pinned items is not asked to leave.
//!
//! Each item runs once: the CPU that takes the item out of the queue, under the queue's lock, runs
//! it outside the lock. So an item may queue others.
//!
//! Locks: those of the queues (see [`queues`]), in ordinary context only.
//!
//! [`queues`]: crate::sync::queues

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use crate::cpu::{CpuId, CpuMask, Target};
use crate::machine::Seam;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::queues::Queues;

/// What an item learns when it runs.
pub struct Running<'a> {
    /// The CPU on which the item runs.
    pub cpu: CpuId,
    /// The machine.
    pub machine: &'a dyn Seam,
    /// When the CPU looked, ticks.
    pub now: u64,
}

/// One item.
pub struct WorkItem {
    /// True if the item may run on no other CPU than the one that it is queued for.
    pub pinned: bool,
    /// What to do.
    pub run: Box<dyn FnOnce(&Running<'_>) + Send>,
}

/// On a cache line of its own.
#[repr(align(64))]
struct Waiting(AtomicUsize);

/// The work of all CPUs.
pub struct Work {
    queues: Queues<VecDeque<WorkItem>>,
    /// Lengths, so that a look costs one load. Stored under the queue's lock. Relaxed: the queue
    /// itself is read under the lock, and a CPU that queues an item sends an IPI.
    waiting: Box<[Waiting]>,
}

impl Work {
    /// For CPUs `0..cpus`; an item for a CPU that has never come up goes to `boot`, unless the item
    /// is pinned.
    pub fn new(cpus: usize, boot: CpuId) -> Self {
        Self {
            queues: Queues::new(cpus, boot),
            waiting: (0..cpus).map(|_| Waiting(AtomicUsize::new(0))).collect(),
        }
    }

    /// CPUs come up: their items go to their own queues from now on.
    pub fn open(&self, cpus: &CpuMask) {
        self.queues.open(cpus);
    }

    /// Queues an item. Any CPU, ordinary context. Returns the CPU whose queue has the item: the CPU
    /// asked for, or the CPU that has taken that queue over. The caller wakes that CPU if it is
    /// another one. A pinned item stays in its CPU's queue even while that CPU is off.
    #[must_use = "the CPU has to be woken"]
    pub fn queue(&self, cpu: CpuId, item: WorkItem) -> CpuId {
        if item.pinned {
            self.queues.with(cpu, |queue| self.push(cpu, queue, item))
        } else {
            self.queues.open_one(cpu, |cpu, queue| self.push(cpu, queue, item))
        }
    }

    /// Runs what is queued by now, in order. On the CPU itself, in ordinary context. Items that are
    /// queued meanwhile wait for the next look, so this ends; the CPU looks again before it sleeps
    /// if [`Self::len`] is not 0. Returns how many ran.
    #[inline]
    pub fn run(&self, m: &dyn Seam, cpu: CpuId) -> usize {
        // Most CPUs have no item whenever they look.
        match self.len(cpu) {
            0 => 0,
            queued => self.run_queued(m, cpu, queued),
        }
    }

    #[inline(never)]
    fn run_queued(&self, m: &dyn Seam, cpu: CpuId, queued: usize) -> usize {
        let now = m.now();
        let items = core::iter::from_fn(|| self.take(cpu)).take(queued);
        items.map(|item| (item.run)(&Running { cpu, machine: m, now })).count()
    }

    /// Moves the items of CPUs that firmware has said are OFF to a CPU that stays, in order and
    /// behind that CPU's own items. Items for the dead CPUs go there from now on. Pinned items
    /// stay. Boot CPU, which wakes the target if an item has moved. Returns how many have.
    pub fn pull(&self, dead: &CpuMask, to: Target) -> usize {
        self.queues.close(dead, to, |cpu, from, target| {
            let before = from.len();
            if before > 0 {
                let (stay, go) = from.drain(..).partition(|item| item.pinned);
                *from = stay;
                let mut go: VecDeque<WorkItem> = go;
                target.append(&mut go);
                self.note(cpu, from);
                self.note(to.cpu(), target);
            }
            before - from.len()
        })
    }

    /// True if a pinned item waits for the CPU, which can't leave before the item has run.
    pub fn pinned(&self, cpu: CpuId) -> bool {
        self.queues.with(cpu, |queue| queue.iter().any(|item| item.pinned))
    }

    /// How many items wait for the CPU. Any CPU; exact on the CPU itself after an IPI.
    #[inline]
    pub fn len(&self, cpu: CpuId) -> usize {
        self.waiting.get(cpu.index()).map_or(0, |word| word.0.load(Ordering::Relaxed))
    }

    /// True if no item waits for the CPU.
    pub fn is_empty(&self, cpu: CpuId) -> bool {
        self.len(cpu) == 0
    }

    fn push(&self, cpu: CpuId, queue: &mut VecDeque<WorkItem>, item: WorkItem) -> CpuId {
        queue.push_back(item);
        self.note(cpu, queue);
        cpu
    }

    fn take(&self, cpu: CpuId) -> Option<WorkItem> {
        self.queues.with(cpu, |queue| {
            let item = queue.pop_front()?;
            self.note(cpu, queue);
            Some(item)
        })
    }

    fn note(&self, cpu: CpuId, queue: &VecDeque<WorkItem>) {
        self.waiting[cpu.index()].0.store(queue.len(), Ordering::Relaxed);
    }
}
