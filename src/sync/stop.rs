//! stop_machine: CPUs go through PREPARE, DISABLE_IRQ, RUN and EXIT together. Nobody is in a state
//! before all have left the one before it.
//!
//! Each CPU that takes part acknowledges each state; the last one to do so advances it, as in
//! Linux's multi_cpu_stop. A CPU that has to wait looks a few times, then sleeps: it enters itself
//! among the sleepers, and whoever advances the state is told whom to wake. The controlling CPU
//! can call the whole off, but not once it runs.

use super::Ticket;
use super::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::config::MAX_CPUS;
use crate::cpu::{CpuId, CpuMask};

/// What all that take part are at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum StopState {
    /// They assemble, interrupts on.
    Prepare = 1,
    /// All are here: each turns its interrupts off.
    DisableIrq,
    /// All have: those that are to be stopped run their dying steps.
    Run,
    /// All of it is done.
    Exit,
    /// It did not come to [`StopState::Run`]: back to work.
    CalledOff,
}

impl StopState {
    fn from_bits(bits: u64) -> Self {
        match bits {
            1 => Self::Prepare,
            2 => Self::DisableIrq,
            3 => Self::Run,
            4 => Self::Exit,
            _ => Self::CalledOff,
        }
    }

    fn next(self) -> Self {
        Self::from_bits(self as u64 + 1)
    }
}

/// What an acknowledgement led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acked {
    /// Others are still to come.
    Waiting,
    /// It was the last: the state is another one. Wake the sleepers.
    Advanced(StopState),
    /// This operation is over, or was called off meanwhile.
    Over,
}

const STATE_BITS: u32 = 3;
const COUNT_BITS: u32 = 16;
const COUNT: u64 = (1 << COUNT_BITS) - 1;
const REFUSED: u64 = 1 << COUNT_BITS;
const LISTENS: u64 = 1 << (COUNT_BITS + 1);
const COUNT_SHIFT: u32 = COUNT_BITS + 2;

/// One stop_machine at a time.
#[repr(align(128))]
pub struct StopMachine {
    /// operation << 3 | state. Written when the state changes, and only then: who sleeps on this
    /// word is not disturbed by the others' arrivals.
    state: AtomicU64,
    asleep: [AtomicU64; MAX_CPUS / 64],
    count: Count,
}

/// On a line of its own.
#[repr(align(128))]
struct Count {
    /// (operation << 3 | state) << 18 | listens << 17 | refused << 16 | acknowledgements to come
    word: AtomicU64,
    parties: AtomicU32,
}

impl Default for StopMachine {
    fn default() -> Self {
        Self {
            state: AtomicU64::new(StopState::Exit as u64),
            asleep: core::array::from_fn(|_| AtomicU64::new(0)),
            count: Count { word: AtomicU64::new(0), parties: AtomicU32::new(0) },
        }
    }
}

fn pack(ticket: Ticket, state: StopState) -> u64 {
    ticket.number() << STATE_BITS | state as u64
}

/// The state after this one, given what the count says of those who have come.
fn successor(state: StopState, word: u64) -> StopState {
    match state {
        _ if word & REFUSED != 0 => StopState::CalledOff,
        // Nobody has interrupts to turn off.
        StopState::Prepare if word & LISTENS == 0 => StopState::Run,
        _ => state.next(),
    }
}

impl StopMachine {
    /// Starts the next operation, with so many CPUs. Controlling CPU only; what they need is
    /// published by the request that carries the ticket.
    pub fn open(&self, parties: usize) -> Ticket {
        self.open_at(parties, StopState::Prepare)
    }

    /// The same for CPUs none of which can refuse, and none of which listens: what they would
    /// assemble for is known before, so it runs from the start, and nobody waits for the others.
    pub fn open_running(&self, parties: usize) -> Ticket {
        self.open_at(parties, StopState::Run)
    }

    fn open_at(&self, parties: usize, state: StopState) -> Ticket {
        let before = self.state.load(Ordering::Relaxed) >> STATE_BITS;
        let ticket = Ticket::from_number(before + 1);
        self.count.parties.store(parties as u32, Ordering::Relaxed);
        // Swaps: a straggler of an earlier operation may be at the words.
        let count = pack(ticket, state) << COUNT_SHIFT | parties as u64;
        self.count.word.swap(count, Ordering::AcqRel);
        self.state.swap(pack(ticket, state), Ordering::AcqRel);
        ticket
    }

    /// The state of an operation; one that is not the current one any more is called off.
    pub fn state(&self, ticket: Ticket) -> StopState {
        let word = self.state.load(Ordering::Acquire);
        if word >> STATE_BITS != ticket.number() {
            return StopState::CalledOff;
        }
        StopState::from_bits(word & ((1 << STATE_BITS) - 1))
    }

    /// The word that changes when the state does, and what it holds in this state.
    pub fn watch(&self, ticket: Ticket, state: StopState) -> (&AtomicU64, u64) {
        (&self.state, pack(ticket, state))
    }

    /// Acknowledges a state, once per CPU and state.
    pub fn ack(&self, ticket: Ticket, state: StopState) -> Acked {
        self.arrive(ticket, state, LISTENS)
    }

    /// Acknowledges PREPARE for a CPU whose interrupts are off already. If those of all are, the
    /// state in which they turn them off is passed over.
    pub fn ack_deaf(&self, ticket: Ticket) -> Acked {
        self.arrive(ticket, StopState::Prepare, 0)
    }

    /// Acknowledges PREPARE for a CPU that can't take part: when all have come, it is called off.
    pub fn refuse(&self, ticket: Ticket) -> Acked {
        self.arrive(ticket, StopState::Prepare, REFUSED)
    }

    fn arrive(&self, ticket: Ticket, state: StopState, flag: u64) -> Acked {
        let ours = pack(ticket, state);
        // AcqRel: the last one to arrive sees what all did before they arrived. It lays down the
        // count of the next state in the same exchange: a later one could hit the next operation.
        let before = self.count.word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |word| {
            let counts = word >> COUNT_SHIFT == ours && word & COUNT != 0;
            counts.then(|| self.after(ticket, state, word | flag))
        });
        match before {
            Err(_) => Acked::Over,
            Ok(word) if word & COUNT != 1 => Acked::Waiting,
            Ok(word) => {
                let to = successor(state, word | flag);
                if self.change(ticket, state, to) { Acked::Advanced(to) } else { Acked::Over }
            }
        }
    }

    /// The count after one more arrival.
    fn after(&self, ticket: Ticket, state: StopState, word: u64) -> u64 {
        let next = successor(state, word);
        if word & COUNT != 1 || next >= StopState::Exit {
            return word - 1;
        }
        pack(ticket, next) << COUNT_SHIFT | u64::from(self.count.parties.load(Ordering::Relaxed))
    }

    fn change(&self, ticket: Ticket, from: StopState, to: StopState) -> bool {
        let (old, new) = (pack(ticket, from), pack(ticket, to));
        self.state.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Calls an operation off, unless it runs already or was called off before; returns the state
    /// that it did not get out of. Controlling CPU only.
    pub fn call_off(&self, ticket: Ticket) -> Option<StopState> {
        let early = [StopState::Prepare, StopState::DisableIrq];
        early.into_iter().find(|&from| self.change(ticket, from, StopState::CalledOff))
    }

    /// Ends RUN although not all have acknowledged it: who waits for the end goes on. Controlling
    /// CPU only.
    pub fn finish(&self, ticket: Ticket) {
        self.change(ticket, StopState::Run, StopState::Exit);
    }

    /// Enters a CPU among the sleepers. It has to look at the state once more afterwards: a change
    /// before that does not wake it.
    pub fn falls_asleep(&self, cpu: CpuId) {
        // AcqRel, with the swap in `sleepers`: either that sees this bit, or this sees the change.
        self.asleep[cpu.index() / 64].fetch_or(1 << (cpu.index() % 64), Ordering::AcqRel);
    }

    /// Those to be woken after a change, each once.
    pub fn sleepers(&self) -> CpuMask {
        CpuMask::from_words(core::array::from_fn(|i| self.asleep[i].swap(0, Ordering::AcqRel)))
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
