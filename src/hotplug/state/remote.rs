//! The view of the boot CPU.

use super::{
    CpuCell, CpuRequest, Mark, Ordering, PsciError, StepFailure, StopState, Ticket, mark_of, pack,
};

/// What only the boot CPU may do, or, under the fanout policy, the CPU that has claimed the CPU_ON.
#[derive(Clone, Copy)]
pub struct Remote<'a> {
    pub(super) cell: &'a CpuCell,
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
        self.cell.was_on.store(1, Ordering::Relaxed); // published by the next store
        // Release: pairs with `CpuCell::kick_returned`, `CpuCell::times` and `CpuCell::was_on`.
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
