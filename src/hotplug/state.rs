//! One CPU's state, with two views: [`LocalCell`] for the CPU itself, [`Remote`] for the boot CPU.
//!
//! The mark word holds the mark and the number of the start that the mark belongs to. On the way up
//! the arriving CPU moves the word by compare-and-swap, and so does the boot CPU when it gives that
//! CPU up: the exchange that comes second fails, and its CPU learns what the other one decided. On
//! the way down only the leaving CPU moves the word, until the boot CPU has read OFF from
//! AFFINITY_INFO.
//!
//! Every change of the mark word:
//!
//! ```text
//! OFFLINE -> KICKED                boot CPU (`begin_start`), the CPU is off
//! KICKED -> ALIVE -> AP_OFFLINE    arriving CPU (`advance`)
//!   -> AP_ONLINE -> ONLINE
//! AP_OFFLINE, AP_ONLINE            arriving CPU (`advance`), a step failed
//!   -> AP_IDLE_DEAD
//! KICKED -> OFFLINE, SHOULD_DIE    the CPU whose CPU_ON was refused (`refused`)
//! KICKED to AP_ONLINE              boot CPU (`give_up`)
//!   -> SHOULD_DIE
//! ONLINE -> TEARDOWN_CPU           leaving CPU (`set`); back to ONLINE if it is called off
//! TEARDOWN_CPU -> AP_IDLE_DEAD     leaving CPU (`set`), its steps are undone
//! AP_IDLE_DEAD -> QUARANTINED      leaving CPU (`last_word`), CPU_OFF was denied
//! SHOULD_DIE, AP_IDLE_DEAD         boot CPU (`set_off`), firmware says OFF
//!   -> DEAD -> OFFLINE             boot CPU (`set_off`), prepare steps are undone
//! ```
//!
//! The number of the start is part of the word, so that an exchange of one start can never succeed
//! in another start of the same CPU.
//!
//! The request word goes the other way, from the boot CPU to the CPU. The CPU puts the word back to
//! Stay when it has done what was asked (`served`); so a word that is not Stay is an answer that
//! the CPU still owes. A CPU that leaves for good never puts its Stop back.

mod local;
mod remote;
mod request;

pub use local::LocalCell;
pub use remote::Remote;
pub use request::CpuRequest;

use super::StepFailure;
use super::ap::LastWord;
use crate::machine::PsciError;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::{StopState, Ticket};
use crate::trace::Mark;

/// Everything that CPUs tell each other about one CPU. Two cache lines of its own.
#[repr(align(128))]
pub struct CpuCell {
    /// The mark word: start number << 8 | mark. A CPU that sees a mark (acquire) sees all that
    /// was done before the mark was set (release).
    word: AtomicU64,
    /// The request word: ticket << 3 | kind of [`CpuRequest`]. Written by the boot CPU; put back to
    /// Stay (0) by the CPU itself.
    request: AtomicU64,
    /// The last state of a stop_machine that this CPU acknowledged: operation << 3 | state. Written
    /// by the CPU before the acknowledgement itself, and read by the boot CPU only to name the CPUs
    /// that are missing. The operation keeps an old acknowledgement from counting for a new one.
    acked: AtomicU64,
    /// The last step that failed, as [`StepFailure::to_word`]; 0 if none did. Written by the CPU,
    /// or by the boot CPU for a prepare step; cleared by the boot CPU when a start begins or the
    /// CPU is asked to leave.
    failure: AtomicU32,
    /// What CPU_ON answered, 0 for SUCCESS.
    refusal: AtomicU32,
    /// 1 once CPU_ON of any start has succeeded, or may have: the CPU was ours. 0 before.
    was_on: AtomicU32,
    /// When CPU_ON had returned, ticks; 0 as long as CPU_ON of this start may still be issued.
    kicked_at: AtomicU64,
    /// When the CPU became ALIVE, ticks; 0 before.
    alive_at: AtomicU64,
    /// When the CPU became ONLINE, ticks; 0 before.
    online_at: AtomicU64,
}

impl Default for CpuCell {
    fn default() -> Self {
        Self {
            word: AtomicU64::new(Mark::Offline as u64),
            request: AtomicU64::new(0),
            acked: AtomicU64::new(0),
            failure: AtomicU32::new(0),
            refusal: AtomicU32::new(0),
            was_on: AtomicU32::new(0),
            kicked_at: AtomicU64::new(0),
            alive_at: AtomicU64::new(0),
            online_at: AtomicU64::new(0),
        }
    }
}

/// The start was given up by the boot CPU: walk back and turn off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GivenUp;

fn pack(start: u32, mark: Mark) -> u64 {
    u64::from(start) << 8 | mark as u64
}

fn mark_of(word: u64) -> Mark {
    Mark::from_u8(word as u8).unwrap_or(Mark::Offline)
}

impl CpuCell {
    /// The mark that this CPU has reached.
    pub fn mark(&self) -> Mark {
        // Acquire: pairs with `LocalCell::advance`, `LocalCell::set`, `Remote::set_off` and
        // `LastWord::say` (ap). A CPU that sees the mark sees every store made before the mark was
        // set.
        mark_of(self.word.load(Ordering::Acquire))
    }

    /// True at the marks from which this CPU can be started: firmware has said OFF, or the CPU will
    /// turn itself off. In the latter case the boot CPU still asks AFFINITY_INFO before the start
    /// (`BringupRun::reclaim`).
    pub fn startable(&self) -> bool {
        matches!(self.mark(), Mark::Offline | Mark::Dead | Mark::ShouldDie | Mark::ApIdleDead)
    }

    /// True once CPU_ON of the last start has returned, or will not be issued any more. Before
    /// that, a CPU that helps under the fanout policy may be about to issue CPU_ON: a new start
    /// could then be entered by the CPU_ON of the old one.
    pub fn kick_returned(&self) -> bool {
        // Acquire: pairs with `Remote::kicked`.
        self.kicked_at.load(Ordering::Acquire) != 0 || self.refusal().is_some()
    }

    /// What the boot CPU wants of this CPU.
    pub fn request(&self) -> CpuRequest {
        // Acquire: pairs with the swap of `Remote::ask`, and on the boot CPU with the exchange of
        // `LocalCell::served`: what the CPU did for a request is visible once the request is gone.
        CpuRequest::from_word(self.request.load(Ordering::Acquire))
    }

    /// True if the CPU owes an answer: it was asked for something and has not said that it is done.
    pub fn owes_answer(&self) -> bool {
        // Acquire: as in `request`. Stay is 0.
        self.request.load(Ordering::Acquire) != 0
    }

    /// Why its last step failed, if one did.
    pub fn failure(&self) -> Option<StepFailure> {
        // Acquire: pairs with `LocalCell::fail` and `Remote::note_failure`.
        StepFailure::from_word(self.failure.load(Ordering::Acquire))
    }

    /// True if its last step failed.
    pub fn has_failed(&self) -> bool {
        // Acquire: as in `failure`.
        self.failure.load(Ordering::Acquire) != 0
    }

    /// What CPU_ON answered, if it was refused.
    pub fn refusal(&self) -> Option<PsciError> {
        // Acquire: pairs with the store of `Remote::refused`.
        PsciError::from_code(self.refusal.load(Ordering::Acquire) as i32)
    }

    /// True if CPU_ON was refused.
    pub fn was_refused(&self) -> bool {
        // Acquire: as in `refusal`.
        self.refusal.load(Ordering::Acquire) != 0
    }

    /// True if firmware has accepted a CPU_ON for this CPU. False for the boot CPU, which comes up
    /// without.
    pub fn was_on(&self) -> bool {
        // Acquire: pairs with `Remote::kicked`.
        self.kicked_at.load(Ordering::Acquire) != 0 || self.was_on.load(Ordering::Relaxed) != 0
    }

    /// When CPU_ON returned, and when this CPU became ALIVE and ONLINE, ticks; 0 if not in this
    /// start.
    pub fn times(&self) -> [u64; 3] {
        // Acquire: pairs with `Remote::kicked` and `online_since`. The other two times are stored
        // relaxed, and published by the exchange of the mark in `LocalCell::advance`.
        [&self.kicked_at, &self.alive_at, &self.online_at].map(|t| t.load(Ordering::Acquire))
    }

    /// For the boot CPU, which comes up without a start: number 0.
    pub(super) fn set_online(&self) {
        // Release: pairs with `CpuCell::mark`.
        self.word.store(pack(0, Mark::Online), Ordering::Release);
    }

    pub(super) fn online_since(&self, now: u64) {
        // Release: pairs with `CpuCell::times`.
        self.online_at.store(now, Ordering::Release);
    }

    /// The view of the CPU itself, for the start with this number.
    pub fn local(&self, start: u32) -> LocalCell<'_> {
        LocalCell { cell: self, start }
    }

    /// The view of the boot CPU.
    pub fn remote(&self) -> Remote<'_> {
        Remote { cell: self }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
