//! What the rest of the kernel learns of hotplug: the online view and the observers of marks, both
//! read under RCU.
//!
//! The online view is not the set of CPUs at ONLINE. The view changes once for all CPUs of an
//! operation: leaving CPUs are taken out before the first one leaves, arriving CPUs are put in when
//! the last one has come. After the grace period of a teardown no reader acts on the old view any
//! more.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Hotplug;
use crate::cpu::{CpuId, CpuMask};
use crate::rcu::{RcuCell, ReadGuard};
use crate::sync::Lock;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::trace::Mark;

/// Called with a CPU's mark, on the CPU that sets the mark: the CPU itself at ONLINE and
/// TEARDOWN_CPU, the boot CPU at DEAD and OFFLINE. Ordinary context, under a read side: an observer
/// must not wait.
pub type Observer = Arc<dyn Fn(CpuId, Mark) + Send + Sync>;

/// Names an observer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObserverId(usize);

type ObserverList = Vec<(ObserverId, Observer)>;

/// Values that are replaced as a whole and that every CPU may read.
pub(super) struct Observers {
    online: RcuCell<CpuMask>,
    list: RcuCell<ObserverList>,
    /// How many observers there are, so that no read side is opened for an empty list. Relaxed: the
    /// cell publishes the list itself.
    count: AtomicUsize,
    /// Held while a new list is made out of the old one. Taken before any queue's lock.
    writing: Lock<usize>,
}

impl Observers {
    pub(super) fn new(boot: CpuId) -> Self {
        Self {
            online: RcuCell::new(Box::new(CpuMask::from_iter([boot]))),
            list: RcuCell::new(Box::default()),
            count: AtomicUsize::new(0),
            writing: Lock::new(0),
        }
    }
}

impl Hotplug {
    /// The CPUs that are online and stay, as the boot CPU last published them: before the first CPU
    /// of a set leaves, and after the last one has come. All readers at one time see the same
    /// value, however many CPUs are leaving or arriving.
    pub fn online_view<'a>(&'a self, guard: &'a ReadGuard<'_>) -> &'a CpuMask {
        self.observers.online.read(guard)
    }

    /// Publishes the view; the old one is freed after a grace period, without a wait. Boot CPU.
    pub(super) fn publish_view(&self, online: CpuMask) {
        let old = self.observers.online.replace(Box::new(online));
        self.services.rcu.free_later(self.topology.boot(), old);
    }

    /// Adds an observer. `me` is the calling CPU.
    pub fn observe(&self, me: CpuId, observer: Observer) -> ObserverId {
        let mut next = self.observers.writing.lock();
        *next += 1;
        let id = ObserverId(*next);
        self.change_list(me, |list| list.push((id, observer)));
        id
    }

    /// Takes an observer out. Marks that are set at this moment may still reach the observer.
    pub fn forget(&self, me: CpuId, id: ObserverId) {
        let _writing = self.observers.writing.lock();
        self.change_list(me, |list| list.retain(|(other, _)| *other != id));
    }

    fn change_list(&self, me: CpuId, change: impl FnOnce(&mut ObserverList)) {
        let observers = &self.observers;
        // The caller holds `writing`, so no other CPU replaces the list between this copy and the
        // replacement.
        let guard = self.services.rcu.read(me);
        let mut list = Box::new(observers.list.read(&guard).clone());
        drop(guard);
        change(&mut list);
        observers.count.store(list.len(), Ordering::Relaxed);
        self.services.rcu.free_later(me, observers.list.replace(list));
    }

    /// Tells the observers, if there are any. `me` is the calling CPU.
    #[inline]
    pub(super) fn tell(&self, me: CpuId, cpu: CpuId, mark: Mark) {
        if self.observers.count.load(Ordering::Relaxed) != 0 {
            self.tell_all(me, cpu, mark);
        }
    }

    #[inline(never)]
    fn tell_all(&self, me: CpuId, cpu: CpuId, mark: Mark) {
        let guard = self.services.rcu.read(me);
        self.observers.list.read(&guard).iter().for_each(|(_, observer)| observer(cpu, mark));
    }
}
