//! What both versions of the distributor have in common (IHI 0069 12.9, IHI 0048 4.3): what it was
//! left with, and its way back to what it is after power-on.
//!
//! A kernel that is handed a distributor must not have to ask who used it before. So this one keeps
//! account of the shared interrupts for which it sets a priority, a trigger and a route, and takes
//! all of it back at the end; what somebody else has left is wiped as a whole, and only if there is something: a wipe
//! is hundreds of accesses.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::aarch64::mmio::{ReadOnly, ReadWrite};
use spin::Mutex;
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::register_structs;

use super::{PRIORITY, place, shared_words};
use crate::interrupt::{Interrupt, TriggerWords};
use crate::machine::inherited::Interrupts;

register_structs! {
    /// Bit `n` of word `i` is interrupt `32 * i + n`.
    pub(super) Common {
        (0x0000 => pub(super) ctlr: ReadWrite<u32>),
        (0x0004 => typer: ReadOnly<u32>),
        (0x0008 => _r0),
        (0x0080 => igroupr: [ReadWrite<u32>; 32]),
        (0x0100 => isenabler: [ReadWrite<u32>; 32]),
        (0x0180 => icenabler: [ReadWrite<u32>; 32]),
        (0x0200 => ispendr: [ReadWrite<u32>; 32]),
        (0x0280 => icpendr: [ReadWrite<u32>; 32]),
        (0x0300 => isactiver: [ReadWrite<u32>; 32]),
        (0x0380 => icactiver: [ReadWrite<u32>; 32]),
        (0x0400 => ipriorityr: [ReadWrite<u8>; 1020]),
        (0x07fc => _r1),
        (0x0c00 => icfgr: [ReadWrite<u32>; 64]),
        (0x0d00 => @END),
    }
}

/// Enables of the groups in GICD_CTLR, in every security view and version.
const GROUP_ENABLES: u32 = 0b111;

/// What a distributor was left with.
pub(super) struct Left {
    pub interrupts: Interrupts,
    /// Somebody has used it and not put it back.
    pub used: bool,
}

/// The common registers of the distributor at `base`.
pub(super) fn common(base: u64) -> &'static Common {
    // SAFETY: the distributor's registers, mapped as device for good.
    unsafe { &*(base as *const Common) }
}

impl Common {
    fn words(&self) -> core::ops::Range<usize> {
        shared_words(self.typer.get())
    }

    /// What there is; changes nothing.
    pub fn look(&self) -> Left {
        let count = |words: &[ReadWrite<u32>; 32]| {
            self.words().map(|i| words[i].get().count_ones()).sum::<u32>()
        };
        let interrupts = Interrupts {
            enabled: count(&self.isenabler),
            pending: count(&self.ispendr),
            active: count(&self.isactiver),
        };
        let first = self.ipriorityr[32].get() != 0;
        let on = self.ctlr.get() & GROUP_ENABLES != 0;
        let used = interrupts != Interrupts::default() || on || first || count(&self.igroupr) > 0;
        Left { interrupts, used }
    }

    /// Every shared interrupt off, not pending, not active. `settle` waits until a write has taken.
    /// Off first: a level that is still high pends again, and harms nobody then.
    pub fn silence(&self, settle: impl Fn()) {
        self.words().for_each(|i| self.icenabler[i].set(!0));
        settle();
        for i in self.words() {
            self.icpendr[i].set(!0);
            self.icactiver[i].set(!0);
        }
    }

    /// Puts every shared interrupt into one group.
    pub fn group(&self, one: bool) {
        let word = if one { !0 } else { 0 };
        self.words().for_each(|i| self.igroupr[i].set(word));
    }

    /// Priorities and triggers of all shared interrupts as after power-on; `unroute` does the same to
    /// the route of one. They are off.
    pub fn wipe(&self, unroute: impl Fn(usize)) {
        let intids = self.words().start * 32..(self.words().end * 32).min(1020);
        for i in intids.start / 16..intids.end.div_ceil(16) {
            self.icfgr[i].set(0);
        }
        for intid in intids {
            self.ipriorityr[intid].set(0);
            unroute(intid);
        }
    }
}

/// Shared interrupts that this kernel has given a priority and a trigger, and that may have a route.
/// Only the boot CPU adds to them, in ordinary context, and it takes them back as its last act: so
/// the lock, without which a word of triggers could be written from two sides, is never waited for.
#[derive(Default)]
pub(super) struct Configured {
    bits: [AtomicU32; 32],
    triggers: Mutex<TriggerWords>,
}

impl Configured {
    /// Gives an interrupt its priority, if it has none yet, and its trigger, if its word does not say
    /// so already. It is off, as it has to be while its trigger changes.
    pub fn add(&self, registers: &Common, interrupt: Interrupt) {
        let (word, bit) = place(interrupt.intid);
        if self.bits[word].load(Ordering::Relaxed) & bit == 0 {
            self.bits[word].fetch_or(bit, Ordering::Relaxed);
            registers.ipriorityr[interrupt.intid as usize].set(PRIORITY);
        }
        if let Some((at, triggers)) = self.triggers.lock().set(interrupt) {
            registers.icfgr[at].set(triggers);
        }
    }

    /// Takes all of it back; `unroute` does it for the route. All are off.
    pub fn take_back(&self, registers: &Common, unroute: impl Fn(usize)) {
        self.triggers.lock().edges().for_each(|at| registers.icfgr[at].set(0));
        for (i, word) in self.bits.iter().enumerate() {
            let mut bits = word.load(Ordering::Relaxed);
            while bits != 0 {
                let intid = i * 32 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                registers.ipriorityr[intid].set(0);
                unroute(intid);
            }
        }
    }
}
