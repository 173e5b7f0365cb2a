//! A queue per CPU, each under its own lock, and where the share of a CPU that is not there goes.
//!
//! A closed queue is empty for good: what is meant for its CPU goes to the CPU that took its
//! contents over, and on from there if that one has left since. A queue is only ever closed onto
//! an open one, so that this way always ends.
//!
//! Lock order: one queue at a time, except while a queue is closed: the dead CPU's first, then the
//! target's. No handler takes any of them.

use alloc::boxed::Box;

use super::lock::Lock;
use crate::cpu::{CpuId, CpuMask, Target};

/// One queue per CPU.
pub struct Queues<T>(Box<[Row<T>]>);

/// On cache lines of its own: a CPU that works on its queue disturbs nobody.
#[repr(align(64))]
struct Row<T>(Lock<Queue<T>>);

struct Queue<T> {
    content: T,
    moved_to: Option<CpuId>,
}

impl<T: Default> Queues<T> {
    /// For CPUs `0..cpus`. Only the boot CPU's is open.
    pub fn new(cpus: usize, boot: CpuId) -> Self {
        let row = |cpu| {
            let moved_to = (cpu != boot.index()).then_some(boot);
            Row(Lock::new(Queue { content: T::default(), moved_to }))
        };
        Self((0..cpus).map(row).collect())
    }

    /// Does something with the queue of this very CPU.
    pub fn with<R>(&self, cpu: CpuId, act: impl FnOnce(&mut T) -> R) -> R {
        act(&mut self.row(cpu).lock().content)
    }

    /// Does something with the queue that takes what is meant for `cpu`; it is told whose it is.
    pub fn open_one<R>(&self, cpu: CpuId, act: impl FnOnce(CpuId, &mut T) -> R) -> R {
        let mut at = cpu;
        loop {
            let mut queue = self.row(at).lock();
            match queue.moved_to {
                None => return act(at, &mut queue.content),
                Some(next) => at = next,
            }
        }
    }

    /// The CPU takes what is meant for it from now on.
    pub fn open(&self, cpu: CpuId) {
        self.row(cpu).lock().moved_to = None;
    }

    /// Closes the queues of dead CPUs: `take` is told whose it is, moves the contents of that queue
    /// (second argument) to the target's, under both locks, and counts. Returns the sum.
    pub fn close(
        &self,
        dead: &CpuMask,
        to: Target,
        mut take: impl FnMut(CpuId, &mut T, &mut T) -> usize,
    ) -> usize {
        let to = to.cpu();
        let mut moved = 0;
        // The target is never among the dead; if it were, its lock would be taken twice.
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
