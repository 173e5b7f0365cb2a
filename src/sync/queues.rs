//! A queue per CPU, each under its own lock, and the way on to a survivor for items that are meant
//! for a CPU that is off.
//!
//! A closed queue stays empty: an item for its CPU goes to the CPU that took the contents over, and
//! on from there if that CPU has left since. A queue is only ever closed onto an open one, so that
//! this chain always ends.
//!
//! Lock order: one queue at a time, except while a queue is closed: the dead CPU's first, then the
//! target's. No interrupt handler takes a queue's lock.

use alloc::boxed::Box;

use super::lock::Lock;
use crate::cpu::{CpuId, CpuMask, Target};

/// One queue per CPU.
pub struct Queues<T>(Box<[CpuQueue<T>]>);

/// On a cache line of its own: a CPU that works on its queue takes no line away from another CPU.
#[repr(align(64))]
struct CpuQueue<T>(Lock<Queue<T>>);

struct Queue<T> {
    content: T,
    /// `None` while the queue is open; else the CPU that has taken the contents over. Changed only
    /// under the lock, so an item is put into the queue before it closes, and is moved with the
    /// rest, or finds it closed.
    moved_to: Option<CpuId>,
}

impl<T: Default> Queues<T> {
    /// For CPUs `0..cpus`. Only the boot CPU's is open.
    pub fn new(cpus: usize, boot: CpuId) -> Self {
        let row = |cpu| {
            let moved_to = (cpu != boot.index()).then_some(boot);
            CpuQueue(Lock::new(Queue { content: T::default(), moved_to }))
        };
        Self((0..cpus).map(row).collect())
    }

    /// Runs `act` on the queue of exactly this CPU, open or closed.
    pub fn with<R>(&self, cpu: CpuId, act: impl FnOnce(&mut T) -> R) -> R {
        act(&mut self.row(cpu).lock().content)
    }

    /// Runs `act` on the open queue that takes the items meant for `cpu`. `act` is given the CPU of
    /// that queue.
    pub fn open_one<R>(&self, cpu: CpuId, act: impl FnOnce(CpuId, &mut T) -> R) -> R {
        // Each lock is dropped before the next one is taken. A queue on the way may open or close
        // meanwhile; what counts is that the queue in which the item ends up is open while its lock
        // is held.
        let mut at = cpu;
        loop {
            let mut queue = self.row(at).lock();
            match queue.moved_to {
                None => return act(at, &mut queue.content),
                Some(next) => at = next,
            }
        }
    }

    /// Opens the queues of these CPUs: items meant for each go to its own from now on.
    pub fn open(&self, cpus: &CpuMask) {
        cpus.iter().for_each(|cpu| self.row(cpu).lock().moved_to = None);
    }

    /// Closes the queues of dead CPUs. `take` is given the dead CPU, that queue's contents and the
    /// target's contents, both locked; it moves the former to the latter and returns how many items
    /// that were. Returns the sum.
    pub fn close(
        &self,
        dead: &CpuMask,
        to: Target,
        mut take: impl FnMut(CpuId, &mut T, &mut T) -> usize,
    ) -> usize {
        let to = to.cpu();
        let mut moved = 0;
        // The target is never among the dead; otherwise this would take the target's lock twice.
        for cpu in dead.iter().filter(|&cpu| cpu != to && cpu.index() < self.0.len()) {
            let mut from = self.row(cpu).lock();
            from.moved_to = Some(to);
            moved += take(cpu, &mut from.content, &mut self.row(to).lock().content);
        }
        moved
    }

    /// The CPUs that have a queue.
    pub fn cpus(&self) -> impl Iterator<Item = CpuId> + use<T> {
        (0..self.0.len()).map(|i| CpuId(i as u16))
    }

    fn row(&self, cpu: CpuId) -> &Lock<Queue<T>> {
        &self.0[cpu.index()].0
    }
}
