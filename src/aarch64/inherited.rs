//! System registers of the boot CPU that outlive a kernel: what the previous kernel left in these
//! registers, and their reset to the values after power-on, at entry and again at the jump.
//!
//! Other CPUs come through CPU_ON, which resets them. `head.S` clears the registers of EL2, and
//! passes on the previous values of those that matter.

use core::arch::asm;

use crate::machine::inherited::Inherited;

/// What `head.S` found before changing any register.
#[derive(Clone, Copy)]
pub struct AtEntry {
    /// HCR_EL2, or 0 at EL1.
    pub hcr_el2: u64,
    /// CNTHP_CTL_EL2, or 0 at EL1.
    pub cnthp_ctl_el2: u64,
}

/// HCR_EL2.RW: EL1 is AArch64, set by every kernel here.
const HCR_RW: u64 = 1 << 31;
/// A timer's control: ENABLE, and not IMASK.
const ARMED: (u64, u64) = (0b11, 0b01);
/// PMCR_EL0.E.
const PMCR_ENABLE: u64 = 1;
/// MDSCR_EL1: MDE, KDE, SS.
const MDSCR_ON: u64 = 1 << 15 | 1 << 13 | 1;
/// OSLSR_EL1.OSLK.
const OSLSR_OSLK: u64 = 1 << 1;

macro_rules! mrs {
    ($register:literal) => {{
        let value: u64;
        // SAFETY: reads a register that the caller knows to be there.
        unsafe { asm!(concat!("mrs {0}, ", $register), out(reg) value) };
        value
    }};
}

macro_rules! msr {
    ($($register:literal = $value:expr),+ $(,)?) => {
        $(
            let value: u64 = $value;
            // SAFETY: none of the registers that come here is one that this kernel's code or data
            // depends on, at the places where these values are written.
            unsafe { asm!(concat!("msr ", $register, ", {0}"), in(reg) value) };
        )+
    };
}

/// What a predecessor left on this CPU. Changes nothing. Boot CPU, before its timer is used.
///
/// Most registers are UNKNOWN after a reset, so that a value in them says nothing of a predecessor:
/// CPACR_EL1, CNTKCTL_EL1, CONTEXTIDR_EL1, TPIDR_EL0, TPIDRRO_EL0, PMUSERENR_EL0, MDSCR_EL1 and
/// CNTVOFF_EL2 among them (KVM fills the two TPIDRs with a pattern). Those are reset and not named.
/// An armed timer is named although ENABLE is UNKNOWN too: an armed timer interrupts in any case.
pub fn look(entry: &AtEntry) -> Inherited {
    let armed = |ctl: u64| ctl & ARMED.0 == ARMED.1;
    let timers = [
        ("virtual", mrs!("cntv_ctl_el0")),
        ("physical", mrs!("cntp_ctl_el0")),
        ("hypervisor", entry.cnthp_ctl_el2),
    ];
    let hcr = entry.hcr_el2 & !HCR_RW;
    Inherited {
        timers: timers.iter().filter(|t| armed(t.1)).map(|t| t.0).collect(),
        registers: (hcr != 0 && resets_to_el2()).then_some(("HCR_EL2", hcr)).into_iter().collect(),
        ..Inherited::default()
    }
}

/// Turns performance monitors and debug registers off, and returns whether each was on: counting,
/// debugging. baton never turns either on, so that after another baton there is nothing to do; for
/// a guest of a hypervisor each of some 30 registers is a trap. Boot CPU, with debug exceptions and
/// interrupts still masked.
pub fn stop_counting_and_debugging() -> (bool, bool) {
    let were_on = (counting(), debugging());
    if has_monitors() {
        stop_monitors();
    }
    stop_debug();
    // ISB: monitors and debug registers are off before this returns.
    super::regs::isb();
    were_on
}

/// PMCR_EL0.E is 0 after a reset.
fn counting() -> bool {
    has_monitors() && mrs!("pmcr_el0") & PMCR_ENABLE != 0 && mrs!("pmcntenset_el0") != 0
}

/// The OS lock is on after a reset, and MDSCR_EL1 has no effect while that lock is on. (KVM resets
/// the lock to off, and MDSCR_EL1 to 0.)
fn debugging() -> bool {
    mrs!("oslsr_el1") & OSLSR_OSLK == 0 && mrs!("mdscr_el1") & MDSCR_ON != 0
}

/// True without EL3: only the highest exception level has HCR_EL2 defined after a reset.
fn resets_to_el2() -> bool {
    mrs!("id_aa64pfr0_el1") >> 12 & 0xf == 0
}

/// Puts every register that [`look`] reads or leaves out, and the registers that belong to these,
/// back to the value after power-on, or to zero where that value is not defined: no address of this
/// kernel is left either. For monitors and debug registers see [`stop_counting_and_debugging`].
/// Called on the boot CPU at entry, and again right before the jump: the boot CPU's timer is off
/// from there on. If the kernel was entered at EL2, `head.S` has reset the registers of memory
/// tags, which EL1 can't reach then.
pub fn reset(entry_level: u32) {
    msr!("cntv_ctl_el0" = 0, "cntv_cval_el0" = 0, "cntp_ctl_el0" = 0, "cntp_cval_el0" = 0);
    msr!("cntkctl_el1" = 0, "cpacr_el1" = 0, "contextidr_el1" = 0);
    msr!("tpidr_el0" = 0, "tpidrro_el0" = 0);
    msr!("esr_el1" = 0, "far_el1" = 0, "afsr0_el1" = 0, "afsr1_el1" = 0, "par_el1" = 0);
    if entry_level == 1 && has_tags() {
        // GCR_EL1, RGSR_EL1, TFSR_EL1, TFSRE0_EL1
        msr!("S3_0_C1_C0_6" = 0, "S3_0_C1_C0_5" = 0, "S3_0_C5_C6_0" = 0, "S3_0_C5_C6_1" = 0);
    }
    // ISB: all of the writes above have taken effect before this returns.
    super::regs::isb();
}

/// ID_AA64DFR0_EL1.PMUVer: 0 none, 15 not the architecture's.
fn has_monitors() -> bool {
    !matches!(mrs!("id_aa64dfr0_el1") >> 8 & 0xf, 0 | 0xf)
}

/// ID_AA64PFR1_EL1.MTE: 1 has instructions only.
fn has_tags() -> bool {
    mrs!("id_aa64pfr1_el1") >> 8 & 0xf >= 2
}

fn stop_monitors() {
    msr!("pmcr_el0" = 0);
    msr!("pmcntenclr_el0" = !0, "pmintenclr_el1" = !0, "pmovsclr_el0" = !0);
    msr!("pmuserenr_el0" = 0, "pmselr_el0" = 0);
    if has_filter() {
        msr!("pmccfiltr_el0" = 0);
    }
}

/// PMCCFILTR_EL0 can be written. Xen leaves ID_AA64DFR0_EL1.PMUVer at the hardware's value,
/// emulates the other registers of the monitors as zero, and makes this register undefined
/// (xen/arch/arm/arm64/vsysreg.c). On real monitors PMCR_EL0 never reads as zero: its fields
/// include the number of counters and the implementer.
fn has_filter() -> bool {
    mrs!("pmcr_el0") != 0
}

/// Breakpoints and watchpoints off, and the OS lock on, as after a reset.
fn stop_debug() {
    msr!("mdscr_el1" = 0);
    // There are two of each at least.
    msr!("dbgbcr0_el1" = 0, "dbgbcr1_el1" = 0, "dbgwcr0_el1" = 0, "dbgwcr1_el1" = 0);
    let debug = mrs!("id_aa64dfr0_el1");
    macro_rules! off {
        ($count:expr; $($number:literal $register:literal)+) => {
            $(if $count >= $number { msr!($register = 0); })+
        };
    }
    off!(debug >> 12 & 0xf; // BRPs, one less
        2 "dbgbcr2_el1" 3 "dbgbcr3_el1" 4 "dbgbcr4_el1"
        5 "dbgbcr5_el1" 6 "dbgbcr6_el1" 7 "dbgbcr7_el1" 8 "dbgbcr8_el1" 9 "dbgbcr9_el1"
        10 "dbgbcr10_el1" 11 "dbgbcr11_el1" 12 "dbgbcr12_el1" 13 "dbgbcr13_el1"
        14 "dbgbcr14_el1" 15 "dbgbcr15_el1");
    off!(debug >> 20 & 0xf; // WRPs, one less
        2 "dbgwcr2_el1" 3 "dbgwcr3_el1" 4 "dbgwcr4_el1"
        5 "dbgwcr5_el1" 6 "dbgwcr6_el1" 7 "dbgwcr7_el1" 8 "dbgwcr8_el1" 9 "dbgwcr9_el1"
        10 "dbgwcr10_el1" 11 "dbgwcr11_el1" 12 "dbgwcr12_el1" 13 "dbgwcr13_el1"
        14 "dbgwcr14_el1" 15 "dbgwcr15_el1");
    msr!("oslar_el1" = 1);
}
