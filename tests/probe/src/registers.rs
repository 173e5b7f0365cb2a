//! System registers of the CPU that runs.

use core::arch::asm;

use crate::console::{item, maybe};
use crate::entry::skipped;

/// MRS; `None` if the CPU does not have the register at this level.
#[macro_export]
macro_rules! mrs {
    ($register:literal) => {{
        let value: u64;
        // SAFETY: reading changes nothing; what is not there is skipped by the vectors.
        unsafe { core::arch::asm!("isb", concat!("mrs {0}, ", $register), inout(reg) 0_u64 => value) };
        (!$crate::entry::skipped()).then_some(value)
    }};
}

/// MSR; what is not there is skipped.
#[macro_export]
macro_rules! msr {
    ($register:literal, $value:expr) => {{
        let value = $value as u64;
        // SAFETY: none of the registers written changes how this code, which runs with the MMU off
        // and interrupts masked, is fetched or what it reaches.
        unsafe { core::arch::asm!(concat!("msr ", $register, ", {0}"), "isb", in(reg) value) };
        let _ = $crate::entry::skipped();
    }};
}

macro_rules! all {
    ($($name:literal $register:literal)*) => { $(maybe($name, mrs!($register));)* };
}

/// The exception level, 1 or 2.
pub fn level() -> u64 {
    mrs!("CurrentEL").unwrap_or(0) >> 2 & 3
}

/// All of them. Left out: counters that count, and what is of the implementation.
pub fn show() {
    let _ = skipped();
    control();
    el1();
    debug();
    monitors();
    extensions();
    interface();
    if level() == 2 {
        maybe("vbar_el1", mrs!("vbar_el1")); // at EL1 it is this payload's own by now
        el2();
    }
}

/// The control register of this level, what the boot protocol fixes apart from the rest.
fn control() {
    let own = if level() == 2 { mrs!("sctlr_el2") } else { mrs!("sctlr_el1") }.unwrap_or(0);
    let fixed = 1 | 1 << 2 | 1 << 12 | 1 << 25;
    item("sctlr.mmu", own & 1);
    item("sctlr.dcache", own >> 2 & 1);
    item("sctlr.icache", own >> 12 & 1);
    item("sctlr.big_endian", own >> 25 & 1);
    item("sctlr.rest", own & !fixed);
}

fn el1() {
    all! {
        "midr_el1" "midr_el1"
        "sctlr_el1" "sctlr_el1" "actlr_el1" "actlr_el1" "cpacr_el1" "cpacr_el1"
        "ttbr0_el1" "ttbr0_el1" "ttbr1_el1" "ttbr1_el1" "tcr_el1" "tcr_el1"
        "mair_el1" "mair_el1" "amair_el1" "amair_el1"
        "esr_el1" "esr_el1" "far_el1" "far_el1" "elr_el1" "elr_el1" "spsr_el1" "spsr_el1"
        "afsr0_el1" "afsr0_el1" "afsr1_el1" "afsr1_el1" "par_el1" "par_el1"
        "contextidr_el1" "contextidr_el1" "sp_el0" "sp_el0"
        "tpidr_el1" "tpidr_el1" "tpidr_el0" "tpidr_el0" "tpidrro_el0" "tpidrro_el0"
        "cntkctl_el1" "cntkctl_el1"
        "cntp_ctl_el0" "cntp_ctl_el0" "cntp_cval_el0" "cntp_cval_el0"
        "cntv_ctl_el0" "cntv_ctl_el0" "cntv_cval_el0" "cntv_cval_el0"
    }
}

fn debug() {
    all! {
        "mdscr_el1" "mdscr_el1" "mdccint_el1" "mdccint_el1"
        "oslsr_el1" "oslsr_el1" "osdlr_el1" "osdlr_el1"
        "dbgbcr0_el1" "dbgbcr0_el1" "dbgbcr1_el1" "dbgbcr1_el1" "dbgbcr2_el1" "dbgbcr2_el1"
        "dbgbcr3_el1" "dbgbcr3_el1" "dbgbcr4_el1" "dbgbcr4_el1" "dbgbcr5_el1" "dbgbcr5_el1"
        "dbgwcr0_el1" "dbgwcr0_el1" "dbgwcr1_el1" "dbgwcr1_el1"
        "dbgwcr2_el1" "dbgwcr2_el1" "dbgwcr3_el1" "dbgwcr3_el1"
    }
}

fn monitors() {
    all! {
        "pmcr_el0" "pmcr_el0" "pmcntenset_el0" "pmcntenset_el0" "pmintenset_el1" "pmintenset_el1"
        "pmovsset_el0" "pmovsset_el0" "pmuserenr_el0" "pmuserenr_el0" "pmselr_el0" "pmselr_el0"
        "pmccfiltr_el0" "pmccfiltr_el0"
    }
}

/// MTE, pointer authentication (keys), SVE and SME, and the bits of PSTATE that go with them.
fn extensions() {
    all! {
        "gcr_el1" "S3_0_C1_C0_6" "rgsr_el1" "S3_0_C1_C0_5"
        "tfsr_el1" "S3_0_C5_C6_0" "tfsre0_el1" "S3_0_C5_C6_1"
        "apiakeylo_el1" "S3_0_C2_C1_0" "apiakeyhi_el1" "S3_0_C2_C1_1"
        "apibkeylo_el1" "S3_0_C2_C1_2" "apdakeylo_el1" "S3_0_C2_C2_0"
        "apdbkeylo_el1" "S3_0_C2_C2_2" "apgakeylo_el1" "S3_0_C2_C3_0"
        "zcr_el1" "S3_0_C1_C2_0" "smcr_el1" "S3_0_C1_C2_6" "svcr" "S3_3_C4_C2_2"
        "tpidr2_el0" "S3_3_C13_C0_5"
        "pan" "S3_0_C4_C2_3" "uao" "S3_0_C4_C2_4" "dit" "S3_3_C4_C2_5"
        "ssbs" "S3_3_C4_C2_6" "tco" "S3_3_C4_C2_7"
    }
}

/// The interface to a GICv3.
pub fn interface() {
    all! {
        "icc_sre_el1" "S3_0_C12_C12_5" "icc_pmr_el1" "S3_0_C4_C6_0"
        "icc_igrpen0_el1" "S3_0_C12_C12_6" "icc_igrpen1_el1" "S3_0_C12_C12_7"
        "icc_ctlr_el1" "S3_0_C12_C12_4" "icc_bpr0_el1" "S3_0_C12_C8_3"
        "icc_bpr1_el1" "S3_0_C12_C12_3" "icc_ap0r0_el1" "S3_0_C12_C8_4"
        "icc_ap1r0_el1" "S3_0_C12_C9_0" "icc_rpr_el1" "S3_0_C12_C11_3"
        "icc_hppir0_el1" "S3_0_C12_C8_2" "icc_hppir1_el1" "S3_0_C12_C12_2"
    }
}

fn el2() {
    all! {
        "hcr_el2" "hcr_el2" "hcrx_el2" "S3_4_C1_C2_2" "cptr_el2" "cptr_el2" "mdcr_el2" "mdcr_el2"
        "hstr_el2" "hstr_el2" "hacr_el2" "hacr_el2" "actlr_el2" "actlr_el2"
        "vttbr_el2" "vttbr_el2" "vtcr_el2" "vtcr_el2"
        "ttbr0_el2" "ttbr0_el2" "tcr_el2" "tcr_el2" "mair_el2" "mair_el2"
        "cnthctl_el2" "cnthctl_el2" "cntvoff_el2" "cntvoff_el2"
        "cnthp_ctl_el2" "cnthp_ctl_el2" "cnthv_ctl_el2" "S3_4_C14_C3_1"
        "cnthp_cval_el2" "cnthp_cval_el2"
        "tpidr_el2" "tpidr_el2" "vpidr_el2" "vpidr_el2" "vmpidr_el2" "vmpidr_el2"
        "hpfar_el2" "hpfar_el2"
        "hfgrtr_el2" "S3_4_C1_C1_4" "hfgwtr_el2" "S3_4_C1_C1_5" "hfgitr_el2" "S3_4_C1_C1_6"
        "hdfgrtr_el2" "S3_4_C3_C1_4" "hdfgwtr_el2" "S3_4_C3_C1_5"
        "icc_sre_el2" "S3_4_C12_C9_5" "ich_hcr_el2" "S3_4_C12_C11_0"
        "ich_vmcr_el2" "S3_4_C12_C11_7" "ich_lr0_el2" "S3_4_C12_C12_0"
        "zcr_el2" "S3_4_C1_C2_0" "smcr_el2" "S3_4_C1_C2_6" "tfsr_el2" "S3_4_C5_C6_0"
    }
}

/// Orders everything before it with everything after it.
pub fn barrier() {
    // SAFETY: barriers.
    unsafe { asm!("dsb sy", "isb") };
}
