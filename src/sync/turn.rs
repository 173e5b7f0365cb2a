//! Whose turn it is: mutual exclusion between CPUs that sleep while they wait.
//!
//! Hotplug steps that may not run on several CPUs at once are run under a turn. Whoever gives it up
//! hands it straight to one CPU that waits, the next in number, and wakes that one alone: no crowd
//! runs for it, and each that waits has it within one round.
//!
//! One word names the holder, and a CPU that waits has a bit. Handing over writes the holder first
//! and clears the bit then; the CPU has the turn once its bit is clear. So whoever clears the bit
//! decides: the one that hands over, or the CPU itself that no longer wants to wait.
//!
//! A CPU that comes sets its bit and then looks at the holder; one that goes clears the holder and
//! then looks at the bits. Both change the word of bits even if only to look at it: whichever is
//! second there sees what the first did before, so no CPU waits for a turn that nobody has.

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

use super::atomic::{AtomicU64, Ordering};
use crate::config::MAX_CPUS;
use crate::cpu::CpuId;

/// Two are enough for the model checker, which tries every order of looking at them.
const WORDS: usize = if cfg!(loom) { 2 } else { MAX_CPUS / 64 };

/// The holder when nobody has the turn.
const NOBODY: u64 = u64::MAX;

/// The turn of one set of CPUs.
pub struct Turn {
    holder: AtomicU64,
    waiting: [AtomicU64; WORDS],
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            holder: AtomicU64::new(NOBODY),
            waiting: core::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Turn {
    /// Asks for the turn. True: it is this CPU's. False: the CPU waits; it sleeps until
    /// [`Self::mine`], and is woken when that comes true. On the CPU itself, which neither has the
    /// turn nor waits for it.
    #[must_use = "false means that it has to wait"]
    pub fn take(&self, cpu: CpuId) -> bool {
        if self.seize(cpu) {
            return true;
        }
        let (word, bit) = self.bit(cpu);
        // AcqRel, as all that writes the bits: orders this against the look of who goes.
        word.fetch_or(bit, Ordering::AcqRel);
        let free = self.seize(cpu);
        if free {
            // Nobody hands a turn over that is ours, so the bit is still there. Release: who sees
            // it clear sees the holder.
            word.fetch_and(!bit, Ordering::Release);
        }
        free
    }

    /// True once a CPU that waits has been handed the turn, and as long as it has it.
    pub fn mine(&self, cpu: CpuId) -> bool {
        let (word, bit) = self.bit(cpu);
        // Acquire: what was done under the turn before is visible.
        word.load(Ordering::Acquire) & bit == 0
            && self.holder.load(Ordering::Acquire) == u64::from(cpu.0)
    }

    /// The word that changes when the turn is handed to a CPU that waits, and what it holds now:
    /// to be watched if the turn is not [`Self::mine`] after this.
    pub fn watch(&self, cpu: CpuId) -> (&AtomicU64, u64) {
        let (word, _) = self.bit(cpu);
        // Acquire: `mine` looks no earlier.
        (word, word.load(Ordering::Acquire))
    }

    /// Gives the turn up. Returns the CPU that has it now, which the caller wakes. By the holder,
    /// or for one that will never act again.
    #[must_use = "the CPU that has the turn now sleeps until it is woken"]
    pub fn release(&self, cpu: CpuId) -> Option<CpuId> {
        loop {
            while let Some(next) = self.next_after(cpu) {
                if self.hand_to(next) {
                    return Some(next);
                }
            }
            // AcqRel: a swap, so that nothing below it is done before.
            self.holder.swap(NOBODY, Ordering::AcqRel);
            // Someone may have come since we looked and found the turn taken. If another CPU has
            // seized it by now, that one sees who waits.
            if !self.anybody_waits() || !self.seize(cpu) {
                return None;
            }
        }
    }

    /// A CPU that waits wants no longer, or will never act again. True: it will not be handed the
    /// turn. False: it has been, and has to [`Self::release`] it, now or after it was used.
    #[must_use = "false means that the turn has to be released"]
    pub fn withdraw(&self, cpu: CpuId) -> bool {
        let (word, bit) = self.bit(cpu);
        word.fetch_and(!bit, Ordering::AcqRel) & bit != 0
    }

    /// Who has the turn, for the report of one that waited too long.
    pub fn holder(&self) -> Option<CpuId> {
        let holder = self.holder.load(Ordering::Relaxed);
        (holder != NOBODY).then_some(CpuId(holder as u16))
    }

    /// Takes the turn if nobody has it.
    fn seize(&self, cpu: CpuId) -> bool {
        let to = u64::from(cpu.0);
        self.holder.compare_exchange(NOBODY, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Hands over what is ours. False if that CPU has withdrawn; then it is still ours, whatever
    /// name stands there: no other CPU writes the holder as long as it is not nobody.
    fn hand_to(&self, next: CpuId) -> bool {
        // Relaxed: published by the bit, and not the CPU's before that is clear.
        self.holder.store(u64::from(next.0), Ordering::Relaxed);
        let (word, bit) = self.bit(next);
        word.fetch_and(!bit, Ordering::AcqRel) & bit != 0
    }

    /// The waiting CPU with the next higher number, else the lowest. May overlook one that comes
    /// just now.
    fn next_after(&self, cpu: CpuId) -> Option<CpuId> {
        let bits = self.waiting.each_ref().map(|word| word.load(Ordering::Relaxed));
        lowest_from(&bits, cpu.index() + 1).or_else(|| lowest_from(&bits, 0))
    }

    /// Overlooks nobody who has found the turn taken: see the head of this file.
    fn anybody_waits(&self) -> bool {
        self.waiting.iter().any(|word| word.fetch_or(0, Ordering::AcqRel) != 0)
    }

    fn bit(&self, cpu: CpuId) -> (&AtomicU64, u64) {
        (&self.waiting[cpu.index() / 64], 1 << (cpu.0 % 64))
    }
}

/// The lowest CPU of the set whose number is `from` or higher.
fn lowest_from(bits: &[u64; WORDS], from: usize) -> Option<CpuId> {
    let (first, below) = (from / 64, (1u64 << (from % 64)) - 1);
    let words = bits.iter().enumerate().skip(first);
    words
        .map(|(i, &word)| (i, if i == first { word & !below } else { word }))
        .find(|&(_, word)| word != 0)
        .map(|(i, word)| CpuId((i * 64) as u16 + word.trailing_zeros() as u16))
}
