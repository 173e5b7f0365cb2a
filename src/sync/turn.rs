//! A turn: mutual exclusion between CPUs that sleep while they wait.
//!
//! Hotplug steps that may not run on several CPUs at once are run under a turn. The holder that
//! gives the turn up hands it to one waiting CPU, the next in number, and wakes that CPU alone: the
//! waiting CPUs never race for the turn, and each has it within one round.
//!
//! One word names the holder, and each waiting CPU sets a bit. The holder hands the turn over by
//! writing the holder word first, then clearing the waiting CPU's bit; that CPU has the turn once
//! its bit is clear. So the CPU that clears the bit decides: the holder, which hands over, or the
//! waiting CPU itself, which withdraws.
//!
//! A CPU that asks sets its bit, then tries to take the holder word; a CPU that gives up clears the
//! holder word, then looks at the bits. Both access the word of bits by read-modify-write with
//! acquire-release, even to look. The CPU whose access comes second sees every store that the other
//! one made before its access, so no CPU waits for a turn without a holder.

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

use super::atomic::{AtomicU64, Ordering};
use crate::config::MAX_CPUS;
use crate::cpu::CpuId;

/// Two words are enough for the model checker, which tries every order of accesses.
const WORDS: usize = if cfg!(loom) { 2 } else { MAX_CPUS / 64 };

/// The holder word of a turn that is free.
const NOBODY: u64 = u64::MAX;

/// The turn of one set of CPUs.
pub struct Turn {
    /// The CPU that has the turn, or [`NOBODY`]. A free word is taken by compare-and-swap; a word
    /// that is not free is written by the holder alone.
    holder: AtomicU64,
    /// The CPUs that wait, one bit each. A CPU sets its own bit; the holder clears the bit to hand
    /// the turn over, or the CPU itself clears it to withdraw.
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
    /// Asks for the turn. True: this CPU is the holder. False: this CPU waits, sleeps until
    /// [`Self::mine`], and gets an IPI when that comes true. On the CPU itself, which neither has
    /// the turn nor waits.
    #[must_use = "false means that it has to wait"]
    pub fn take(&self, cpu: CpuId) -> bool {
        // The usual case: the turn is free, and no word but the holder's is touched.
        if self.seize(cpu) {
            return true;
        }
        let (word, bit) = self.bit(cpu);
        // AcqRel: pairs with `anybody_waits` of a CPU that gives the turn up, and with `hand_to`.
        word.fetch_or(bit, Ordering::AcqRel);
        // Once more, after the bit: a holder that gave the turn up before it saw the bit hands the
        // turn to no CPU.
        let free = self.seize(cpu);
        if free {
            // Only the holder hands over, and that is this CPU: the bit is still set. Release: a
            // CPU that sees the bit clear sees the holder.
            word.fetch_and(!bit, Ordering::Release);
        }
        free
    }

    /// True from the moment the turn is handed to this waiting CPU until this CPU gives it up.
    pub fn mine(&self, cpu: CpuId) -> bool {
        let (word, bit) = self.bit(cpu);
        // Acquire: pairs with `hand_to`. What earlier holders did under the turn is visible.
        word.load(Ordering::Acquire) & bit == 0
            && self.holder.load(Ordering::Acquire) == u64::from(cpu.0)
    }

    /// The word that changes when the turn is handed to this waiting CPU, and its value now: to be
    /// watched if the turn is not [`Self::mine`] after this.
    pub fn watch(&self, cpu: CpuId) -> (&AtomicU64, u64) {
        let (word, _) = self.bit(cpu);
        // Acquire: pairs with `hand_to`; the loads of `mine` come no earlier.
        (word, word.load(Ordering::Acquire))
    }

    /// Gives the turn up. Returns the next holder, which the caller wakes. By the holder, or on
    /// behalf of a holder that will never act again.
    #[must_use = "the CPU that has the turn now sleeps until it is woken"]
    pub fn release(&self, cpu: CpuId) -> Option<CpuId> {
        loop {
            // A CPU may withdraw while the turn is handed to it: then the next one is tried.
            while let Some(next) = self.next_after(cpu) {
                if self.hand_to(next) {
                    return Some(next);
                }
            }
            // Release: pairs with `seize`. A swap with acquire, so that `anybody_waits` looks no
            // earlier.
            self.holder.swap(NOBODY, Ordering::AcqRel);
            // A CPU may have set its bit after `next_after` looked, and found the turn taken. If
            // another CPU has seized the turn by now, that CPU is the holder and will see the bit.
            if !self.anybody_waits() || !self.seize(cpu) {
                return None;
            }
        }
    }

    /// A waiting CPU gives up waiting, or will never act again. True: the turn will not be handed
    /// to that CPU. False: that CPU is the holder already, and has to [`Self::release`] the turn,
    /// at once or after use.
    #[must_use = "false means that the turn has to be released"]
    pub fn withdraw(&self, cpu: CpuId) -> bool {
        let (word, bit) = self.bit(cpu);
        // AcqRel: pairs with `hand_to`. If the bit is clear already, this CPU sees what earlier
        // holders did.
        word.fetch_and(!bit, Ordering::AcqRel) & bit != 0
    }

    /// The holder, for the report of a CPU that waited too long.
    pub fn holder(&self) -> Option<CpuId> {
        let holder = self.holder.load(Ordering::Relaxed);
        (holder != NOBODY).then_some(CpuId(holder as u16))
    }

    /// Takes the turn if it is free.
    fn seize(&self, cpu: CpuId) -> bool {
        let to = u64::from(cpu.0);
        // Acquire: pairs with the swap in `release`.
        self.holder.compare_exchange(NOBODY, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Hands the turn to a waiting CPU. False if that CPU has withdrawn: the caller is still the
    /// holder then, whatever CPU the word names, because no other CPU writes a holder word that is
    /// not free.
    fn hand_to(&self, next: CpuId) -> bool {
        // Relaxed: the cleared bit below publishes the holder (pairs with `mine`), and the next CPU
        // does not act on the holder word before its bit is clear.
        self.holder.store(u64::from(next.0), Ordering::Relaxed);
        let (word, bit) = self.bit(next);
        word.fetch_and(!bit, Ordering::AcqRel) & bit != 0
    }

    /// The waiting CPU with the next higher number, else the lowest. May overlook a CPU that sets
    /// its bit at this moment.
    fn next_after(&self, cpu: CpuId) -> Option<CpuId> {
        let bits = self.waiting.each_ref().map(|word| word.load(Ordering::Relaxed));
        lowest_from(&bits, cpu.index() + 1).or_else(|| lowest_from(&bits, 0))
    }

    /// True if a CPU waits. Overlooks no CPU that found the turn taken: pairs with the update of
    /// the bits in `take`, see the head of this file.
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
