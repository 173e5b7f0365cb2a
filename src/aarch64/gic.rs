//! The interrupt controller, version 3 (system registers) or 2, behind one set of calls.
//!
//! Crate arm-gic-driver has the system registers of version 3. This module adds: a CPU interface of
//! version 2 by plain accesses, finding redistributors in several regions, putting a redistributor
//! to sleep, a bounded and word-wise set-up of a CPU's private interrupts, SGIs to any affinity,
//! routing many interrupts in one pass, and leaving the distributor quiet. There are no locks
//! between CPUs: a register that more than one CPU writes either belongs to a single interrupt, or
//! sets or clears just the bits that are written. The words of triggers are neither; only the boot
//! CPU writes those.

mod clean;
mod lpis;
mod private;
mod redistributor;
mod v2;
mod v3;

use super::percpu::PerCpu;
use crate::aarch64::mmio::{ReadWrite, Registers};
use crate::cpu::{CpuId, CpuMask, Mpidr};
use crate::interrupt::{Interrupt, Trigger};
use crate::machine::inherited::Interrupts;
use crate::machine::irq::Status;
use crate::machine::{Route, StepError};
use crate::platform::{Frames, MAX_REGIONS};
use tock_registers::interfaces::Readable;

use lpis::LPIS;
pub use lpis::Lpis;
pub use redistributor::{Redistributor, Redistributors};
use spin::MutexGuard;

/// The software generated interrupt that an IPI is.
pub const IPI: u32 = 0;

/// Priority of IPIs; lower numbers win.
const IPI_PRIORITY: u8 = 0x20;
/// Priority of everything else.
const PRIORITY: u8 = 0xa0;
/// Lets everything through.
const MASK_NONE: u8 = 0xf0;
/// Lets only IPIs through, whether or not the mask and the priorities are seen shifted by one bit
/// (two security states, IHI 0069 4.8.1).
const MASK_ALL_BUT_IPIS: u8 = 0xa0;

/// First interrupt number that means "none" (IHI 0069 2.2).
const SPECIAL: u32 = 1020;

/// Where the bit of a shared interrupt is.
fn place(intid: u32) -> (usize, u32) {
    (intid as usize / 32 % 32, 1 << (intid % 32))
}

/// Words of shared interrupts that a distributor has, from GICD_TYPER; the first word is the CPU's.
fn shared_words(typer: u32) -> core::ops::Range<usize> {
    1..((typer & 0x1f) as usize + 1).min(32)
}

/// The registers of the interrupt controller.
#[allow(clippy::large_enum_variant)] // there is one of it, and it is made before there is a heap
pub enum GicRegisters {
    /// GICv2.
    V2 {
        /// GICD.
        distributor: Registers,
        /// GICC.
        cpu_interface: Registers,
    },
    /// GICv3 or later.
    V3 {
        /// GICD.
        distributor: Registers,
        /// Regions of GICR frames.
        redistributors: heapless::Vec<Registers, MAX_REGIONS>,
        /// Bytes from one CPU's frames to the next, if not the architecture's distance.
        stride: Option<u64>,
        /// Where a region ends.
        frames: Frames,
    },
}

impl GicRegisters {
    /// Turns LPIs off where that can be done. Needs no heap.
    ///
    /// # Panics
    /// LPIs stay on in more frames than can be kept account of.
    pub fn lpis_off(&self) -> MutexGuard<'static, Lpis> {
        let mut lpis = LPIS.lock();
        if let Self::V3 { redistributors, stride, frames, .. } = self {
            lpis.turn_off(redistributors, *stride, *frames);
        }
        lpis
    }

    /// All frames; none for a GICv2.
    pub fn frames(&self) -> Redistributors {
        match self {
            Self::V2 { .. } => Redistributors::default(),
            Self::V3 { redistributors, stride, frames, .. } => {
                Redistributors::find(redistributors, *stride, *frames)
            }
        }
    }
}

/// The interrupt controller of this machine.
pub enum Gic {
    /// Version 3 or 4, by system registers.
    V3(v3::Gic3),
    /// Version 2, by memory.
    V2(v2::Gic2),
}

macro_rules! each {
    ($self:ident, $gic:ident => $call:expr) => {
        match $self {
            Self::V3($gic) => $call,
            Self::V2($gic) => $call,
        }
    };
}

impl Gic {
    /// For these registers; nothing is touched yet. `None` if a piece is too small.
    pub fn new(registers: &GicRegisters) -> Option<Self> {
        match registers {
            GicRegisters::V3 { distributor, .. } => v3::Gic3::new(distributor).map(Self::V3),
            GicRegisters::V2 { distributor, cpu_interface } => {
                v2::Gic2::new(distributor, cpu_interface).map(Self::V2)
            }
        }
    }

    /// Bits of an interrupt number that the distributor has.
    pub fn id_bits(&self) -> u32 {
        match self {
            Self::V3(g) => g.id_bits(),
            Self::V2(_) => 10, // IHI 0048 has no LPIs
        }
    }

    /// Architecture version, 2 or 3.
    pub fn version(&self) -> u32 {
        match self {
            Self::V3(_) => 3,
            Self::V2(_) => 2,
        }
    }

    /// True if the distributor forwards nothing, as after power-on and after another baton.
    pub fn is_off(&self) -> bool {
        each!(self, g => g.is_off())
    }

    /// Puts the distributor into a known state: all interrupts off, nothing pending or active, the
    /// rest as after power-on, then on. Returns what was left to clear, in the distributor and of
    /// the boot CPU's private interrupts. A distributor that another baton left `quiet` is not read
    /// for that. Boot CPU, once.
    pub fn init_distributor(&self, boot: &PerCpu, quiet: bool) -> Interrupts {
        each!(self, g => g.init_distributor(boot, quiet))
    }

    /// Wakes and enables this CPU's part; only IPIs get through.
    pub fn cpu_up(&self, cpu: &PerCpu) -> Result<(), StepError> {
        each!(self, g => g.cpu_up(cpu))
    }

    /// Disables this CPU's interface and puts its redistributor to sleep.
    pub fn cpu_down(&self, cpu: &PerCpu) -> Result<(), StepError> {
        each!(self, g => g.cpu_down(cpu))
    }

    /// Gives a shared interrupt its priority and its trigger. The interrupt is disabled and not
    /// pending. Boot CPU.
    pub fn configure(&self, interrupt: Interrupt) {
        each!(self, g => g.configure(interrupt));
    }

    /// Gives a private interrupt of this CPU its trigger, where that is not fixed. The interrupt is
    /// disabled.
    pub fn configure_private(&self, cpu: &PerCpu, interrupt: Interrupt) {
        each!(self, g => g.configure_private(cpu, interrupt));
    }

    /// Enables or disables a private interrupt of this CPU.
    pub fn enable_private(&self, cpu: &PerCpu, intid: u32, on: bool) {
        each!(self, g => g.enable_private(cpu, intid, on));
    }

    /// Lets every interrupt of this CPU through, or only IPIs.
    pub fn filter(&self, all: bool) {
        let mask = if all { MASK_NONE } else { MASK_ALL_BUT_IPIS };
        each!(self, g => g.set_priority_mask(mask));
    }

    /// Wakes every CPU in the set.
    pub fn wake(&self, cpus: &CpuMask, mpidrs: &dyn Fn(usize) -> Mpidr, areas: &[PerCpu]) {
        match self {
            Self::V3(g) => g.wake(cpus, mpidrs),
            Self::V2(g) => g.wake(cpus, areas),
        }
    }

    /// How routes name a CPU.
    pub fn destination(&self, cpu: &PerCpu, mpidr: Mpidr) -> u64 {
        match self {
            Self::V3(_) => v3::destination(mpidr),
            Self::V2(_) => u64::from(cpu.gicv2_target()),
        }
    }

    /// Disables, routes and enables shared interrupts, which are configured, in one pass; the error
    /// is the first interrupt whose route reads back otherwise, and the value read.
    pub fn apply(
        &self,
        routes: &[Route],
        destination: &dyn Fn(CpuId) -> u64,
    ) -> Result<(), (u32, u64)> {
        each!(self, g => g.apply(routes, destination))
    }

    /// What the route of a shared interrupt reads.
    pub fn route_of(&self, intid: u32) -> u64 {
        each!(self, g => g.route_of(intid))
    }

    /// Enables or disables a shared interrupt.
    pub fn enable_shared(&self, intid: u32, on: bool) {
        each!(self, g => g.enable_shared(intid, on));
    }

    /// What the distributor says of a shared interrupt.
    pub fn status_of(&self, intid: u32) -> Status {
        let (word, bit) = place(intid);
        each!(self, g => {
            let d = g.registers();
            let has = |words: &[ReadWrite<u32>; 32]| words[word].get() & bit != 0;
            Status {
                pending: has(&d.ispendr),
                active: has(&d.icactiver),
                enabled: has(&d.isenabler),
                trigger: Trigger::of_word(intid, d.icfgr[intid as usize / 16 % 64].get()),
            }
        })
    }

    /// One past the last shared interrupt (GICD_TYPER.ITLinesNumber).
    pub fn shared_end(&self) -> u32 {
        let words = each!(self, g => shared_words(g.registers().typer.get()));
        (words.end as u32 * 32).min(1020)
    }

    /// Makes a shared interrupt pending, or not, as its line would. One store: needs no lock.
    pub fn set_pending(&self, intid: u32, on: bool) {
        each!(self, g => g.set_pending(intid, on));
    }

    /// Takes the pending interrupt of highest priority, runs `handle` with its number, and ends
    /// that interrupt; repeats until none is pending.
    pub fn serve(&self, handle: impl FnMut(u32)) {
        each!(self, g => g.serve(handle));
    }

    /// Turns off all private interrupts of another CPU, where this CPU can reach the registers
    /// (GICv3 only).
    pub fn silence(&self, other: &PerCpu) {
        if let Self::V3(g) = self {
            g.take_back(other);
        }
    }

    /// Turns this CPU's part and the distributor off: nothing enabled, pending or active, and all
    /// as after power-on, also for the CPUs of the other areas. At the jump, on the last CPU. A
    /// part that does not settle in time is left so.
    pub fn quiesce(&self, cpu: &PerCpu, areas: &[PerCpu]) {
        each!(self, g => g.quiesce(cpu, areas));
    }
}
