//! How much the stress may send, and which CPUs are sending now.
//!
//! The flow and the number of senders are one word, so that the waiting CPU either counts a sender
//! as inside, or the sender reads the new flow. With two words, a sender that has read the old flow
//! could send once more after the waiting CPU has found no sender inside.

use core::sync::atomic::Ordering::Relaxed;

use crate::config::MAX_CPUS;
use crate::cpu::{CpuId, CpuMask};
use crate::sync::atomic::{AtomicU32, Ordering};

/// What may be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flow {
    /// Everything.
    All = 0,
    /// All but the lines of clusters: those are about to have no CPU.
    NoLines = 1,
    /// Nothing.
    Nothing = 2,
}

const FLOW: u32 = 3;
const ONE: u32 = FLOW + 1;

/// The tap. A CPU is counted while sending.
pub(super) struct Tap {
    word: AtomicU32,
    /// The CPUs inside, only to name those that do not come out. The count decides, so these words
    /// are no part of the loom model.
    inside: [core::sync::atomic::AtomicU64; MAX_CPUS / 64],
}

impl Tap {
    /// Open.
    pub(super) fn new() -> Self {
        let inside = core::array::from_fn(|_| core::sync::atomic::AtomicU64::new(0));
        Self { word: AtomicU32::new(Flow::All as u32), inside }
    }

    /// Runs `send` with what may be sent. On this CPU, in ordinary context.
    pub(super) fn with(&self, cpu: CpuId, send: impl FnOnce(Flow)) {
        let (inside, bit) = (&self.inside[cpu.index() / 64], 1 << (cpu.index() % 64));
        // Release on the way out: pairs with `is_still`; a CPU that finds no sender inside sees all
        // that was sent.
        let word = self.word.fetch_add(ONE, Ordering::Acquire);
        inside.fetch_or(bit, Relaxed);
        send(flow(word));
        inside.fetch_and(!bit, Relaxed);
        self.word.fetch_sub(ONE, Ordering::Release);
    }

    /// Those that are just sending.
    pub(super) fn inside(&self) -> CpuMask {
        CpuMask::from_words(core::array::from_fn(|i| self.inside[i].load(Relaxed)))
    }

    /// Sets what may be sent from now on; a sender that is already inside may still use the
    /// previous flow.
    pub(super) fn set(&self, flow: Flow) {
        let with = |word: u32| Some(word & !FLOW | flow as u32);
        let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, with);
    }

    /// True if no sender is inside: everything sent from now on obeys the last [`Self::set`].
    pub(super) fn is_still(&self) -> bool {
        self.word.load(Ordering::Acquire) & !FLOW == 0
    }
}

fn flow(word: u32) -> Flow {
    match word & FLOW {
        0 => Flow::All,
        1 => Flow::NoLines,
        _ => Flow::Nothing,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_is_inside_is_counted_and_told_what_may_be_sent() {
        let (tap, mut seen) = (Tap::new(), alloc::vec::Vec::new());
        for flow in [Flow::All, Flow::NoLines, Flow::Nothing] {
            tap.set(flow);
            tap.with(CpuId(70), |may| {
                seen.push(may);
                assert!(!tap.is_still());
                assert_eq!(tap.inside(), CpuMask::from_iter([CpuId(70)]));
                tap.set(Flow::Nothing);
                assert!(!tap.is_still(), "a new flow forgets nobody");
            });
            assert!(tap.is_still() && tap.inside().is_empty());
        }
        assert_eq!(seen, [Flow::All, Flow::NoLines, Flow::Nothing]);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    /// Two send while the tap is turned off: once `is_still` is true, no more is sent, and all that
    /// was sent is seen.
    #[test]
    fn loom_nothing_is_sent_behind_the_back_of_who_waits() {
        loom::model(|| {
            let shared = Arc::new((Tap::new(), AtomicU32::new(0)));
            let senders: [_; 2] = core::array::from_fn(|_| {
                let shared = shared.clone();
                thread::spawn(move || {
                    let (tap, sent) = &*shared;
                    tap.with(CpuId(0), |flow| {
                        if flow == Flow::All {
                            sent.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                })
            });
            let (tap, sent) = &*shared;
            tap.set(Flow::Nothing);
            let still = tap.is_still().then(|| sent.load(Ordering::Relaxed));
            senders.into_iter().for_each(|t| t.join().unwrap());
            if let Some(before) = still {
                assert_eq!(sent.load(Ordering::Relaxed), before);
            }
        });
    }
}
