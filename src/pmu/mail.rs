//! One request to a cluster and its answer, in one word.
//!
//! The registers of a cluster can be reached only from its own CPUs. Any other CPU posts a request
//! here, wakes the owner, and collects the answer. The poster may give up at its deadline; the
//! server may be anywhere in its work at that moment. So every step is one exchange of the word:
//!
//! ```text
//! EMPTY  -> ASKED    poster: `post`
//! ASKED  -> TAKEN    server: `serve`, inside the gate
//! ASKED  -> EMPTY    poster: `withdraw`; the request is never carried out
//! TAKEN  -> DONE     server: the answer is in the word
//! TAKEN  -> ORPHAN   poster: `withdraw`; the request is carried out, the answer is not wanted
//! ORPHAN -> EMPTY    server: drops the answer
//! DONE   -> EMPTY    poster: `collect`
//! ```
//!
//! The number of the request stays in the word when the mail is empty, so that each request has
//! another number, and an exchange of an old request fails on a new one.

use crate::sync::atomic::{AtomicU64, Ordering};

/// What is asked of a cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// Count this event from now on.
    Open(u16),
    /// Count this event no longer.
    Close(u16),
    /// Bring the totals up to now.
    Read,
}

/// Why the cluster says no.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    NoEvent,
    Full,
    AlreadyOpen,
    NotOpen,
}

/// The place among the cluster's counters, or why not.
pub(super) type Answer = Result<u8, Refusal>;

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(super) struct Posted(u64);

const STATE: u64 = 7;
/// A request may be posted.
const EMPTY: u64 = 0;
/// A request waits for a CPU of the cluster.
const ASKED: u64 = 1;
/// A CPU of the cluster is carrying the request out.
const TAKEN: u64 = 2;
/// The answer waits for the poster.
const DONE: u64 = 3;
/// TAKEN, and the poster has given up waiting.
const ORPHAN: u64 = 4;

const BODY_SHIFT: u32 = 8;
const NUMBER_SHIFT: u32 = 32;

/// state 2:0 | request or answer 31:8 | number of the request 63:32
pub(super) struct Mail(AtomicU64);

impl Default for Mail {
    fn default() -> Self {
        Self(AtomicU64::new(EMPTY))
    }
}

impl Mail {
    /// Posts a request; `None` if another one is under way.
    pub(super) fn post(&self, request: Request) -> Option<Posted> {
        // Each request has a number of its own, so that the server of a withdrawn request can't
        // answer this one. Release: pairs with the load and the exchange of `serve`.
        let next = |word: u64| {
            let number = (word >> NUMBER_SHIFT).wrapping_add(1) << NUMBER_SHIFT;
            (word & STATE == EMPTY).then_some(number | encode(request) << BODY_SHIFT | ASKED)
        };
        let before = self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, next);
        before.ok().and_then(next).map(Posted)
    }

    /// True if a request waits. Relaxed: `serve` looks again, with acquire.
    pub(super) fn waiting(&self) -> bool {
        self.0.load(Ordering::Relaxed) & STATE == ASKED
    }

    /// Carries out the waiting request, if there is one. Only inside the cluster's gate.
    pub(super) fn serve(&self, carry_out: impl FnOnce(Request) -> Answer) {
        // Acquire: pairs with `post`.
        let asked = self.0.load(Ordering::Acquire);
        if asked & STATE != ASKED || !self.advance(asked, in_state(asked, TAKEN)) {
            return;
        }
        let answer = encode_answer(carry_out(decode(asked >> BODY_SHIFT)));
        let number = asked >> NUMBER_SHIFT << NUMBER_SHIFT;
        // Nothing but the poster's `withdraw` changes the word while it is TAKEN.
        if !self.advance(in_state(asked, TAKEN), number | answer << BODY_SHIFT | DONE) {
            self.advance(in_state(asked, ORPHAN), number | EMPTY);
        }
    }

    /// The answer, once; the mail is empty after that.
    pub(super) fn collect(&self, posted: Posted) -> Option<Answer> {
        // Acquire: pairs with the exchange to DONE in `serve`.
        let word = self.0.load(Ordering::Acquire);
        let ours = word >> NUMBER_SHIFT == posted.0 >> NUMBER_SHIFT && word & STATE == DONE;
        (ours && self.advance(word, in_state(word, EMPTY)))
            .then(|| decode_answer(word >> BODY_SHIFT))
    }

    /// Gives up waiting. True if no CPU had begun to carry the request out, and none will. Call
    /// [`Mail::collect`] first.
    pub(super) fn withdraw(&self, posted: Posted) -> bool {
        let withdrawn = self.advance(posted.0, in_state(posted.0, EMPTY));
        // Begun: as an orphan if the server is still at it, and otherwise the answer is there and
        // has to be taken out of the way.
        if !withdrawn && !self.advance(in_state(posted.0, TAKEN), in_state(posted.0, ORPHAN)) {
            let _unwanted = self.collect(posted);
        }
        withdrawn
    }

    fn advance(&self, from: u64, to: u64) -> bool {
        // Each exchange pairs with the one before it in the life of the request: the server sees
        // what the poster did before posting, the poster sees what the server did.
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

fn in_state(word: u64, state: u64) -> u64 {
    word & !STATE | state
}

fn encode(request: Request) -> u64 {
    match request {
        Request::Open(event) => u64::from(event),
        Request::Close(event) => 1 << 16 | u64::from(event),
        Request::Read => 2 << 16,
    }
}

fn decode(body: u64) -> Request {
    match body >> 16 & 0xff {
        0 => Request::Open(body as u16),
        1 => Request::Close(body as u16),
        _ => Request::Read,
    }
}

fn encode_answer(answer: Answer) -> u64 {
    match answer {
        Ok(place) => u64::from(place),
        Err(refusal) => 0x100 + refusal as u64,
    }
}

fn decode_answer(body: u64) -> Answer {
    match body & 0x1ff {
        place @ 0..0x100 => Ok(place as u8),
        0x100 => Err(Refusal::NoEvent),
        0x101 => Err(Refusal::Full),
        0x102 => Err(Refusal::AlreadyOpen),
        _ => Err(Refusal::NotOpen),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_come_through_whole() {
        let mail = Mail::default();
        for request in [Request::Open(0xffff), Request::Close(0), Request::Read] {
            for answer in [
                Ok(31),
                Err(Refusal::NoEvent),
                Err(Refusal::Full),
                Err(Refusal::AlreadyOpen),
                Err(Refusal::NotOpen),
            ] {
                let posted = mail.post(request).unwrap();
                assert!(mail.waiting() && mail.post(request).is_none());
                mail.serve(|asked| {
                    assert_eq!(asked, request);
                    answer
                });
                assert_eq!(mail.collect(posted), Some(answer));
                assert_eq!(mail.collect(posted), None);
            }
        }
    }

    #[test]
    fn what_was_withdrawn_is_not_carried_out() {
        let mail = Mail::default();
        let posted = mail.post(Request::Read).unwrap();
        assert!(mail.withdraw(posted));
        mail.serve(|_| panic!("nobody asks"));
        assert!(mail.post(Request::Read).is_some());
    }

    #[test]
    fn an_answer_that_nobody_waits_for_goes_and_the_next_request_gets_its_own() {
        let mail = Mail::default();
        let old = mail.post(Request::Read).unwrap();
        mail.serve(|_| {
            assert!(!mail.withdraw(old), "it has begun");
            Ok(1)
        });
        let new = mail.post(Request::Read).unwrap();
        assert_eq!((mail.collect(old), mail.collect(new)), (None, None));
        mail.serve(|_| Ok(2));
        assert_eq!((mail.collect(old), mail.collect(new)), (None, Some(Ok(2))));
        let late = mail.post(Request::Read).unwrap();
        mail.serve(|_| Ok(3));
        assert!(!mail.withdraw(late), "it was carried out");
        assert!(mail.post(Request::Read).is_some(), "the answer is in the way");
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicU32;
    use loom::thread;

    use super::*;

    /// A request that was withdrawn before it was begun is never carried out. A request that was
    /// answered was carried out, and the poster that collects sees what was done. The mail is free
    /// afterwards in every case.
    #[test]
    fn loom_a_request_is_carried_out_or_withdrawn() {
        loom::model(|| {
            let shared = Arc::new((Mail::default(), AtomicU32::new(0)));
            let posted = shared.0.post(Request::Read).unwrap();
            let server = thread::spawn({
                let shared = shared.clone();
                move || {
                    shared.0.serve(|_| {
                        shared.1.store(1, Ordering::Relaxed);
                        Ok(7)
                    })
                }
            });
            let answer = shared.0.collect(posted);
            if let Some(answer) = answer {
                assert_eq!((answer, shared.1.load(Ordering::Relaxed)), (Ok(7), 1));
            }
            let unbegun = answer.is_none() && shared.0.withdraw(posted);
            server.join().unwrap();
            assert_eq!(shared.1.load(Ordering::Relaxed), u32::from(!unbegun));
            assert!(shared.0.post(Request::Read).is_some(), "the mail is not free");
        });
    }
}
