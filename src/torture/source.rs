//! Interrupts that software makes pending at the distributor, one outstanding for each source, so
//! that what was sent can be compared with what was handled.

use crate::irq::{Handled, IrqCounter};
use crate::machine::Seam;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const IDLE: u32 = 0;
/// Sent, and not handled yet.
const OUT: u32 = 1;
/// A CPU is sending, or checks for a handled interrupt.
const BUSY: u32 = 2;

/// Sums over sources.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// Sent.
    pub sent: u64,
    /// Handled.
    pub handled: u64,
    /// Taken although nothing was sent: one was handled twice.
    pub twice: u64,
}

impl Tally {
    /// True if everything that was sent was handled once.
    pub fn even(&self) -> bool {
        self.sent == self.handled && self.twice == 0
    }
}

impl core::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |a, b| Self {
            sent: a.sent + b.sent,
            handled: a.handled + b.handled,
            twice: a.twice + b.twice,
        })
    }
}

/// An interrupt that no device has: its handler is ours.
pub(super) struct Source {
    pub(super) intid: u32,
    state: AtomicU32,
    sent: AtomicU64,
    handled: AtomicU64,
    twice: AtomicU64,
}

impl Source {
    /// One that has not been sent yet.
    pub(super) fn new(intid: u32) -> Self {
        Self {
            intid,
            state: AtomicU32::new(IDLE),
            sent: AtomicU64::new(0),
            handled: AtomicU64::new(0),
            twice: AtomicU64::new(0),
        }
    }

    /// Sends the interrupt, unless one is outstanding.
    pub(super) fn send(&self, m: &dyn Seam) {
        // Acquire: pairs with the release in `taken`; the handler that set IDLE comes before the
        // next send.
        if self.state.compare_exchange(IDLE, OUT, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            self.sent.fetch_add(1, Ordering::Relaxed);
            m.pend(self.intid);
        }
    }

    /// The handler.
    pub(super) fn taken(&self) -> Handled {
        // Counted first: a CPU that reads IDLE also finds the count.
        if self.state.load(Ordering::Acquire) != OUT {
            self.twice.fetch_add(1, Ordering::Relaxed);
            return Handled::No;
        }
        self.handled.fetch_add(1, Ordering::Relaxed);
        self.state.store(IDLE, Ordering::Release);
        Handled::Yes
    }

    pub(super) fn settled(&self) -> bool {
        self.state.load(Ordering::Acquire) == IDLE
    }

    pub(super) fn tally(&self) -> Tally {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Tally { sent: get(&self.sent), handled: get(&self.handled), twice: get(&self.twice) }
    }
}

/// The line of a device, which has its own handler: the handler's count tells when the interrupt
/// was taken.
pub(super) struct IrqLine {
    pub(super) intid: u32,
    counter: IrqCounter,
    state: AtomicU32,
    /// The counter's value at the send.
    base: AtomicU64,
    sent: AtomicU64,
    handled: AtomicU64,
}

impl IrqLine {
    pub(super) fn new(intid: u32, counter: IrqCounter) -> Self {
        Self {
            intid,
            counter,
            state: AtomicU32::new(IDLE),
            base: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            handled: AtomicU64::new(0),
        }
    }

    /// Sends the interrupt, unless one is outstanding. Ordinary context.
    pub(super) fn send(&self, m: &dyn Seam) {
        if self.settled() && self.enter(IDLE) {
            self.base.store(self.counter.handled(), Ordering::Relaxed);
            self.sent.fetch_add(1, Ordering::Relaxed);
            m.pend(self.intid);
            self.state.store(OUT, Ordering::Release);
        }
    }

    /// True if nothing is out. Ordinary context.
    pub(super) fn settled(&self) -> bool {
        if self.enter(OUT) {
            let taken = self.counter.handled() > self.base.load(Ordering::Relaxed);
            self.handled.fetch_add(u64::from(taken), Ordering::Relaxed);
            self.state.store(if taken { IDLE } else { OUT }, Ordering::Release);
        }
        self.state.load(Ordering::Acquire) == IDLE
    }

    pub(super) fn tally(&self) -> Tally {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Tally { sent: get(&self.sent), handled: get(&self.handled), twice: 0 }
    }

    fn enter(&self, from: u32) -> bool {
        self.state.compare_exchange(from, BUSY, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::machine::fake::Fake;

    #[test]
    fn one_is_out_at_a_time_and_each_is_counted_once() {
        let (m, source) = (Fake::default(), Source::new(77));
        source.send(&m);
        source.send(&m);
        assert_eq!(source.tally(), Tally { sent: 1, handled: 0, twice: 0 });
        assert_eq!(source.taken(), Handled::Yes);
        assert!(source.settled() && source.tally().even());
        source.send(&m);
        assert!(!source.settled() && !source.tally().even());
        source.taken();
        assert_eq!(source.taken(), Handled::No);
        assert_eq!(source.tally(), Tally { sent: 2, handled: 2, twice: 1 });
        assert!(!source.tally().even());
    }
}
