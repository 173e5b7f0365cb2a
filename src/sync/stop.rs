//! stop_machine: CPUs go through PREPARE, DISABLE_IRQ, RUN and EXIT together. No CPU enters a state
//! before every CPU has acknowledged the one before.
//!
//! Each CPU that takes part acknowledges each state; the last CPU to do so advances the state, as
//! in Linux's multi_cpu_stop. A CPU that has to wait looks a few times, then enters itself among
//! the sleepers, looks once more and sleeps; the CPU that advances the state takes the set of
//! sleepers and sends the IPIs. The controlling CPU can call the operation off until RUN.
//!
//! Two words carry this. The count word holds the acknowledgements to come and the number of the
//! operation, so that a straggler never counts in a later one. The state word changes only with the
//! state. The CPU whose acknowledgement is the last writes the count word for the next state in the
//! exchange of its own acknowledgement, then the state word: no CPU acknowledges a state before the
//! state word says so, so none finds the count of another state.
//!
//! The state word:
//!
//! ```text
//! PREPARE      -> DISABLE_IRQ   all CPUs have acknowledged, some of them with interrupts on
//!              -> RUN           all have acknowledged with interrupts off (`ack_deaf`)
//!              -> CALLED_OFF    all have acknowledged, one by `refuse`; or by `call_off`
//! DISABLE_IRQ  -> RUN           all have acknowledged
//!              -> CALLED_OFF    by `call_off`
//! RUN          -> EXIT          all have acknowledged; or by `finish`
//! ```

use super::Ticket;
use super::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::config::MAX_CPUS;
use crate::cpu::{CpuId, CpuMask};

/// The state that all CPUs of a stop_machine are in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum StopState {
    /// The CPUs assemble, interrupts on.
    Prepare = 1,
    /// All CPUs have assembled: each turns its interrupts off.
    DisableIrq,
    /// All interrupts are off: the leaving CPUs run their dying steps.
    Run,
    /// The dying steps are done.
    Exit,
    /// The operation ended before [`StopState::Run`]: back to work.
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
    /// Other CPUs have not acknowledged yet.
    Waiting,
    /// This was the last acknowledgement, and the state has advanced. The caller wakes the
    /// sleepers.
    Advanced(StopState),
    /// This operation is over, or was called off meanwhile.
    Over,
}

const STATE_BITS: u32 = 3;
const COUNT_BITS: u32 = 16;
const COUNT: u64 = (1 << COUNT_BITS) - 1;
/// A CPU has refused: the operation is called off once all have acknowledged.
const REFUSED: u64 = 1 << COUNT_BITS;
/// A CPU has acknowledged with interrupts on, and has to turn these off in DISABLE_IRQ.
const LISTENS: u64 = 1 << (COUNT_BITS + 1);
const COUNT_SHIFT: u32 = COUNT_BITS + 2;

/// One stop_machine at a time.
#[repr(align(128))]
pub struct StopMachine {
    /// operation << 3 | state. Written when the state changes, and only then: the arrivals of other
    /// CPUs don't disturb a CPU that sleeps on this word.
    state: AtomicU64,
    /// CPUs that sleep until the state changes, one bit each. Each CPU sets its own bit; the CPU
    /// that changes the state takes all of them.
    asleep: [AtomicU64; MAX_CPUS / 64],
    count: Count,
}

/// On a cache line of its own: the CPUs that acknowledge write here.
#[repr(align(128))]
struct Count {
    /// (operation << 3 | state) << 18 | listens << 17 | refused << 16 | acknowledgements to come
    word: AtomicU64,
    /// CPUs that take part. Written by the controlling CPU before the words of the operation, which
    /// publish it, and not changed while the operation runs.
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

/// The state after this one, given the flags of the CPUs that have acknowledged.
fn successor(state: StopState, word: u64) -> StopState {
    match state {
        _ if word & REFUSED != 0 => StopState::CalledOff,
        // No CPU of the operation has interrupts on: DISABLE_IRQ has nothing to do.
        StopState::Prepare if word & LISTENS == 0 => StopState::Run,
        _ => state.next(),
    }
}

impl StopMachine {
    /// Starts the next operation, with `parties` CPUs. Controlling CPU only. The request that
    /// carries the ticket publishes what those CPUs need.
    pub fn open(&self, parties: usize) -> Ticket {
        self.open_at(parties, StopState::Prepare)
    }

    /// The same for CPUs none of which can refuse, and none of which has interrupts on when it
    /// acknowledges. The outcome of assembling is known before, so the operation starts in RUN, and
    /// no CPU waits for another one. Assembling all the same costs a parallel teardown of 79 CPUs
    /// 244,600 instructions instead of 228,000 (QEMU 7.2, icount), and on hardware a wait for the
    /// slowest CPU.
    pub fn open_running(&self, parties: usize) -> Ticket {
        self.open_at(parties, StopState::Run)
    }

    fn open_at(&self, parties: usize, state: StopState) -> Ticket {
        // Relaxed: only the controlling CPU changes the number of the operation.
        let before = self.state.load(Ordering::Relaxed) >> STATE_BITS;
        let ticket = Ticket::from_number(before + 1);
        self.count.parties.store(parties as u32, Ordering::Relaxed);
        // Swaps: a straggler of an earlier operation may be updating the words at this moment.
        // Release: pairs with `state` and with `arrive`.
        // The count word first: a CPU that sees the state finds a count to acknowledge.
        let count = pack(ticket, state) << COUNT_SHIFT | parties as u64;
        self.count.word.swap(count, Ordering::AcqRel);
        self.state.swap(pack(ticket, state), Ordering::AcqRel);
        ticket
    }

    /// The state of an operation. An operation that is not the current one any more counts as
    /// called off.
    pub fn state(&self, ticket: Ticket) -> StopState {
        // Acquire: pairs with `change` and `open_at`. A CPU that sees a state sees what every CPU
        // did before acknowledging the state before.
        let word = self.state.load(Ordering::Acquire);
        if word >> STATE_BITS != ticket.number() {
            return StopState::CalledOff;
        }
        StopState::from_bits(word & ((1 << STATE_BITS) - 1))
    }

    /// The state word, and its value in this state of this operation: to be watched for a change.
    pub fn watch(&self, ticket: Ticket, state: StopState) -> (&AtomicU64, u64) {
        (&self.state, pack(ticket, state))
    }

    /// Acknowledges a state, once per CPU and state.
    pub fn ack(&self, ticket: Ticket, state: StopState) -> Acked {
        self.arrive(ticket, state, LISTENS)
    }

    /// Acknowledges PREPARE for a CPU whose interrupts are off already. If no CPU acknowledges with
    /// interrupts on, DISABLE_IRQ is skipped.
    pub fn ack_deaf(&self, ticket: Ticket) -> Acked {
        self.arrive(ticket, StopState::Prepare, 0)
    }

    /// Acknowledges PREPARE for a CPU that can't take part: once all CPUs have acknowledged, the
    /// operation is called off.
    pub fn refuse(&self, ticket: Ticket) -> Acked {
        self.arrive(ticket, StopState::Prepare, REFUSED)
    }

    fn arrive(&self, ticket: Ticket, state: StopState, flag: u64) -> Acked {
        let ours = pack(ticket, state);
        // Release: pairs with the acquire here in later arrivals. The CPU that arrives last sees
        // what all CPUs did before their arrivals. That CPU writes the count of the next state in
        // the same exchange: a separate store could hit the count of the next operation.
        let before = self.count.word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |word| {
            let counts = word >> COUNT_SHIFT == ours && word & COUNT != 0;
            counts.then(|| self.after(ticket, state, word | flag))
        });
        match before {
            // Of an older operation, or of a state that has been left: nothing has changed.
            Err(_) => Acked::Over,
            Ok(word) if word & COUNT != 1 => Acked::Waiting,
            Ok(word) => {
                // The exchange of the state word fails only if the controlling CPU has called the
                // operation off, or ended RUN, meanwhile.
                let to = successor(state, word | flag);
                if self.change(ticket, state, to) { Acked::Advanced(to) } else { Acked::Over }
            }
        }
    }

    /// The count after one more arrival. The last arrival sets the count for the next state; in
    /// EXIT and CALLED_OFF there is nothing to acknowledge, and the count stays at zero.
    fn after(&self, ticket: Ticket, state: StopState, word: u64) -> u64 {
        let next = successor(state, word);
        if word & COUNT != 1 || next >= StopState::Exit {
            return word - 1;
        }
        pack(ticket, next) << COUNT_SHIFT | u64::from(self.count.parties.load(Ordering::Relaxed))
    }

    /// Moves the state on, if it is still `from`. False: another CPU has moved it.
    fn change(&self, ticket: Ticket, from: StopState, to: StopState) -> bool {
        let (old, new) = (pack(ticket, from), pack(ticket, to));
        // Release: pairs with `state`. Acquire: pairs with `open_at`, and with the other `change`
        // if two race (`call_off` against the last arrival).
        self.state.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Calls an operation off before RUN. Returns the state in which the operation hung; `None` if
    /// the state was RUN or later, or called off already. Controlling CPU only.
    pub fn call_off(&self, ticket: Ticket) -> Option<StopState> {
        let early = [StopState::Prepare, StopState::DisableIrq];
        early.into_iter().find(|&from| self.change(ticket, from, StopState::CalledOff))
    }

    /// Ends RUN although a CPU has not acknowledged: the CPUs that stand still may go on.
    /// Controlling CPU only.
    pub fn finish(&self, ticket: Ticket) {
        self.change(ticket, StopState::Run, StopState::Exit);
    }

    /// Enters a CPU among the sleepers. That CPU has to look at the state once more afterwards: no
    /// IPI comes for a change before this call.
    pub fn falls_asleep(&self, cpu: CpuId) {
        // Pairs with the swap of `sleepers`, which comes after the change of the state: either the
        // swap sees this bit, or this update comes second and sees (acquires) the change.
        self.asleep[cpu.index() / 64].fetch_or(1 << (cpu.index() % 64), Ordering::AcqRel);
    }

    /// Takes the set of sleepers, to be woken after a change. Each is in one set only.
    pub fn sleepers(&self) -> CpuMask {
        // Pairs with `falls_asleep`.
        CpuMask::from_words(core::array::from_fn(|i| self.asleep[i].swap(0, Ordering::AcqRel)))
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
