//! A count-down that belongs to one operation: the CPU that arrives last is told so, and a
//! straggler of an earlier operation counts for nothing.
//!
//! One word holds both, so that one exchange decides whether an arrival counts:
//!
//! ```text
//! open(n)   controlling CPU   operation + 1, n to come
//! arrive    any CPU           one less, if the operation is the caller's and the count is not 0
//! complete  controlling CPU   the count is 0, or the operation is over
//! ```
//!
//! An operation that is given up is not closed: the next `open` ends it.

use super::atomic::{AtomicU64, Ordering};

/// Room for all CPUs of a machine, and 48 bits for the number of the operation: that number does
/// not wrap in a kernel's life.
const COUNT_BITS: u32 = 16;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// Names one operation of a [`Latch`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticket(u64);

impl Ticket {
    /// No operation: an arrival with this ticket counts for nothing, and the ticket is always
    /// complete.
    pub const NONE: Self = Self(0);

    /// As a number, for a request word.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// From the number.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }
}

/// The count-down. The controlling CPU opens the latch; any CPU may arrive.
pub struct Latch {
    /// operation << 16 | how many are still to arrive
    word: AtomicU64,
}

impl Default for Latch {
    fn default() -> Self {
        Self { word: AtomicU64::new(0) }
    }
}

impl Latch {
    /// Starts the next operation, for `count` arrivals. Only the controlling CPU calls this.
    pub fn open(&self, count: usize) -> Ticket {
        // Relaxed: only the controlling CPU writes the operation number, and the request that
        // carries the ticket publishes what the arriving CPUs need.
        let operation = (self.word.load(Ordering::Relaxed) >> COUNT_BITS) + 1;
        // A swap: a straggler may be updating the word at this moment.
        self.word.swap(operation << COUNT_BITS | (count as u64 & COUNT), Ordering::Relaxed);
        Ticket(operation)
    }

    /// One arrival. True for the arrival that completes the operation; false for all others and for
    /// stragglers of an earlier operation.
    pub fn arrive(&self, ticket: Ticket) -> bool {
        // Release: pairs with the acquire here in later arrivals and with `complete`. The CPU that
        // arrives last, and every CPU that finds the count at zero, sees what each CPU did before
        // its arrival. Relaxed on failure: a straggler reads nothing on the strength of the word.
        self.word
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |word| {
                (word >> COUNT_BITS == ticket.0 && word & COUNT != 0).then(|| word - 1)
            })
            .is_ok_and(|before| before & COUNT == 1)
    }

    /// True once all have arrived (or another operation has begun).
    pub fn complete(&self, ticket: Ticket) -> bool {
        // Acquire: pairs with `arrive`.
        let word = self.word.load(Ordering::Acquire);
        word >> COUNT_BITS != ticket.0 || word & COUNT == 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_arrival_completes() {
        let latch = Latch::default();
        let ticket = latch.open(2);
        assert!(!latch.complete(ticket) && !latch.arrive(ticket));
        assert!(latch.arrive(ticket) && latch.complete(ticket));
        assert!(!latch.arrive(ticket), "one too many counts for nothing");
    }

    #[test]
    fn a_straggler_does_not_count_in_the_next_operation() {
        let latch = Latch::default();
        let old = latch.open(1);
        let new = latch.open(1);
        assert!(!latch.arrive(old) && !latch.complete(new));
        assert!(latch.arrive(new));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicU64;
    use loom::thread;

    use super::*;

    /// Exactly one of two arrivals is the last, and that CPU sees what both did before arriving.
    #[test]
    fn loom_one_last_arrival_that_sees_everything() {
        loom::model(|| {
            let shared = Arc::new((Latch::default(), [AtomicU64::new(0), AtomicU64::new(0)]));
            let ticket = shared.0.open(2);
            let arrivers: [_; 2] = core::array::from_fn(|i| {
                let shared = shared.clone();
                thread::spawn(move || {
                    shared.1[i].store(1, Ordering::Relaxed);
                    let last = shared.0.arrive(ticket);
                    if last {
                        let seen = shared.1.each_ref().map(|w| w.load(Ordering::Relaxed));
                        assert_eq!(seen, [1, 1]);
                    }
                    last
                })
            });
            let last = arrivers.map(|t| t.join().unwrap()).iter().filter(|&&l| l).count();
            assert_eq!(last, 1);
        });
    }

    /// A straggler of an operation that was given up races with the next one, and is not counted.
    #[test]
    fn loom_a_straggler_never_completes_the_next_operation() {
        loom::model(|| {
            let latch = Arc::new(Latch::default());
            let old = latch.open(2);
            let straggler = thread::spawn({
                let latch = latch.clone();
                move || latch.arrive(old)
            });
            let new = latch.open(1);
            assert!(!latch.complete(new));
            straggler.join().unwrap();
            assert!(!latch.complete(new), "counted although it is of the old operation");
            assert!(latch.arrive(new) && latch.complete(new));
        });
    }

    /// A CPU that waits, and sees the count at zero, sees what all CPUs did before their arrivals.
    #[test]
    fn loom_who_waits_sees_everything() {
        loom::model(|| {
            let shared = Arc::new((Latch::default(), [AtomicU64::new(0), AtomicU64::new(0)]));
            let ticket = shared.0.open(2);
            let arrivers: [_; 2] = core::array::from_fn(|i| {
                let shared = shared.clone();
                thread::spawn(move || {
                    shared.1[i].store(1, Ordering::Relaxed);
                    shared.0.arrive(ticket);
                })
            });
            while !shared.0.complete(ticket) {
                thread::yield_now();
            }
            let seen = shared.1.each_ref().map(|w| w.load(Ordering::Relaxed));
            assert_eq!(seen, [1, 1]);
            arrivers.into_iter().for_each(|t| t.join().unwrap());
        });
    }
}
