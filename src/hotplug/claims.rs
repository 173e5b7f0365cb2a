//! Which CPU issues which CPU_ON under the fanout policy: one word, from which the helping CPUs
//! take indices.
//!
//! An index is the logical number of a CPU. All CPUs of the machine are gone through, and a CPU
//! that is not KICKED is passed over (`Hotplug::kick`): so no list of CPUs has to be shared.
//!
//! The boot CPU closes the word at its deadline. A helper that has claimed an index before may
//! still issue that CPU_ON afterwards. That does no harm: a CPU that was given up finds SHOULD_DIE
//! and turns itself off, and its next start waits until that CPU_ON has returned
//! (`CpuCell::kick_returned`).

use crate::sync::Ticket;
use crate::sync::atomic::{AtomicU64, Ordering};

/// More than enough for [`MAX_CPUS`](crate::config::MAX_CPUS). The index never grows past the
/// number of CPUs, since a claim that finds none left does not change the word; so the index never
/// runs into the operation's number.
const INDEX_BITS: u32 = 16;
const INDEX: u64 = (1 << INDEX_BITS) - 1;

/// The next unclaimed index of one operation. A late helper of an earlier operation finds nothing
/// to claim.
#[derive(Default)]
pub(super) struct FanoutClaims {
    /// operation << 16 | next index; 0 when closed (operations count from 1)
    word: AtomicU64,
}

impl FanoutClaims {
    /// Lets the CPUs of this operation claim. Boot CPU only, once every boot record and every
    /// KICKED is written.
    pub(super) fn open(&self, ticket: Ticket) {
        // Release: pairs with `FanoutClaims::claim`, whose CPU then sees every boot record and
        // every KICKED. A swap, here and in `close`: late helpers may still be updating the word.
        self.word.swap(ticket.number() << INDEX_BITS, Ordering::AcqRel);
    }

    /// Nothing is left to claim. Boot CPU only. Relaxed: this publishes nothing.
    pub(super) fn close(&self) {
        self.word.swap(0, Ordering::Relaxed);
    }

    /// An index below `count` that no other CPU gets.
    pub(super) fn claim(&self, ticket: Ticket, count: usize) -> Option<usize> {
        let index = |word: u64| {
            let ours = word >> INDEX_BITS == ticket.number() && ticket != Ticket::NONE;
            (ours && word & INDEX < count as u64).then_some(word & INDEX)
        };
        self.word
            // Acquire: pairs with `FanoutClaims::open`. Release: hands that order on to the next
            // claim.
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |w| index(w).map(|_| w + 1))
            .ok()
            .and_then(index)
            .map(|i| i as usize)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn indices_come_once_and_only_to_their_operation() {
        let claims = FanoutClaims::default();
        let (old, new) = (Ticket::from_number(1), Ticket::from_number(2));
        claims.open(old);
        assert_eq!(claims.claim(old, 2), Some(0));
        claims.open(new);
        assert_eq!(claims.claim(old, 2), None);
        assert_eq!([0; 3].map(|_| claims.claim(new, 2)), [Some(0), Some(1), None]);
        claims.close();
        assert_eq!((claims.claim(new, 2), claims.claim(Ticket::NONE, 2)), (None, None));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicU64;
    use loom::thread;

    use super::*;

    /// Two helpers and the boot CPU's closing: no index twice, and a claim sees what was published.
    #[test]
    fn loom_no_index_is_claimed_twice() {
        loom::model(|| {
            let shared = Arc::new((FanoutClaims::default(), AtomicU64::new(0)));
            let ticket = Ticket::from_number(1);
            let helpers: [_; 2] = core::array::from_fn(|_| {
                let shared = shared.clone();
                thread::spawn(move || {
                    let claim = || {
                        let index = shared.0.claim(ticket, 2)?;
                        assert_eq!(shared.1.load(Ordering::Relaxed), 1, "record not written");
                        Some(1 << index)
                    };
                    claim().unwrap_or(0) + claim().unwrap_or(0)
                })
            });
            shared.1.store(1, Ordering::Relaxed);
            shared.0.open(ticket);
            let claimed = helpers.map(|t| t.join().unwrap());
            assert!(claimed[0] & claimed[1] == 0 && claimed.iter().sum::<i32>() <= 3);
        });
    }

    /// A helper that comes too late claims nothing, whether the next operation has begun or not.
    #[test]
    fn loom_a_closed_operation_stays_closed() {
        loom::model(|| {
            let claims = Arc::new(FanoutClaims::default());
            let (old, new) = (Ticket::from_number(1), Ticket::from_number(2));
            claims.open(old);
            let late = thread::spawn({
                let claims = claims.clone();
                move || (claims.claim(old, 2), claims.claim(old, 2))
            });
            claims.close();
            assert_eq!(claims.claim(old, 2), None);
            claims.open(new);
            assert_eq!(claims.claim(new, 1), Some(0));
            assert_eq!(claims.claim(new, 1), None);
            late.join().unwrap();
            assert_eq!(claims.claim(old, 2), None);
        });
    }
}
