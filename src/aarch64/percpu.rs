//! What belongs to one CPU, found through TPIDR_EL1.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use aarch64_cpu::registers::{Readable, TPIDR_EL1, Writeable};

use super::gic::Redistributor;
use crate::cpu::CpuId;
use crate::machine::irq::Private;

/// One CPU's area. Two cache lines of its own.
#[repr(C, align(128))]
pub struct PerCpu {
    /// Logical number.
    pub cpu: CpuId,
    /// Its redistributor frame (GICv3).
    pub redistributor: Option<Redistributor>,
    /// Exception level at which this CPU entered.
    entry_level: AtomicU64,
    /// Interrupts have been masked since a wait that served none.
    masked: AtomicBool,
    /// Only IPIs are to get through once interrupts are unmasked.
    filter: AtomicBool,
    /// Its timer is armed.
    armed: AtomicBool,
    /// An IPI that the owner has not seen yet.
    woken: AtomicBool,
    /// Its redistributor is as after power-on.
    clean: AtomicBool,
    /// Its bit in a GICv2 target list, 0 until the CPU interface is up.
    gicv2_target: AtomicU64,
    /// IPIs and timer interrupts taken; only its owner writes.
    ipis: AtomicU64,
    timer: AtomicU64,
}

impl PerCpu {
    /// For a CPU that is off.
    pub fn new(cpu: CpuId, redistributor: Option<Redistributor>) -> Self {
        Self {
            cpu,
            redistributor,
            entry_level: AtomicU64::new(0),
            masked: AtomicBool::new(false),
            filter: AtomicBool::new(false),
            armed: AtomicBool::new(false),
            woken: AtomicBool::new(false),
            clean: AtomicBool::new(false),
            gicv2_target: AtomicU64::new(0),
            ipis: AtomicU64::new(0),
            timer: AtomicU64::new(0),
        }
    }

    /// Forgets what the last life of this CPU left. The CPU is off.
    pub fn reset(&self) {
        for flag in [&self.woken, &self.masked, &self.filter, &self.armed] {
            flag.store(false, Ordering::Relaxed);
        }
        self.entry_level.store(0, Ordering::Relaxed);
    }

    /// True if nothing is set in its redistributor: the kernel before was a baton, or this CPU has
    /// left and taken its own part back.
    pub fn is_clean(&self) -> bool {
        self.clean.load(Ordering::Acquire) // pairs with the exchange of the CPU that left
    }

    /// Sets [`Self::is_clean`] and returns the previous value.
    pub fn set_clean(&self, clean: bool) -> bool {
        // Release: pairs with the load in `is_clean`, on the CPU that jumps.
        self.clean.swap(clean, Ordering::AcqRel)
    }

    /// Exception level at which this CPU entered.
    pub fn entry_level(&self) -> u64 {
        self.entry_level.load(Ordering::Relaxed)
    }

    /// Sets [`Self::entry_level`].
    pub fn set_entry_level(&self, level: u64) {
        self.entry_level.store(level, Ordering::Relaxed);
    }

    /// True if its interrupts are masked after a wait. The owner only, as for all of these.
    pub fn is_masked(&self) -> bool {
        self.masked.load(Ordering::Relaxed)
    }

    /// Sets [`Self::is_masked`]; with `false`, says whether only IPIs are to get through.
    pub fn set_masked(&self, masked: bool) -> bool {
        self.masked.store(masked, Ordering::Relaxed);
        !masked && self.filter.swap(false, Ordering::Relaxed)
    }

    /// Only IPIs are to get through, once interrupts are unmasked.
    pub fn filter_later(&self) {
        self.filter.store(true, Ordering::Relaxed);
    }

    /// True if its timer is armed.
    pub fn is_armed(&self) -> bool {
        self.armed.load(Ordering::Relaxed)
    }

    /// Sets [`Self::is_armed`].
    pub fn set_armed(&self, armed: bool) {
        self.armed.store(armed, Ordering::Relaxed);
    }

    /// Notes an IPI. From the interrupt handler of this CPU only.
    pub fn wake(&self) {
        self.woken.store(true, Ordering::Relaxed);
    }

    /// Takes an IPI.
    pub fn take_ipi(&self) -> bool {
        self.woken.swap(false, Ordering::Relaxed)
    }

    /// Counts an IPI. From the interrupt handler of this CPU only.
    pub fn count_ipi(&self) {
        self.ipis.store(self.ipis.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Counts a timer interrupt. From the interrupt handler of this CPU only.
    pub fn count_timer(&self) {
        self.timer.store(self.timer.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// IPIs and timer interrupts taken by this CPU since this kernel started.
    pub fn taken(&self) -> Private {
        let [ipis, timer] = [&self.ipis, &self.timer].map(|n| n.load(Ordering::Relaxed));
        Private { ipis, timer }
    }

    /// Its bit in a GICv2 target list.
    pub fn gicv2_target(&self) -> u8 {
        // Acquire: pairs with the store in `set_gicv2_target`.
        self.gicv2_target.load(Ordering::Acquire) as u8
    }

    /// Sets [`Self::gicv2_target`].
    pub fn set_gicv2_target(&self, bit: u8) {
        // Release: the interface is set up, or off, before the bit changes; pairs with
        // `gicv2_target`, on a CPU that sends an IPI.
        self.gicv2_target.store(u64::from(bit), Ordering::Release);
    }
}

/// This CPU's area; `None` before [`set_current`].
pub fn current() -> Option<&'static PerCpu> {
    let address = TPIDR_EL1.get() as *const PerCpu;
    // SAFETY: TPIDR_EL1 is zero, or was set to a `PerCpu` that lives as long as the kernel.
    unsafe { address.as_ref() }
}

/// Gives this CPU its area.
pub fn set_current(area: &'static PerCpu) {
    TPIDR_EL1.set(core::ptr::from_ref(area) as u64);
}
