//! Work items of each CPU: something to be done there soon, in ordinary context.
//!
//! A CPU's work loop runs what is queued, in order. When the CPU has left, its items move to a
//! survivor, in bulk and after it is confirmed OFF. Pinned items never move: they wait until their
//! CPU is back, and a CPU that has some is not asked to leave.
//!
//! Each item runs once: whoever takes it out of the queue, under the queue's lock, runs it, outside
//! of it. So an item may queue others.
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
use crate::machine::Machine;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::queues::Queues;

/// What an item learns when it runs.
pub struct Running<'a> {
    /// The CPU that it runs on.
    pub cpu: CpuId,
    /// The machine.
    pub machine: &'a dyn Machine,
    /// When the CPU looked, ticks.
    pub now: u64,
}

/// One item.
pub struct Item {
    /// It may run on no other CPU than the one that it is queued for.
    pub pinned: bool,
    /// What to do.
    pub run: Box<dyn FnOnce(&Running<'_>) + Send>,
}

/// On a cache line of its own.
#[repr(align(64))]
struct Waiting(AtomicUsize);

/// The work of all CPUs.
pub struct Work {
    queues: Queues<VecDeque<Item>>,
    /// Lengths, so that a look costs one load. Stored under the queue's lock. Relaxed: what is in
    /// the queue is read under the lock, and who queues an item wakes.
    waiting: Box<[Waiting]>,
}

impl Work {
    /// For CPUs `0..cpus`; what is meant for a CPU that has never come up goes to `boot`, unless it
    /// is pinned.
    pub fn new(cpus: usize, boot: CpuId) -> Self {
        Self {
            queues: Queues::new(cpus, boot),
            waiting: (0..cpus).map(|_| Waiting(AtomicUsize::new(0))).collect(),
        }
    }

    /// A CPU comes up: it does its own work from now on.
    pub fn open(&self, cpu: CpuId) {
        self.queues.open(cpu);
    }

    /// Queues an item. Any CPU, ordinary context. Returns whose it is, which the caller wakes if it
    /// is another CPU: the CPU asked for, or the one that has taken over from it. A pinned item
    /// stays with its CPU even while that is away.
    #[must_use = "the CPU has to be woken"]
    pub fn queue(&self, cpu: CpuId, item: Item) -> CpuId {
        if item.pinned {
            self.queues.with(cpu, |queue| self.push(cpu, queue, item))
        } else {
            self.queues.open_one(cpu, |cpu, queue| self.push(cpu, queue, item))
        }
    }

    /// Runs what is queued by now, in order. On the CPU itself, in ordinary context. Items that are
    /// queued meanwhile wait for the next look, so this ends; the CPU looks again before it sleeps
    /// if [`Self::len`] is not 0. Returns how many ran.
    pub fn run(&self, m: &dyn Machine, cpu: CpuId) -> usize {
        let queued = self.len(cpu);
        if queued == 0 {
            return 0;
        }
        let now = m.now();
        let items = core::iter::from_fn(|| self.take(cpu)).take(queued);
        items.map(|item| (item.run)(&Running { cpu, machine: m, now })).count()
    }

    /// Moves the items of CPUs that are confirmed OFF to one that stays, in order and behind its
    /// own, and all that is meant for them from now on; pinned ones excepted. Boot CPU, which wakes
    /// the target if any have moved. Returns how many.
    pub fn pull(&self, dead: &CpuMask, to: Target) -> usize {
        self.queues.close(dead, to, |cpu, from, target| {
            let before = from.len();
            if before > 0 {
                let (stay, go) = from.drain(..).partition(|item| item.pinned);
                *from = stay;
                let mut go: VecDeque<Item> = go;
                target.append(&mut go);
                self.note(cpu, from);
                self.note(to.cpu(), target);
            }
            before - from.len()
        })
    }

    /// True if a pinned item waits for the CPU: it can't leave before that has run.
    pub fn pinned(&self, cpu: CpuId) -> bool {
        self.queues.with(cpu, |queue| queue.iter().any(|item| item.pinned))
    }

    /// How many items wait for the CPU. Any CPU; exact on the CPU itself after an IPI.
    pub fn len(&self, cpu: CpuId) -> usize {
        self.waiting.get(cpu.index()).map_or(0, |word| word.0.load(Ordering::Relaxed))
    }

    /// True if none does.
    pub fn is_empty(&self, cpu: CpuId) -> bool {
        self.len(cpu) == 0
    }

    fn push(&self, cpu: CpuId, queue: &mut VecDeque<Item>, item: Item) -> CpuId {
        queue.push_back(item);
        self.note(cpu, queue);
        cpu
    }

    fn take(&self, cpu: CpuId) -> Option<Item> {
        self.queues.with(cpu, |queue| {
            let item = queue.pop_front()?;
            self.note(cpu, queue);
            Some(item)
        })
    }

    fn note(&self, cpu: CpuId, queue: &VecDeque<Item>) {
        self.waiting[cpu.index()].0.store(queue.len(), Ordering::Relaxed);
    }
}
