//! The APs of QEMU's virt machine.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{MPIDR_EL1, Readable};
use smccc::psci::Error;

use crate::watch::Slot;
use crate::{gic, psci};

/// CPUs of QEMU virt with GICv3 at most.
pub const MAX_CPUS: usize = 512;

/// CPUs in a cluster of QEMU virt with GICv3 (hw/arm/virt.c, virt_cpu_mp_affinity): as many as the
/// target list of an SGI has bits.
const CLUSTER: u64 = 16;

const AFFINITY: u64 = 0xff_00ff_ffff;

/// One CPU_ON that some CPU is to make: whom, and with which context id.
#[repr(C)]
pub struct Kick {
    /// MPIDR.
    mpidr: AtomicU64,
    /// Address of its [`Slot`].
    slot: AtomicU64,
}

impl Kick {
    const fn new() -> Self {
        Self { mpidr: AtomicU64::new(0), slot: AtomicU64::new(0) }
    }
}

/// A kick for each AP, in the APs' order. APs read it.
static KICKS: [Kick; MAX_CPUS] = [const { Kick::new() }; MAX_CPUS];

static SLOTS: [Slot; MAX_CPUS] = [const { Slot::new() }; MAX_CPUS];

/// A CPU other than the boot CPU.
pub struct Ap {
    /// Its number in the machine's order.
    index: usize,
    /// Affinity fields of its MPIDR_EL1.
    pub mpidr: u64,
    /// What we share with it.
    pub slot: &'static Slot,
}

/// This CPU's affinity fields.
pub fn own_mpidr() -> u64 {
    MPIDR_EL1.get() & AFFINITY
}

/// The affinity of QEMU virt's CPU number `index`: Aff1 is the cluster, Aff0 the CPU in it.
fn mpidr_of(index: usize) -> u64 {
    let index = index as u64;
    ((index / CLUSTER) << 8) | (index % CLUSTER)
}

/// The APs of this machine, in the machine's order.
#[derive(Clone, Copy)]
pub struct Aps {
    count: usize,
    boot: usize,
}

impl Aps {
    /// Counts the CPUs: there is none where AFFINITY_INFO says INVALID_PARAMETERS.
    pub fn find() -> Self {
        let exists = |&i: &usize| psci::affinity_info(mpidr_of(i)) != Err(Error::InvalidParameters);
        let count = (0..MAX_CPUS).take_while(exists).count();
        let own = own_mpidr();
        let boot = (0..count).find(|&i| mpidr_of(i) == own).unwrap_or(count);
        Self { count, boot }
    }

    /// All CPUs, the boot CPU counted.
    pub fn cpus(&self) -> usize {
        self.count
    }

    /// Makes all slots ready for a round in which the boot CPU kicks the first `each` APs and every
    /// AP the next `each` that nobody kicks yet: a tree. If `quiet`, each AP puts its part of the GIC
    /// to sleep before it turns itself off. All APs must be off.
    pub fn reset(&self, each: usize, quiet: bool) {
        let aps = self.iter().count();
        for (kick, ap) in KICKS.iter().zip(self.iter()) {
            kick.mpidr.store(ap.mpidr, Relaxed);
            kick.slot.store(ap.slot.address(), Relaxed);
        }
        for (i, ap) in self.iter().enumerate() {
            let child = |n: usize| each.saturating_mul(n).min(aps);
            let frame = if quiet { gic::redistributor(ap.index) } else { 0 };
            ap.slot.reset(&KICKS[child(i + 1)..child(i + 2)], frame);
        }
        // CPU_ON is no barrier; the APs read all this.
        barrier::dsb(barrier::SY);
    }

    /// All APs, lowest MPIDR first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Ap> + use<> {
        let boot = self.boot;
        (0..self.count).filter(move |&i| i != boot).map(|i| Ap {
            index: i,
            mpidr: mpidr_of(i),
            slot: &SLOTS[i],
        })
    }
}
