//! GICv3 redistributors (IHI 0069 12.10, 12.11): finding a CPU's frame in any of several regions,
//! waking the frame, setting up the CPU's private interrupts, putting the frame to sleep.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use crate::aarch64::mmio::{Block, ReadOnly, ReadWrite, Registers, WriteOnly};
use crate::machine::StepError;
use tock_registers::LocalRegisterCopy;
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::{register_bitfields, register_structs};

use super::private::PrivateTriggers;
use super::{IPI, PRIORITY};
use crate::aarch64::{regs, timer};
use crate::cpu::{CpuId, Mpidr};
use crate::interrupt::Interrupt;
use crate::machine::inherited::Interrupts;
use crate::platform::Frames;

register_bitfields![u32,
    pub(super) CTLR [
        ENABLE_LPIS OFFSET(0) NUMBITS(1) [],
        CES OFFSET(1) NUMBITS(1) [],
        RWP OFFSET(3) NUMBITS(1) [],
    ],
    WAKER [
        PROCESSOR_SLEEP OFFSET(1) NUMBITS(1) [],
        CHILDREN_ASLEEP OFFSET(2) NUMBITS(1) [],
    ],
];

register_bitfields![u64,
    TYPER [
        VLPIS OFFSET(1) NUMBITS(1) [],
        LAST OFFSET(4) NUMBITS(1) [],
        AFFINITY OFFSET(32) NUMBITS(32) [],
    ],
];

register_structs! {
    pub(super) Frame {
        (0x0000 => pub(super) ctlr: ReadWrite<u32, CTLR::Register>),
        (0x0004 => iidr: ReadOnly<u32>),
        (0x0008 => typer: ReadOnly<u64, TYPER::Register>),
        (0x0010 => _r0),
        (0x0014 => waker: ReadWrite<u32, WAKER::Register>),
        (0x0018 => _r1),
        (0x0070 => pub(super) propbaser: ReadWrite<u64>),
        (0x0078 => pub(super) pendbaser: ReadWrite<u64>),
        (0x0080 => _r10),
        (0x10080 => igroupr0: ReadWrite<u32>),
        (0x10084 => _r2),
        (0x10100 => isenabler0: ReadWrite<u32>),
        (0x10104 => _r3),
        (0x10180 => icenabler0: ReadWrite<u32>),
        (0x10184 => _r4),
        (0x10200 => ispendr0: ReadOnly<u32>),
        (0x10204 => _r11),
        (0x10280 => icpendr0: WriteOnly<u32>),
        (0x10284 => _r5),
        (0x10300 => isactiver0: ReadOnly<u32>),
        (0x10304 => _r12),
        (0x10380 => icactiver0: WriteOnly<u32>),
        (0x10384 => _r6),
        (0x10400 => ipriorityr: [ReadWrite<u8>; 32]),
        (0x10420 => _r7),
        (0x10c04 => icfgr1: ReadWrite<u32>),
        (0x10c08 => _r8),
        (0x20000 => @END),
    }
}

// SAFETY: all fields are registers.
unsafe impl Block for Frame {}

/// One CPU's frame.
#[derive(Clone, Copy)]
pub struct Redistributor(&'static Frame);

/// Bytes of a frame without and with virtual LPIs.
const FRAME: u64 = 0x20000;
const FRAME_VLPIS: u64 = 0x40000;

/// How long a redistributor may take to wake, to sleep, or to take a write.
const PATIENCE_US: u64 = 10_000;

/// Walks all regions: the last frame of a region says so, unless the region was made of single frames.
pub(super) fn each_frame(
    regions: &[Registers],
    stride: Option<u64>,
    frames: Frames,
    mut f: impl FnMut(&'static Frame),
) {
    for region in regions {
        let mut at = 0;
        while let Some(frame) = region.block::<Frame>(at) {
            f(frame);
            let typer = frame.typer.extract();
            if typer.is_set(TYPER::LAST) && frames == Frames::UpToLast {
                break;
            }
            let own = if typer.is_set(TYPER::VLPIS) { FRAME_VLPIS } else { FRAME };
            at += stride.unwrap_or(own).max(FRAME);
        }
    }
}

/// Where each affinity's frame is.
#[derive(Default)]
pub struct Redistributors {
    /// Affinity, as in GICR_TYPER, and frame; by affinity.
    frames: Vec<(u64, Redistributor)>,
}

impl Redistributors {
    /// Each frame tells its affinity.
    pub fn find(regions: &[Registers], stride: Option<u64>, kind: Frames) -> Self {
        let mut frames = Vec::new();
        each_frame(regions, stride, kind, |frame| {
            frames.push((frame.typer.read(TYPER::AFFINITY), Redistributor(frame)));
        });
        frames.sort_unstable_by_key(|frame| frame.0);
        Self { frames }
    }

    /// A CPU's frame. On most machines CPUs are counted in the order of their affinities, so that
    /// the frame is at the CPU's own number: that place is looked at first.
    pub fn of(&self, cpu: CpuId, mpidr: Mpidr) -> Option<Redistributor> {
        let [a3, a2, a1, a0] = [3, 2, 1, 0].map(|level| u64::from(mpidr.aff(level)));
        let affinity = a3 << 24 | a2 << 16 | a1 << 8 | a0;
        let here = self.frames.get(cpu.index()).filter(|frame| frame.0 == affinity);
        let search = || self.frames.binary_search_by_key(&affinity, |f| f.0).ok();
        let frame = here.or_else(|| self.frames.get(search()?))?;
        Some(frame.1)
    }
}

impl Redistributor {
    /// What the frame was left with.
    pub fn left(self) -> Interrupts {
        let f = self.0;
        Interrupts {
            enabled: f.isenabler0.get().count_ones(),
            pending: f.ispendr0.get().count_ones(),
            active: f.isactiver0.get().count_ones(),
        }
    }

    /// Wakes the redistributor, and puts the private interrupts of its CPU into group 1: none is
    /// enabled, pending or active then. A frame that is `clean` is as after power-on.
    ///
    /// # Errors
    /// The frame does not wake in time.
    pub fn wake(self, clean: bool) -> Result<(), StepError> {
        let f = self.0;
        rouse(f)?;
        if !clean {
            f.icenabler0.set(!0);
            f.icpendr0.set(!0);
            f.icactiver0.set(!0);
            f.ipriorityr.iter().for_each(|priority| priority.set(0));
            let settled = patiently(|| !f.ctlr.is_set(CTLR::RWP));
            settled.then_some(()).ok_or(StepError::RedistributorAsleep)?;
        }
        f.igroupr0.set(!0);
        Ok(())
    }

    /// Takes back what this kernel has set in the frame, and puts the frame to sleep.
    ///
    /// # Errors
    /// The frame does not go to sleep in time.
    pub fn sleep(self, triggers: &PrivateTriggers) -> Result<(), StepError> {
        self.take_back(triggers);
        if SLEEP.load(Ordering::Relaxed) == IGNORED {
            return Ok(());
        }
        let f = self.0;
        f.waker.write(WAKER::PROCESSOR_SLEEP::SET); // its other bits are read-only
        // If the register ignores the write, sleep is firmware's or the hypervisor's business.
        let settled = |waker: LocalRegisterCopy<u32, WAKER::Register>| {
            waker.is_set(WAKER::CHILDREN_ASLEEP) || !waker.is_set(WAKER::PROCESSOR_SLEEP)
        };
        patiently(|| settled(f.waker.extract())).then_some(()).ok_or(StepError::RedistributorAwake)
    }

    /// Private interrupts off, in group 0, none pending (an IPI that was not served would hit the
    /// next kernel), and triggers and priorities as after power-on. The frame's CPU is at its last
    /// act, or off, or not ours. The group comes first: an SGI of group 1 is not forwarded to one
    /// of group 0.
    pub fn take_back(self, triggers: &PrivateTriggers) {
        let f = self.0;
        f.icenabler0.set(!0);
        f.igroupr0.set(0);
        f.icpendr0.set(!0);
        triggers.take_back(&f.icfgr1);
        let mut given = PRIORITIES.load(Ordering::Relaxed);
        while let Some(priority) = f.ipriorityr.get(given.trailing_zeros() as usize) {
            priority.set(0);
            given &= given - 1;
        }
    }

    /// Withdraws the private interrupts that became pending for a CPU after that CPU had itself
    /// taken back everything else in its frame.
    pub fn withdraw(self) {
        self.0.icpendr0.set(!0);
    }

    /// No private interrupt is active any more.
    pub fn end_active(self) {
        self.0.icactiver0.set(!0);
    }

    /// Gives one private interrupt, which is disabled, its trigger.
    pub fn configure(self, triggers: &PrivateTriggers, interrupt: Interrupt) {
        triggers.set(&self.0.icfgr1, interrupt);
    }

    /// Enables one private interrupt at its priority, or disables the interrupt. An IPI keeps the
    /// priority of power-on, which is the highest.
    pub fn enable(self, intid: u32, on: bool) {
        let f = self.0;
        if on {
            if intid != IPI {
                set_priority(f, intid);
            }
            f.isenabler0.set(1 << intid);
        } else {
            f.icenabler0.set(1 << intid);
            // A write that is still on its way could let the interrupt through once more.
            patiently(|| !f.ctlr.is_set(CTLR::RWP));
        }
    }
}

/// Whether frames can sleep: unknown, yes, or writes to GICR_WAKER are ignored (KVM's reads as
/// zero; power is the hypervisor's business then). Knowing that saves an arriving CPU one access
/// and a leaving CPU two.
static SLEEP: AtomicU8 = AtomicU8::new(UNKNOWN);
const UNKNOWN: u8 = 0;
const SLEEPS: u8 = 1;
const IGNORED: u8 = 2;

/// Ends a frame's sleep. The boot CPU, which comes first, finds out if there is such a thing: its
/// interface is off.
fn rouse(f: &Frame) -> Result<(), StepError> {
    let now = f.waker.extract();
    let awake = !now.is_set(WAKER::PROCESSOR_SLEEP) && !now.is_set(WAKER::CHILDREN_ASLEEP);
    if awake && SLEEP.load(Ordering::Relaxed) == UNKNOWN {
        f.waker.write(WAKER::PROCESSOR_SLEEP::SET);
        let sleeps = f.waker.is_set(WAKER::PROCESSOR_SLEEP);
        SLEEP.store(if sleeps { SLEEPS } else { IGNORED }, Ordering::Relaxed);
        if !sleeps {
            return Ok(());
        }
    } else if awake {
        return Ok(());
    }
    f.waker.write(WAKER::PROCESSOR_SLEEP::CLEAR);
    let awake = patiently(|| !f.waker.is_set(WAKER::CHILDREN_ASLEEP));
    awake.then_some(()).ok_or(StepError::RedistributorAsleep)
}

/// Private interrupts, by bit, that this kernel has given a priority in any frame.
static PRIORITIES: AtomicU32 = AtomicU32::new(0);

fn set_priority(f: &Frame, intid: u32) {
    if PRIORITIES.load(Ordering::Relaxed) & 1 << intid == 0 {
        PRIORITIES.fetch_or(1 << intid, Ordering::Relaxed);
    }
    f.ipriorityr[intid as usize].set(PRIORITY);
}

/// Device registers change by themselves, within microseconds: looking again is the only way.
pub(super) fn patiently(done: impl Fn() -> bool) -> bool {
    if done() {
        return true;
    }
    let deadline = timer::now() + timer::hz() * PATIENCE_US / 1_000_000;
    while !done() {
        if timer::now() > deadline {
            return false;
        }
        regs::isb();
    }
    true
}
