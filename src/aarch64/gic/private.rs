//! The trigger of private interrupts: GICR_ICFGR1 of each redistributor (IHI 0069 12.11), or the
//! second word of GICD_ICFGR, which a GICv2 has once for each CPU (IHI 0048 4.3.13).
//!
//! Whether a trigger can be changed is up to the implementation, and most don't allow it (KVM:
//! write_config of arch/arm64/kvm/vgic/vgic-mmio.c leaves private interrupts alone). The parts of a
//! controller are alike: so the boot CPU finds out once, before any other CPU is up, and where
//! there is nothing to change no CPU accesses the register again.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::aarch64::mmio::ReadWrite;
use tock_registers::interfaces::{Readable, Writeable};

use crate::interrupt::Interrupt;

/// The boot CPU has not tried yet.
const UNKNOWN: u64 = u64::MAX;
/// The word is right already, or can't be changed.
const KEPT: u64 = u64::MAX - 1;

/// The word as found (upper half) and as required (lower half); or one of the two values above.
/// Neither of these can be mistaken for a pair to write: the halves of such a pair differ and have
/// no reserved bits.
pub struct PrivateTriggers(AtomicU64);

impl Default for PrivateTriggers {
    fn default() -> Self {
        Self(AtomicU64::new(UNKNOWN))
    }
}

impl PrivateTriggers {
    /// Sets the trigger of one private interrupt, which is disabled, of the CPU that `register`
    /// belongs to. Only the timer's needs this.
    pub fn set(&self, register: &ReadWrite<u32>, interrupt: Interrupt) {
        match self.0.load(Ordering::Relaxed) {
            KEPT => {}
            UNKNOWN => self.0.store(Self::first(register, interrupt), Ordering::Relaxed),
            pair => register.set(pair as u32),
        }
    }

    fn first(register: &ReadWrite<u32>, interrupt: Interrupt) -> u64 {
        let found = register.get();
        let wanted = interrupt.trigger.in_word(interrupt.intid, found);
        if wanted == found {
            return KEPT;
        }
        register.set(wanted);
        if register.get() == wanted { u64::from(found) << 32 | u64::from(wanted) } else { KEPT }
    }

    /// Restores the word as found, for the CPU that `register` belongs to; all its private
    /// interrupts are disabled.
    pub fn take_back(&self, register: &ReadWrite<u32>) {
        let pair = self.0.load(Ordering::Relaxed);
        if pair < KEPT {
            register.set((pair >> 32) as u32);
        }
    }
}
