//! How the boot CPU waits for an AP: a few yields, then asleep, and woken by that AP alone.
//!
//! YIELD is nothing under MTTCG and lets all others run under `thread=single`. A few of them cost
//! some microseconds, which is less than the sleep and the waking of a host thread when the AP is
//! already on its way; many of them would take the host's core from the APs.
//!
//! The boot CPU names the one AP whose next change of state it wants to hear of. An AP that changes
//! its state looks whether it is the one, and only then sends an SGI. So a wait for many costs few
//! interrupts: the boot CPU watches the AP that will most likely be last, and then finds that most
//! of the others are there.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use aarch64_cpu::asm::{self, barrier};

use crate::cpus::Kick;
use crate::{clock, gic};

/// State of an AP that has not spoken in this round.
pub const SILENT: u32 = 0;
/// It runs.
pub const ALIVE: u32 = 1;
/// Its next act is CPU_OFF.
pub const LEAVING: u32 = 2;

/// The words that the boot CPU shares with one AP, on a cache line of their own.
#[repr(C, align(64))]
pub struct Slot {
    /// Written by the AP, and by the boot CPU while the AP is off.
    pub state: AtomicU32,
    /// Not 0: the AP is to leave. Written by the boot CPU.
    pub leave: AtomicU32,
    /// Address of the first [`Kick`] that this AP makes. Written by the boot CPU.
    pub kicks: AtomicU64,
    /// Address after the last of them; the same if it makes none.
    pub kicks_end: AtomicU64,
    /// Address of the redistributor frame that it puts to sleep before CPU_OFF; 0 if it does not.
    /// Written by the boot CPU.
    pub frame: AtomicU64,
}

impl Slot {
    /// A slot of a CPU that is off.
    pub const fn new() -> Self {
        Self {
            state: AtomicU32::new(SILENT),
            leave: AtomicU32::new(0),
            kicks: AtomicU64::new(0),
            kicks_end: AtomicU64::new(0),
            frame: AtomicU64::new(0),
        }
    }

    /// Makes the slot ready for the next CPU_ON, after which the AP makes `kicks`; before CPU_OFF
    /// it puts `frame` to sleep, unless that is 0. It must be off.
    pub fn reset(&self, kicks: &[Kick], frame: u64) {
        self.frame.store(frame, Relaxed);
        let range = kicks.as_ptr_range();
        self.kicks.store(range.start as u64, Relaxed);
        self.kicks_end.store(range.end as u64, Relaxed);
        self.leave.store(0, Relaxed);
        self.state.store(SILENT, Relaxed);
    }

    /// Whether the AP has come to `state` in this round.
    pub fn reached(&self, state: u32) -> bool {
        self.state.load(Relaxed) >= state
    }

    /// The word that CPU_ON hands to the AP.
    pub fn address(&self) -> u64 {
        core::ptr::from_ref(self) as u64
    }
}

/// Yields before the boot CPU goes to sleep. Measured: 1,000 to 10,000 are equally good at 8 and 80
/// CPUs, with either threading of TCG; none at all and 100,000 are worse.
const YIELDS: usize = 4000;

/// Yields up to `times`, until `done` says true; whether it did.
pub fn yield_until(times: usize, done: impl Fn() -> bool) -> bool {
    (0..times).any(|_| {
        // SAFETY: YIELD is a hint.
        unsafe { core::arch::asm!("yield", options(nostack, preserves_flags)) };
        done()
    })
}

/// Whom the boot CPU watches, and how to wake it.
#[repr(C, align(64))]
pub struct Watch {
    /// Address of the watched AP's slot, or 0.
    pub slot: AtomicU64,
    /// What that AP writes to ICC_SGI1R_EL1.
    pub sgi: AtomicU64,
}

/// The one watch.
pub static WATCH: Watch = Watch { slot: AtomicU64::new(0), sgi: AtomicU64::new(0) };

impl Watch {
    /// Sleeps until the AP's state is at least `state`; false if the deadline passed first.
    pub fn wait(&self, slot: &Slot, state: u32) -> bool {
        if slot.reached(state) || yield_until(YIELDS, || slot.reached(state)) {
            return true;
        }
        let deadline = clock::deadline();
        self.slot.store(slot.address(), Relaxed);
        let came = loop {
            gic::clear_own_sgi();
            barrier::dsb(barrier::SY);
            if slot.reached(state) {
                break true;
            }
            if clock::expired(deadline) {
                break false;
            }
            asm::wfi();
        };
        self.slot.store(0, Relaxed);
        came
    }
}
