//! The view of the CPU itself.

use super::{
    CpuCell, CpuRequest, GivenUp, LastWord, Mark, Ordering, StepFailure, StopState, Ticket, pack,
};
use crate::sync::atomic::AtomicU64;

/// What only the CPU itself may do. `start` is the number in the boot record with which the CPU was
/// started, not the number in the mark word: so a CPU of an older start finds out that it is late.
#[derive(Clone, Copy)]
pub struct LocalCell<'a> {
    pub(super) cell: &'a CpuCell,
    pub(super) start: u32,
}

impl<'a> LocalCell<'a> {
    /// One mark further on the way up, at tick `now`; the time is kept of ALIVE and ONLINE only.
    ///
    /// # Errors
    /// [`GivenUp`] if the boot CPU no longer waits for this start.
    pub fn advance(&self, from: Mark, to: Mark, now: u64) -> Result<(), GivenUp> {
        // Before the exchange, which publishes the time. If the exchange fails, the time stays; the
        // next start clears it.
        match to {
            Mark::Alive => self.cell.alive_at.store(now, Ordering::Relaxed),
            Mark::Online => self.cell.online_at.store(now, Ordering::Relaxed),
            _ => {}
        }
        let (old, new) = (pack(self.start, from), pack(self.start, to));
        // Release publishes the steps done so far to `CpuCell::mark` and `Remote::give_up`. Acquire
        // pairs with `Remote::begin_start`, and on failure with `Remote::give_up`.
        self.cell
            .word
            .compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire)
            .map(|_| ())
            .map_err(|_| GivenUp)
    }

    /// A mark on the way down, or back at ONLINE when the teardown was called off. A plain store:
    /// no other CPU writes the mark word of a CPU that has been ONLINE, before firmware says OFF.
    pub fn set(&self, mark: Mark) {
        // Release: pairs with `CpuCell::mark` on the boot CPU.
        self.cell.word.store(pack(self.start, mark), Ordering::Release);
    }

    /// The store that [`LocalCell::set`] would make, for the caller to make later.
    pub fn last_word(&self, mark: Mark) -> LastWord<'a> {
        LastWord { word: &self.cell.word, value: pack(self.start, mark) }
    }

    /// What the boot CPU wants.
    pub fn request(&self) -> CpuRequest {
        self.cell.request()
    }

    /// The same, and the value of the word: the CPU sleeps only as long as the word has this value.
    pub fn request_word(&self) -> (u64, CpuRequest) {
        // Acquire: pairs with the swap of `Remote::ask`.
        let word = self.cell.request.load(Ordering::Acquire);
        (word, CpuRequest::from_word(word))
    }

    /// Where that word is.
    pub fn watch(&self) -> &'a AtomicU64 {
        &self.cell.request
    }

    /// Marks a request as served. False if a newer request has come: the newer one stands. That
    /// happens if the boot CPU gave up waiting for the answer, and asked for something else.
    pub fn served(&self, request: CpuRequest) -> bool {
        // Release pairs with `CpuCell::request` on the boot CPU, acquire with the swap of
        // `Remote::ask`.
        let (old, new) = (request.to_word(), CpuRequest::Stay.to_word());
        self.cell.request.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Notes which state this CPU is about to acknowledge, so that the boot CPU can name the CPUs
    /// that are missing.
    pub fn acks(&self, ticket: Ticket, state: StopState) {
        // Release: pairs with `Remote::acked`.
        self.cell.acked.store(ticket.number() << 3 | state as u64, Ordering::Release);
    }

    /// Why its last step failed, if one did.
    pub fn failure(&self) -> Option<StepFailure> {
        self.cell.failure()
    }

    /// Says which step failed. The next mark or arrival publishes the failure; the release here
    /// pairs with `CpuCell::failure` in a CPU that looks earlier.
    pub fn fail(&self, failure: StepFailure) {
        self.cell.failure.store(failure.to_word(), Ordering::Release);
    }
}
