//! The DSU's performance monitors: the system registers, and their emulation on cores without such
//! registers.
//!
//! A tree asks for the emulation by `baton,emulate` in the unit's node (`dts/` does); without that
//! property nothing here answers an undefined instruction. A core without the registers takes an
//! undefined instruction exception at the driver's MRS or MSR; the vectors call [`emulate`], and
//! the model of the cluster answers. So the driver executes the same instructions on both kinds of
//! core.
//!
//! A cluster's lock is held only with interrupts masked, for the time of one access, and nothing is
//! locked inside.

use alloc::boxed::Box;
use core::arch::asm;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use spin::{Mutex, Once};

use super::regs;
use crate::cpu::{CpuId, CpuMask};
use crate::machine::pmu::PmuReg;
use crate::machine::pmu::instruction::Access;
use crate::platform::Cluster;
use crate::pmu::model::ClusterModel;

/// No overflow is to come.
const NEVER: u64 = u64::MAX;

/// So many ticks ahead, hours at least, an overflow is not waited for; every access looks anew.
const FAR: u64 = 1 << 44;

macro_rules! registers {
    ($($register:ident = $name:literal)+) => {
        /// MRS of a register of this CPU's cluster.
        pub fn read(register: PmuReg) -> u64 {
            let value;
            match register {
                // SAFETY: reads a counter or its control, not ahead of earlier instructions (ISB);
                // on a core without the register, the vectors answer for CPUs of an emulated
                // cluster, and report a fault on all other CPUs.
                $(PmuReg::$register => unsafe {
                    asm!("isb", concat!("mrs {0}, ", $name), out(reg) value);
                },)+
            }
            value
        }

        /// MSR of a register of this CPU's cluster.
        pub fn write(register: PmuReg, value: u64) {
            match register {
                // SAFETY: as in `read`; the registers reach nothing but counters and their
                // interrupt.
                $(PmuReg::$register => unsafe {
                    asm!(concat!("msr ", $name, ", {0}"), in(reg) value);
                },)+
            }
            // ISB: the write has taken effect before this returns.
            regs::isb();
        }
    };
}

// As in `PmuReg::encoding`.
registers! {
    Control = "S3_0_C15_C5_0"
    CountersOn = "S3_0_C15_C5_1"
    CountersOff = "S3_0_C15_C5_2"
    OverflowSet = "S3_0_C15_C5_3"
    OverflowClear = "S3_0_C15_C5_4"
    Select = "S3_0_C15_C5_5"
    InterruptsOn = "S3_0_C15_C5_6"
    InterruptsOff = "S3_0_C15_C5_7"
    Cycles = "S3_0_C15_C6_0"
    EventType = "S3_0_C15_C6_1"
    EventCount = "S3_0_C15_C6_2"
    Events0 = "S3_0_C15_C6_4"
    Events1 = "S3_0_C15_C6_5"
}

/// The clusters that the tree asks to emulate, if there are any.
static EMULATION: Once<Emulation> = Once::new();

struct Emulation {
    clusters: Box<[Emulated]>,
    /// By CPU.
    places: Box<[Place]>,
}

/// A CPU.
struct Place {
    /// Index of its cluster.
    cluster: Option<usize>,
    /// True once the emulation has answered an access of this CPU.
    served: AtomicBool,
}

struct Emulated {
    cpus: CpuMask,
    intid: u32,
    registers: Mutex<Registers>,
    /// When the interrupt line goes up next, ticks. Written under the lock, looked at without.
    next: AtomicU64,
}

#[derive(Default)]
struct Registers {
    model: ClusterModel,
    /// The interrupt line, as of the last access.
    line: bool,
}

/// Moves the line of an interrupt of the distributor.
pub type SetLine<'a> = &'a dyn Fn(u32, bool);

/// Makes known the clusters for which the tree asks for emulation. Boot CPU, once, before the first
/// access to a cluster's registers.
pub fn set_up(clusters: &[Cluster], cpus: usize) {
    if !clusters.iter().any(|cluster| cluster.emulate) {
        return;
    }
    let has = |c: &Cluster, cpu| c.emulate && c.cpus.contains(CpuId(cpu as u16));
    let cluster_of = |cpu| clusters.iter().position(|c| has(c, cpu));
    let place = |cpu| Place { cluster: cluster_of(cpu), served: AtomicBool::new(false) };
    let emulated = |c: &Cluster| Emulated {
        cpus: c.cpus,
        intid: c.interrupt.intid,
        registers: Mutex::default(),
        next: AtomicU64::new(NEVER),
    };
    EMULATION.call_once(|| Emulation {
        clusters: clusters.iter().map(emulated).collect(),
        places: (0..cpus).map(place).collect(),
    });
}

/// Answers an access of this CPU with the value read, 0 for a write. `None` if the CPU is in no
/// cluster that is emulated. Interrupts masked.
pub fn emulate(cpu: CpuId, access: Access, value: u64, now: u64, set: SetLine<'_>) -> Option<u64> {
    let place = place(cpu)?;
    let cluster = place.cluster()?;
    if !place.served.load(Ordering::Relaxed) {
        place.served.store(true, Ordering::Relaxed);
    }
    let mut registers = cluster.registers.lock();
    let read = if access.write {
        registers.model.write(access.register, value, now);
        0
    } else {
        registers.model.read(access.register, now)
    };
    cluster.settle(&mut registers, now, set);
    Some(read)
}

/// True once this CPU has been answered by the emulation.
pub fn is_emulated(cpu: CpuId) -> bool {
    place(cpu).is_some_and(|place| place.served.load(Ordering::Relaxed))
}

/// When this CPU has to wake for [`tick`], ticks.
pub fn deadline(cpu: CpuId) -> Option<u64> {
    let next = place(cpu)?.cluster()?.next.load(Ordering::Relaxed);
    (next != NEVER).then_some(next)
}

/// Raises the interrupt of this CPU's cluster if an overflow is due. Interrupts masked. No CPU
/// waits for the lock: the CPU that holds it checks for the overflow itself before unlocking, and
/// if that check came too early, `next` still bounds the next sleep.
pub fn tick(cpu: CpuId, now: u64, set: SetLine<'_>) {
    let Some(cluster) = place(cpu).and_then(Place::cluster) else { return };
    if cluster.next.load(Ordering::Relaxed) <= now
        && let Some(mut registers) = cluster.registers.try_lock()
    {
        cluster.settle(&mut registers, now, set);
    }
}

/// The CPUs that must check for a due overflow after this CPU has gone: the others of its cluster,
/// if an overflow is to come. Those CPUs may be asleep without a deadline.
pub fn heirs(cpu: CpuId) -> Option<CpuMask> {
    deadline(cpu)?;
    let mut others = place(cpu)?.cluster()?.cpus;
    others.remove(cpu);
    Some(others)
}

fn place(cpu: CpuId) -> Option<&'static Place> {
    EMULATION.get()?.places.get(cpu.index())
}

impl Place {
    fn cluster(&self) -> Option<&'static Emulated> {
        EMULATION.get()?.clusters.get(self.cluster?)
    }
}

impl Emulated {
    /// Brings the interrupt to the level of the line. As on hardware, a level that is still high
    /// after its interrupt has been served raises the interrupt again: so the level is set again at
    /// each access.
    fn settle(&self, registers: &mut Registers, now: u64, set: SetLine<'_>) {
        let line = registers.model.line(now);
        if line || registers.line {
            set(self.intid, line);
        }
        registers.line = line;
        // The 64-bit cycle counter overflows in years: no reason to arm a timer at every sleep.
        let next = registers.model.next_overflow().filter(|next| next.saturating_sub(now) < FAR);
        self.next.store(next.unwrap_or(NEVER), Ordering::Relaxed);
    }
}
