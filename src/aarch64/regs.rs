//! System registers and single instructions that crate aarch64-cpu does not have, as one-line safe
//! functions, and the values that `head.S` writes.

use crate::machine::Granules;
use core::arch::asm;
use core::sync::atomic::AtomicU64;

/// Attribute 0: device nGnRE. Attribute 1: normal, write-back, read and write allocate.
pub const MAIR_VALUE: u64 = 0x04 | 0xff << 8;

/// 48-bit addresses in both halves, 4 KiB granule, inner shareable write-back walks. IPS is filled
/// in at run time.
pub const TCR_VALUE: u64 = tcr_half(0, 0) | tcr_half(16, 2);

const fn tcr_half(shift: u32, granule: u64) -> u64 {
    (16 | 1 << 8 | 1 << 10 | 3 << 12 | granule << 14) << shift
}

/// SCTLR_EL1 with MMU and caches off: only what is RES1.
pub const SCTLR_OFF: u64 = 0x30d0_0800;

/// SCTLR_EL1 with MMU, caches, stack alignment check and write-implies-execute-never.
pub const SCTLR_ON: u64 = SCTLR_OFF | 1 | 1 << 2 | 1 << 3 | 1 << 12 | 1 << 19;

/// SCTLR_EL2 with MMU and caches off: only what is RES1.
pub const SCTLR_EL2_OFF: u64 = 0x30c5_0830;

const PAGE: u64 = 3 | 1 << 2 | 3 << 8 | 1 << 10;
const READ_ONLY: u64 = 1 << 7;
const PXN: u64 = 1 << 53;
const UXN: u64 = 1 << 54;

/// Page: code.
pub const TEXT_ATTRS: u64 = PAGE | READ_ONLY | UXN;
/// Page: constants.
pub const RODATA_ATTRS: u64 = PAGE | READ_ONLY | PXN | UXN;
/// Page: data.
pub const DATA_ATTRS: u64 = PAGE | PXN | UXN;
/// Block: the device tree.
pub const DTB_ATTRS: u64 = (RODATA_ATTRS & !3) | 1;

/// Which exceptions were masked before [`irq_save`].
pub struct Daif(u64);

/// Masks IRQs and returns what was masked before.
pub fn irq_save() -> Daif {
    let daif: u64;
    // SAFETY: masking interrupts changes nothing that Rust relies on; a compiler barrier by
    // default.
    unsafe { asm!("mrs {0}, daif", "msr daifset, #2", out(reg) daif) };
    Daif(daif)
}

/// Masks what was masked before.
pub fn irq_restore(daif: Daif) {
    // SAFETY: the value is one that `irq_save` has read; handlers touch nothing but atomics.
    unsafe { asm!("msr daif, {0}", in(reg) daif.0) };
}

/// Lets IRQs in.
pub fn irq_enable() {
    // SAFETY: as for `irq_restore`.
    unsafe { asm!("msr daifclr, #2") };
}

/// Lets SErrors in: an error that is not heard of here would hit the next kernel.
pub fn serror_enable() {
    // SAFETY: the vectors report an SError.
    unsafe { asm!("msr daifclr, #4") };
}

/// Masks every exception that can be masked.
pub fn mask_all() {
    // SAFETY: as for `irq_save`.
    unsafe { asm!("msr daifset, #0xf") };
}

/// Sleeps until an interrupt is pending, masked or not. The DSB completes all earlier accesses
/// before the sleep.
pub fn wfi() {
    // SAFETY: WFI only waits.
    unsafe { asm!("dsb sy", "wfi") };
}

/// Waits for an event; the event stream sends one after a millisecond at most.
pub fn wait_for_event() {
    // SAFETY: WFE only waits.
    unsafe { asm!("wfe") };
}

/// Ends the WFE of every CPU, after all earlier stores are complete.
pub fn send_event() {
    // SAFETY: a barrier and a hint.
    unsafe { asm!("dsb sy", "sev") };
}

/// Waits for an event, unless the word has changed already; a change of the word is an event.
pub fn wait_for_change(word: &AtomicU64, seen: u64) {
    // SAFETY: an exclusive load sets the monitor, and WFE only waits.
    unsafe {
        asm!(
            "ldxr {now}, [{word}]",
            "cmp {now}, {seen}",
            "b.ne 2f",
            "wfe",
            "2:",
            now = out(reg) _, word = in(reg) word.as_ptr(), seen = in(reg) seen,
        );
    }
}

/// Makes all earlier stores visible to all CPUs before any later access or system register write.
pub fn dsb_ishst() {
    // SAFETY: a barrier.
    unsafe { asm!("dsb ishst") };
}

/// Full barrier for the whole system.
pub fn dsb_sy() {
    // SAFETY: a barrier.
    unsafe { asm!("dsb sy") };
}

/// Context synchronisation.
pub fn isb() {
    // SAFETY: a barrier.
    unsafe { asm!("isb") };
}

/// ICC_SGI1R_EL1 (IHI 0069 12.2.22): sends software generated interrupts of group 1.
pub fn write_icc_sgi1r(value: u64) {
    // SAFETY: makes other CPUs take an interrupt for which those CPUs are set up.
    unsafe { asm!("msr S3_0_C12_C11_5, {0}", in(reg) value) };
}

/// ICC_AP1Rn_EL1 = 0 (IHI 0069 12.2.5): no priority of group 1 is active. How many of these
/// registers there are follows from the number of priority bits.
pub fn clear_active_priorities(priority_bits: u32) {
    // SAFETY: the CPU is in no interrupt handler, so no priority can be active on purpose.
    unsafe {
        if priority_bits >= 7 {
            asm!("msr S3_0_C12_C9_3, xzr", "msr S3_0_C12_C9_2, xzr");
        }
        if priority_bits >= 6 {
            asm!("msr S3_0_C12_C9_1, xzr");
        }
        asm!("msr S3_0_C12_C9_0, xzr");
    }
}

/// Bytes of the smallest data cache line (CTR_EL0.DminLine).
pub fn dcache_line() -> u64 {
    let ctr: u64;
    // SAFETY: reads a constant register.
    unsafe { asm!("mrs {0}, ctr_el0", out(reg) ctr) };
    4 << (ctr >> 16 & 0xf)
}

/// Features in which every CPU must equal the boot CPU, from its identification registers (Arm ARM
/// D19.2): the 4 KiB granule, GIC system registers, and the range of physical addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Features {
    granule_4k: u64,
    gic: u64,
    physical_range: u64,
}

impl Features {
    /// Those of the CPU that runs.
    pub fn here() -> Self {
        let (mmfr0, pfr0): (u64, u64);
        // SAFETY: reads constant registers.
        unsafe {
            asm!("mrs {0}, id_aa64mmfr0_el1", "mrs {1}, id_aa64pfr0_el1",
                out(reg) mmfr0, out(reg) pfr0);
        }
        let field = |register: u64, shift: u32| register >> shift & 0xf;
        Self { granule_4k: field(mmfr0, 28), gic: field(pfr0, 24), physical_range: field(mmfr0, 0) }
    }

    /// True if a kernel that was set up on a CPU with `other` runs on one with these.
    pub fn suffice_for(&self, other: &Self) -> bool {
        self.granule_4k == other.granule_4k
            && self.gic == other.gic
            && self.physical_range >= other.physical_range
    }
}

/// The page sizes that this CPU can translate (Arm ARM D19.2, ID_AA64MMFR0_EL1).
pub fn granules() -> Granules {
    let mmfr0: u64;
    // SAFETY: reads a constant register.
    unsafe { asm!("mrs {0}, id_aa64mmfr0_el1", out(reg) mmfr0) };
    let field = |shift: u32| mmfr0 >> shift & 0xf;
    Granules { k4: field(28) < 8, k16: (1..8).contains(&field(20)), k64: field(24) < 8 }
}

/// A random number of the CPU, if the CPU has FEAT_RNG and a number is ready.
pub fn random() -> Option<u64> {
    let isar0: u64;
    // SAFETY: reads a constant register.
    unsafe { asm!("mrs {0}, id_aa64isar0_el1", out(reg) isar0) };
    if isar0 >> 60 == 0 {
        return None;
    }
    let (value, ok): (u64, u64);
    // SAFETY: RNDR exists, as just read; reading sets NZCV, which asm! assumes clobbered.
    unsafe { asm!("mrs {0}, S3_3_C2_C4_0", "cset {1}, ne", out(reg) value, out(reg) ok) };
    (ok != 0).then_some(value)
}
