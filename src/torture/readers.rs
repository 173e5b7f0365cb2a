//! Readers of a value that is poisoned when freed, and updaters that replace the value.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::sync::Arc;

use super::findings::Findings;
use super::random::Random;
use super::{Site, WAIT_MS};
use crate::cpu::CpuId;
use crate::machine::Seam;
use crate::rcu::{How, RcuCell};
use crate::sync::Lock;
use crate::sync::atomic::{AtomicU64, Ordering};

/// What is found where a value has been freed.
const POISON: u64 = 0xdead_dead_dead_dead;

/// Freed values whose memory is kept, so that a late reader finds poison and not reused memory.
const GRAVES: usize = 64;

/// A number, written all over.
struct Value([AtomicU64; 8]);

/// The value's owner: after its drop the value must not be read.
struct Owned(Arc<Value>);

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.0.iter().for_each(|word| word.store(POISON, Ordering::Relaxed));
    }
}

/// The value, and counts of reads and updates.
pub(super) struct Readers {
    cell: RcuCell<Owned>,
    graves: Lock<VecDeque<Arc<Value>>>,
    pub(super) reads: AtomicU64,
    poisoned: AtomicU64,
    pub(super) updates: AtomicU64,
    pub(super) queued: AtomicU64,
    pub(super) ran: Arc<AtomicU64>,
}

fn value(number: u64) -> (Box<Owned>, Arc<Value>) {
    let value = Arc::new(Value(core::array::from_fn(|_| AtomicU64::new(number))));
    (Box::new(Owned(value.clone())), value)
}

impl Readers {
    pub(super) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            cell: RcuCell::new(value(0).0),
            graves: Lock::default(),
            reads: zero(),
            poisoned: zero(),
            updates: zero(),
            queued: zero(),
            ran: Arc::new(zero()),
        }
    }

    /// A read side on the calling CPU. With `linger`, in ordinary context, the reader waits for a
    /// moment at the value, and then reads again.
    pub(super) fn read(&self, site: Site, m: &dyn Seam, cpu: CpuId, linger: bool) {
        let guard = site.services.rcu.read(cpu);
        let words = &self.cell.read(&guard).0.0;
        let number = words[0].load(Ordering::Relaxed);
        if linger {
            m.look_again(&words[0], number);
        }
        let same = |word: &AtomicU64| word.load(Ordering::Relaxed) == number;
        let good = number != POISON && words.iter().all(same);
        drop(guard);
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.poisoned.fetch_add(u64::from(!good), Ordering::Relaxed);
    }

    /// Queues a callback on the calling CPU, ordinary context.
    pub(super) fn call(&self, site: Site, cpu: CpuId) {
        self.queued.fetch_add(1, Ordering::Relaxed);
        let ran = self.ran.clone();
        let callback = move || _ = ran.fetch_add(1, Ordering::Release);
        site.services.rcu.call(cpu, Box::new(callback));
    }

    /// One update in one of the ways that there are. Boot CPU.
    pub(super) fn update(&self, site: Site, random: &mut Random, findings: &Findings) {
        let (rcu, boot) = (&site.services.rcu, site.boot());
        let (new, grave) = value(self.updates.fetch_add(1, Ordering::Relaxed) + 1);
        self.bury(grave);
        let old = self.cell.replace(new);
        let how = match random.below(4) {
            0 => How::Normal,
            1 => How::Expedited,
            _ => return rcu.free_later(boot, old),
        };
        if let Err(stall) = rcu.free_after(site.board, boot, how, site.in_ms(WAIT_MS), old) {
            let cpus = stall.cpus;
            findings.add(format!("rcu: {how:?} grace period: CPUs {} read on", cpus.ranges()));
        }
    }

    /// All callbacks that were queued before have run afterwards. Boot CPU.
    pub(super) fn barrier(&self, site: Site, findings: &Findings) {
        let before = self.queued.load(Ordering::Acquire);
        let rcu = &site.services.rcu;
        if let Err(stall) = rcu.barrier(site.board, site.boot(), site.in_ms(WAIT_MS)) {
            return findings.add(format!("rcu: barrier: CPUs {} hold it up", stall.cpus.ranges()));
        }
        let ran = self.ran.load(Ordering::Acquire);
        findings.check(ran >= before, || {
            format!("rcu: after a barrier {ran} of {before} callbacks have run")
        });
    }

    /// When no reader and no caller is left. Boot CPU.
    pub(super) fn finish(&self, site: Site, findings: &Findings) {
        self.barrier(site, findings);
        let get = |count: &AtomicU64| count.load(Ordering::Acquire);
        let (queued, ran, poisoned) = (get(&self.queued), get(&self.ran), get(&self.poisoned));
        findings.check(poisoned == 0, || format!("rcu: {poisoned} reads of freed memory"));
        findings.check(queued == ran, || format!("rcu: {ran} of {queued} callbacks have run"));
    }

    pub(super) fn poisoned(&self) -> u64 {
        self.poisoned.load(Ordering::Relaxed)
    }

    fn bury(&self, grave: Arc<Value>) {
        let mut graves = self.graves.lock();
        graves.push_back(grave);
        if graves.len() > GRAVES {
            graves.pop_front();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_freed_value_is_poison_all_over() {
        let (owned, grave) = value(7);
        assert!(grave.0.iter().all(|word| word.load(Ordering::Relaxed) == 7));
        drop(owned);
        assert!(grave.0.iter().all(|word| word.load(Ordering::Relaxed) == POISON));
    }
}
