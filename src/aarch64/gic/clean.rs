//! What both versions of the distributor have in common (IHI 0069 12.9, IHI 0048 4.3): the state in
//! which an earlier kernel left the distributor, and the way back to the state after power-on.
//!
//! The next kernel must not depend on which kernel used the distributor before. So this kernel
//! keeps account of the shared interrupts to which it gives a group, a priority, a trigger and a
//! route, and takes all of these back at the end; registers of interrupts that were never used are
//! not touched. The settings of another kernel are wiped as a whole, and only if there are any: a
//! wipe is hundreds of accesses. After a baton there is nothing to wipe, and nothing is read.
//!
//! Each access to a distributor is a trap for a guest of a hypervisor, and under KVM one to the
//! active bits stops all its CPUs (vgic_access_active_prepare of arch/arm64/kvm/vgic/vgic-mmio.c).

use core::sync::atomic::{AtomicU32, Ordering};

use crate::aarch64::mmio::{Block, ReadOnly, ReadWrite};
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
    /// An earlier kernel has used the distributor and not put it back.
    pub used: bool,
}

// SAFETY: all fields are registers.
unsafe impl Block for Common {}

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

    /// Every shared interrupt of some words off, not pending, not active. `settle` waits until the
    /// earlier writes have taken effect. Off first: a level that is still high becomes pending
    /// again, which does no harm to a disabled interrupt.
    pub fn silence(&self, words: impl Iterator<Item = usize> + Clone, settle: impl Fn()) {
        words.clone().for_each(|i| self.icenabler[i].set(!0));
        settle();
        for i in words {
            self.icpendr[i].set(!0);
            self.icactiver[i].set(!0);
        }
    }

    /// Groups, priorities and triggers of all shared interrupts as after power-on; `unroute` resets
    /// the route of one interrupt. All are disabled.
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

/// Shared interrupts that this kernel has given a priority and a trigger, and that may have a
/// route. Only the boot CPU adds interrupts here, in ordinary context, and the boot CPU takes all
/// of them back before the jump. So the lock, which keeps two CPUs from writing the same word of
/// triggers, is never contended.
#[derive(Default)]
pub(super) struct Configured {
    /// True on a GICv3, where a kernel's interrupts are in group 1.
    group1: bool,
    bits: [AtomicU32; 32],
    triggers: Mutex<TriggerWords>,
}

impl Configured {
    /// For a distributor whose interrupts have to be in group 1.
    pub fn in_group1() -> Self {
        Self { group1: true, ..Self::default() }
    }

    /// Words with an interrupt that was given something.
    pub fn used(&self) -> impl Iterator<Item = usize> + Clone + '_ {
        (0..self.bits.len()).filter(|&i| self.bits[i].load(Ordering::Relaxed) != 0)
    }

    /// Gives an interrupt its group and priority, if not given yet, and its trigger, if the word
    /// differs. The interrupt is disabled, as required while the trigger changes.
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

    /// Takes all of these settings back; `unroute` does so for a route. All interrupts are
    /// disabled.
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
