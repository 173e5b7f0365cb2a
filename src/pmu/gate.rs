//! A lock without waiting: a CPU that finds the gate held leaves a reason, and the holder acts on
//! that reason.
//!
//! ```text
//! 0                    free
//! HELD                 a CPU is inside, and has taken all reasons so far
//! HELD | reasons       the same, and CPUs have left reasons since
//!
//! enter: 0 -> HELD | reason          the CPU is inside
//!        HELD -> HELD | reason       the CPU goes on; the holder acts on the reason
//! round: HELD | reasons -> HELD      the holder takes the reasons, and acts on them
//! exit:  HELD -> 0                   fails if a reason was left meanwhile: another round
//! ```
//!
//! A reason is a bit, not a count: what is to be done follows from the state that the holder finds
//! (owner, open events, overflow flags, mail), so acting once on a reason that was left twice is
//! enough.

use crate::sync::atomic::{AtomicU32, Ordering};

/// A CPU is inside.
const HELD: u32 = 1;

/// Why a CPU comes to the gate, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct GateReason(u32);

impl GateReason {
    /// The owner changed.
    pub(super) const OWNER: Self = Self(1 << 1);
    /// The owner changed, and the last one was lost: the registers may hold anything.
    pub(super) const ANEW: Self = Self(1 << 2);
    /// A counter overflowed.
    pub(super) const OVERFLOW: Self = Self(1 << 3);
    /// The overflow interrupts were turned off, because the handler can't wait for the holder.
    pub(super) const HUSHED: Self = Self(1 << 4);
    /// A request waits in the mail.
    pub(super) const MAIL: Self = Self(1 << 5);

    /// True if any reason of `other` is among these.
    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// The gate to the registers of one cluster and to the counters kept for them. Holder and reasons
/// are one word, so a CPU either leaves its reason before the holder frees the gate, and the holder
/// acts on that reason, or finds the gate free. The holder goes on in the context in which the
/// holder entered: where ordinary code holds the gate, an interrupt handler of the same CPU leaves
/// a reason and returns.
pub(super) struct Gate(AtomicU32);

impl Default for Gate {
    fn default() -> Self {
        Self(AtomicU32::new(0))
    }
}

impl Gate {
    /// Runs `act` with the reason, and again with the reasons that other CPUs leave meanwhile.
    /// False if the gate is held: the holder then acts on the reason.
    pub(super) fn enter(&self, reason: GateReason, mut act: impl FnMut(GateReason)) -> bool {
        // AcqRel in all three accesses, which pair with each other. The `fetch_or` that leaves a
        // reason pairs with the holder's `swap`: the holder sees all that was done before the
        // reason was left. The `compare_exchange` that frees the gate pairs with the next holder's
        // `fetch_or`.
        if self.0.fetch_or(HELD | reason.0, Ordering::AcqRel) & HELD != 0 {
            return false;
        }
        // Ends when a round passes in which no CPU has left a reason. Each round answers at least
        // one visit of another CPU, or of a handler on this one.
        loop {
            act(GateReason(self.0.swap(HELD, Ordering::AcqRel) & !HELD));
            if self.0.compare_exchange(HELD, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return true;
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_finds_it_held_leaves_word_and_goes() {
        let (gate, mut rounds) = (Gate::default(), alloc::vec::Vec::new());
        assert!(gate.enter(GateReason::OWNER, |reason| {
            if rounds.is_empty() {
                let inside = |_| panic!("two inside");
                assert!(
                    !gate.enter(GateReason::OVERFLOW, inside)
                        && !gate.enter(GateReason::MAIL, inside)
                );
            }
            rounds.push(reason);
        }));
        assert_eq!(
            rounds,
            [GateReason::OWNER, GateReason(GateReason::OVERFLOW.0 | GateReason::MAIL.0)]
        );
        assert!(gate.enter(GateReason::MAIL, |reason| assert_eq!(reason, GateReason::MAIL)));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    struct Shared {
        gate: Gate,
        inside: AtomicU32,
        posted: [AtomicU32; 3],
        served: [AtomicU32; 3],
    }

    const REASONS: [GateReason; 3] = [GateReason::OWNER, GateReason::OVERFLOW, GateReason::MAIL];

    fn come(shared: &Shared, i: usize) {
        shared.posted[i].store(1, Ordering::Relaxed);
        shared.gate.enter(REASONS[i], |reasons| {
            // Plain loads and stores: wrong if two CPUs are inside, or if a holder does not see the
            // last one's stores.
            assert_eq!(shared.inside.load(Ordering::Relaxed), 0, "two inside");
            shared.inside.store(1, Ordering::Relaxed);
            for j in (0..3).filter(|&j| reasons.has(REASONS[j])) {
                assert_eq!(shared.posted[j].load(Ordering::Relaxed), 1, "not seen");
                let served = shared.served[j].load(Ordering::Relaxed);
                shared.served[j].store(served + 1, Ordering::Relaxed);
            }
            shared.inside.store(0, Ordering::Relaxed);
        });
    }

    /// Three CPUs come: one inside at a time; each reason is acted upon once, after its CPU has
    /// posted.
    #[test]
    fn loom_no_reason_is_lost_and_nobody_waits() {
        loom::model(|| {
            let zero = || core::array::from_fn(|_| AtomicU32::new(0));
            let shared = Arc::new(Shared {
                gate: Gate::default(),
                inside: AtomicU32::new(0),
                posted: zero(),
                served: zero(),
            });
            let others: [_; 2] = [1, 2].map(|i| {
                let shared = shared.clone();
                thread::spawn(move || come(&shared, i))
            });
            come(&shared, 0);
            others.into_iter().for_each(|t| t.join().unwrap());
            let served = shared.served.each_ref().map(|s| s.load(Ordering::Relaxed));
            assert_eq!(served, [1, 1, 1]);
        });
    }
}
