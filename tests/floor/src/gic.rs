//! The little of GICv3 (Arm IHI 0069) that wakes sleeping CPUs, where QEMU virt has it.
//!
//! The boot CPU sets up all redistributors once, before anything is measured: their state outlives
//! CPU_OFF. Only the boot CPU writes there, but for the last acts of an AP (`entry`), and only
//! interrupts that stay masked depend on it. What CPU_ON resets is the CPU interface, and each AP
//! opens its own.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{ID_AA64PFR0_EL1, Readable};

use crate::cpus::{MAX_CPUS, own_mpidr};
use crate::mmio::{read, write};
use crate::watch::WATCH;

const DISTRIBUTOR: u64 = 0x0800_0000;
const GICD_CTLR: u64 = 0x0000;
const ENABLE_GRP1: u32 = 1 << 1; // GICD_CTLR.DS is 1 in QEMU virt without EL3

/// The two redistributor regions of QEMU virt; the second is there only if the first is too small.
const REGIONS: [u64; 2] = [0x080a_0000, 0x40_0000_0000];
const FIRST_REGION_CPUS: usize = 123;
const STRIDE: u64 = 0x2_0000;
const GICR_TYPER_AFFINITY: u64 = 0x000c;
pub const GICR_WAKER: u64 = 0x0014;
const WAKER_PROCESSOR_SLEEP: u32 = 1 << 1;
const WAKER_CHILDREN_ASLEEP: u32 = 1 << 2;
/// Reads of GICR_WAKER before we give up; QEMU's redistributors wake at once.
const WAKE_READS: usize = 1_000_000;
const GICR_IGROUPR0: u64 = 0x1_0080;
const GICR_ISENABLER0: u64 = 0x1_0100;
/// Written by APs too, in `entry`.
pub const GICR_ICPENDR0: u64 = 0x1_0280;

/// The SGI that APs are told to leave with, and that they wake the boot CPU with.
const SGI: u32 = 1;
const TIMER_PPI: u32 = 27; // the virtual timer (Arm BSA)

/// ID_AA64PFR0_EL1.GIC begins here.
const PFR0_GIC: u32 = 24;

/// ICC_SGI1R_EL1.IRM: to all CPUs but the sender.
const TO_ALL_OTHERS: u64 = 1 << 40;

/// The redistributor frame of the machine's CPU with this number.
pub fn redistributor(cpu: usize) -> u64 {
    match cpu.checked_sub(FIRST_REGION_CPUS) {
        None => REGIONS[0] + cpu as u64 * STRIDE,
        Some(above) => REGIONS[1] + above as u64 * STRIDE,
    }
}

/// Whether this machine has a GICv3: the CPU says if it has the system register interface.
pub fn present() -> bool {
    (ID_AA64PFR0_EL1.get() >> PFR0_GIC) & 0xf != 0
}

/// The boot CPU's redistributor.
static OWN: AtomicU64 = AtomicU64::new(0);

/// Sets up the distributor, the redistributors of all `cpus` CPUs, and this CPU's interface.
pub fn set_up(cpus: usize) {
    write(DISTRIBUTOR + GICD_CTLR, read(DISTRIBUTOR + GICD_CTLR) | ENABLE_GRP1);
    wake_redistributors(cpus);
    WATCH.sgi.store(sgi_to(own_mpidr()), Relaxed);
    open_interface();
}

/// Wakes those that APs have put to sleep, or that never woke.
pub fn wake_redistributors(cpus: usize) {
    (0..cpus.min(MAX_CPUS)).map(redistributor).for_each(set_up_redistributor);
}

fn set_up_redistributor(base: u64) {
    write(base + GICR_WAKER, read(base + GICR_WAKER) & !WAKER_PROCESSOR_SLEEP);
    let awake = |_| read(base + GICR_WAKER) & WAKER_CHILDREN_ASLEEP == 0;
    assert!((0..WAKE_READS).any(awake), "redistributor at {base:#x} does not wake");
    write(base + GICR_IGROUPR0, u32::MAX);
    write(base + GICR_ISENABLER0, (1 << SGI) | (1 << TIMER_PPI));
    if read(base + GICR_TYPER_AFFINITY) == affinity_word(own_mpidr()) {
        OWN.store(base, Relaxed);
    }
}

/// An affinity as GICR_TYPER has it: Aff3 in bits 31:24.
fn affinity_word(mpidr: u64) -> u32 {
    (((mpidr >> 8) & 0xff00_0000) | (mpidr & 0x00ff_ffff)) as u32
}

/// An affinity and the SGI as ICC_SGI1R_EL1 takes them.
fn sgi_to(mpidr: u64) -> u64 {
    let aff = |level: u32| (mpidr >> (level * 8)) & 0xff;
    let target = (1 << (aff(0) & 15)) | ((aff(0) >> 4) << 44);
    let cluster = (aff(1) << 16) | (aff(2) << 32) | (((mpidr >> 32) & 0xff) << 48);
    cluster | target | (u64::from(SGI) << 24)
}

/// Lets interrupts of group 1 end a WFI. QEMU's GICv3 has no other than the register interface, so
/// ICC_SRE_ELx need not be written.
fn open_interface() {
    // SAFETY: interrupts stay masked in PSTATE, so no handler is needed.
    unsafe {
        asm!("msr icc_pmr_el1, {pmr}", "msr icc_igrpen1_el1, {on}", "isb",
            pmr = in(reg) 0xff_u64, on = in(reg) 1_u64, options(nostack));
    }
}

fn send(sgi: u64) {
    // The target must see what we wrote before it wakes.
    barrier::dsb(barrier::SY);
    // SAFETY: an SGI only ends the target's WFI: all CPUs keep interrupts masked.
    unsafe { asm!("msr icc_sgi1r_el1, {sgi}", "isb", sgi = in(reg) sgi, options(nostack)) }
}

/// Wakes one CPU.
pub fn wake(mpidr: u64) {
    send(sgi_to(mpidr));
}

/// Wakes all CPUs but this one.
pub fn wake_others() {
    send(TO_ALL_OTHERS | (u64::from(SGI) << 24));
}

/// Forgets SGIs that came to this CPU.
pub fn clear_own_sgi() {
    write(OWN.load(Relaxed) + GICR_ICPENDR0, 1 << SGI);
}

/// Forgets SGIs that came to any CPU; nobody acknowledges them, since APs take no interrupts.
pub fn clear_all_sgis(cpus: usize) {
    let clear = |base| write(base + GICR_ICPENDR0, 1 << SGI);
    (0..cpus.min(MAX_CPUS)).map(redistributor).for_each(clear);
}
