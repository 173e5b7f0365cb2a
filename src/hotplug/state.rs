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

use super::StepFailure;
use super::ap::LastWord;
use crate::machine::PsciError;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::{StopState, Ticket};
use crate::trace::Mark;

/// What the boot CPU wants of a CPU that is up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CpuRequest {
    /// Go on as you are.
    Stay,
    /// Come up.
    Come(Ticket),
    /// Undo your online steps, then wait.
    Leave(Ticket),
    /// Redo your online steps: the teardown was called off.
    Return(Ticket),
    /// Undo your online steps if that is not done yet; in RUN of that stop_machine undo your
    /// starting steps, then turn yourself off.
    Stop(Ticket),
    /// Take part in that stop_machine, in which another CPU is stopped.
    StandStill(Ticket),
}

const KIND_BITS: u32 = 3;

impl CpuRequest {
    fn to_word(self) -> u64 {
        let (kind, ticket) = match self {
            Self::Stay => return 0,
            Self::Leave(t) => (1, t),
            Self::Return(t) => (2, t),
            Self::Stop(t) => (3, t),
            Self::StandStill(t) => (4, t),
            Self::Come(t) => (5, t),
        };
        ticket.number() << KIND_BITS | kind
    }

    fn from_word(word: u64) -> Self {
        let ticket = Ticket::from_number(word >> KIND_BITS);
        match word & ((1 << KIND_BITS) - 1) {
            1 => Self::Leave(ticket),
            2 => Self::Return(ticket),
            3 => Self::Stop(ticket),
            4 => Self::StandStill(ticket),
            5 => Self::Come(ticket),
            _ => Self::Stay,
        }
    }
}

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

    /// Why its last step failed, if one did.
    pub fn failure(&self) -> Option<StepFailure> {
        // Acquire: pairs with `LocalCell::fail` and `Remote::note_failure`.
        StepFailure::from_word(self.failure.load(Ordering::Acquire))
    }

    /// What CPU_ON answered, if it was refused.
    pub fn refusal(&self) -> Option<PsciError> {
        // Acquire: pairs with the store of `Remote::refused`.
        PsciError::from_code(self.refusal.load(Ordering::Acquire) as i32)
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

/// What only the CPU itself may do. `start` is the number in the boot record with which the CPU was
/// started, not the number in the mark word: so a CPU of an older start finds out that it is late.
#[derive(Clone, Copy)]
pub struct LocalCell<'a> {
    cell: &'a CpuCell,
    start: u32,
}

impl<'a> LocalCell<'a> {
    /// One mark further on the way up.
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

/// What only the boot CPU may do, or, under the fanout policy, the CPU that has claimed the CPU_ON.
#[derive(Clone, Copy)]
pub struct Remote<'a> {
    cell: &'a CpuCell,
}

impl Remote<'_> {
    /// Keeps why a prepare step failed, until the next start. Release: pairs with
    /// `CpuCell::failure`.
    pub fn note_failure(&self, failure: StepFailure) {
        self.cell.failure.store(failure.to_word(), Ordering::Release);
    }

    /// Begins a new start: clears what the last start left and says KICKED. Returns the number of
    /// the new start. The CPU is off.
    pub fn begin_start(&self, ticket: Ticket) -> u32 {
        let cell = self.cell;
        // Relaxed stores: the CPU is off, and the mark below publishes all of them.
        let start = ((cell.word.load(Ordering::Relaxed) >> 8) as u32).wrapping_add(1);
        cell.request.store(CpuRequest::Come(ticket).to_word(), Ordering::Relaxed);
        cell.failure.store(0, Ordering::Relaxed);
        cell.refusal.store(0, Ordering::Relaxed);
        for time in [&cell.kicked_at, &cell.alive_at, &cell.online_at] {
            time.store(0, Ordering::Relaxed);
        }
        // Release: pairs with `LocalCell::advance` (KICKED to ALIVE) and `Remote::to_be_kicked`:
        // the arriving CPU uses the cleared fields only after that exchange. That CPU reads the
        // request word before the exchange, and relies on the order of this store and CPU_ON.
        cell.word.store(pack(start, Mark::Kicked), Ordering::Release);
        start
    }

    /// The start that waits for its CPU_ON, if one does. `None` for a CPU that is not being
    /// started, and for one that was given up before its CPU_ON.
    pub fn to_be_kicked(&self) -> Option<u32> {
        // Acquire: pairs with `Remote::begin_start` of the boot CPU, for a CPU that helps to kick.
        let word = self.cell.word.load(Ordering::Acquire);
        (mark_of(word) == Mark::Kicked).then_some((word >> 8) as u32)
    }

    /// CPU_ON returned SUCCESS at this time, or was kept back.
    pub fn kicked(&self, now: u64) {
        // Release: pairs with `CpuCell::kick_returned` and `CpuCell::times`.
        self.cell.kicked_at.store(now, Ordering::Release);
    }

    /// CPU_ON of this start was refused. The CPU is taken to be OFF, unless firmware says
    /// ALREADY_ON or ON_PENDING: then that CPU may be on its way through the kernel's entry, and
    /// needs its stack to turn itself off.
    pub fn refused(&self, start: u32, error: PsciError) {
        let on = matches!(error, PsciError::AlreadyOn | PsciError::OnPending);
        let mark = if on { Mark::ShouldDie } else { Mark::Offline };
        let (old, new) = (pack(start, Mark::Kicked), pack(start, mark));
        // The refusal before the mark: the boot CPU that sees the mark also sees why.
        // Release: pairs with `CpuCell::refusal`.
        self.cell.refusal.store(error.code() as u32, Ordering::Release);
        // Pairs with `Remote::give_up`. An exchange that fails means that the start was given up
        // meanwhile, and SHOULD_DIE stands.
        let _ = self.cell.word.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Gives up a start that is not ONLINE yet. Returns the mark that the CPU had reached, or `Err`
    /// with the mark if there is nothing to give up: ONLINE, AP_IDLE_DEAD, or OFFLINE after a
    /// refusal.
    ///
    /// # Errors
    /// The mark at which there is nothing to give up.
    pub fn give_up(&self) -> Result<Mark, Mark> {
        // After this the CPU cannot become ONLINE in this start: either it was ONLINE before, or
        // its next exchange fails.
        let giving_up = |word| {
            let start = (word >> 8) as u32;
            let under_way = matches!(
                mark_of(word),
                Mark::Kicked | Mark::Alive | Mark::ApOffline | Mark::ApOnline
            );
            under_way.then(|| pack(start, Mark::ShouldDie))
        };
        self.cell
            .word
            // Acquire pairs with `LocalCell::advance` and `Remote::refused`; release with the
            // failing exchange of `LocalCell::advance`.
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, giving_up)
            .map(mark_of)
            .map_err(mark_of)
    }

    /// True if the CPU has acknowledged this state of a stop_machine, or a later one.
    pub fn acked(&self, ticket: Ticket, state: StopState) -> bool {
        // Acquire: pairs with `LocalCell::acks`.
        let word = self.cell.acked.load(Ordering::Acquire);
        word >> 3 == ticket.number() && word & 7 >= state as u64
    }

    /// Writes the CPU's request word. The caller wakes that CPU afterwards.
    pub fn ask(&self, request: CpuRequest) {
        // A swap: the CPU may be serving the older request at this moment (`LocalCell::served`),
        // and the newer request has to be the last value of the word. Release pairs with
        // `CpuCell::request`, `LocalCell::request_word` and the look before the sleep in
        // `Clock::wait_unless`.
        self.cell.request.swap(request.to_word(), Ordering::AcqRel);
    }

    /// DEAD or OFFLINE, once firmware says OFF: the CPU itself writes the word no more, so a load
    /// and a store will do. Release: pairs with `CpuCell::mark`.
    pub fn set_off(&self, mark: Mark) {
        let start = (self.cell.word.load(Ordering::Relaxed) >> 8) as u32;
        self.cell.word.store(pack(start, mark), Ordering::Release);
    }

    /// Forgets the failure of an earlier operation.
    pub fn clear_failure(&self) {
        // Release: pairs with `CpuCell::failure`.
        self.cell.failure.store(0, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
