//! What both versions of the distributor have in common (IHI 0069 12.9, IHI 0048 4.3): what it was
//! left with, and its way back to what it is after power-on.
//!
//! A kernel that is handed a distributor must not have to ask who used it before. So this one keeps
//! account of the shared interrupts for which it sets a group, a priority, a trigger and a route, and
//! takes all of it back at the end; registers of interrupts that it has never used are not touched.
//! What another kernel has left is wiped as a whole, and only if there is something: a wipe is
//! hundreds of accesses. After a baton there is nothing, and it is not even looked at.
//!
//! Each access to a distributor is a trap for a guest of a hypervisor, and under KVM one to the active
//! bits stops all its CPUs (vgic_access_active_prepare of arch/arm64/kvm/vgic/vgic-mmio.c).

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
    /// The words of the shared interrupts that there are.
    pub fn words(&self) -> core::ops::Range<usize> {
        shared_words(self.typer.get())
    }

    /// No group of interrupts is enabled.
    pub fn is_off(&self) -> bool {
        self.ctlr.get() & GROUP_ENABLES == 0
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
        let used = interrupts != Interrupts::default()
            || !self.is_off()
            || first
            || count(&self.igroupr) > 0;
        Left { interrupts, used }
    }

    /// Every shared interrupt of some words off, not pending, not active. `settle` waits until what was
    /// written before has taken. Off first: a level that is still high pends again, and harms nobody
    /// then.
    pub fn silence(&self, words: impl Iterator<Item = usize> + Clone, settle: impl Fn()) {
        words.clone().for_each(|i| self.icenabler[i].set(!0));
        settle();
        for i in words {
            self.icpendr[i].set(!0);
            self.icactiver[i].set(!0);
        }
    }

    /// Groups, priorities and triggers of all shared interrupts as after power-on; `unroute` does the
    /// same to the route of one. They are off.
    pub fn wipe(&self, unroute: impl Fn(usize)) {
        self.words().for_each(|i| self.igroupr[i].set(0));
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
    /// Its interrupts are of group 1, as a kernel's are where there is a version 3.
    group1: bool,
    bits: [AtomicU32; 32],
    triggers: Mutex<TriggerWords>,
}

impl Configured {
    /// Of a distributor whose interrupts have to be in group 1.
    pub fn in_group1() -> Self {
        Self { group1: true, ..Self::default() }
    }

    /// Words with an interrupt that was given something.
    pub fn used(&self) -> impl Iterator<Item = usize> + Clone + '_ {
        (0..self.bits.len()).filter(|&i| self.bits[i].load(Ordering::Relaxed) != 0)
    }

    /// Gives an interrupt its group and its priority, if it has none yet, and its trigger, if its word does not say
    /// so already. It is off, as it has to be while its trigger changes.
    pub fn add(&self, registers: &Common, interrupt: Interrupt) {
        let (word, bit) = place(interrupt.intid);
        let before = self.bits[word].load(Ordering::Relaxed);
        if before & bit == 0 {
            if before == 0 && self.group1 {
                registers.igroupr[word].set(!0); // the others of the word are off
            }
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
        self.used().filter(|_| self.group1).for_each(|i| registers.igroupr[i].set(0));
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
