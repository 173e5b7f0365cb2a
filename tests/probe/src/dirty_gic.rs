//! The interrupt controller as a sloppy predecessor leaves it: interrupts enabled, pending and one
//! acknowledged for ever, the interface open, LPIs on.

use crate::gic::{GICC, GICD, GICR, GICR_STRIDE, is_v3};
use crate::mmio::{read, write, write64};
use crate::registers::barrier;
use crate::{cpus, mrs, msr};

/// Enabled and pending; acknowledged and not ended; enabled only. In one word.
const PENDING: u32 = 40;
const ACTIVE: u32 = 41;
const ENABLED: u32 = 42;
/// In the word of these.
const WORD: u64 = 4;

/// A software generated interrupt for this CPU, and one for a CPU that is off.
const OWN_SGI: u32 = 3;
const OTHERS_SGI: u32 = 5;

/// Timers of EL1 and EL2, and the monitors (Arm BSA).
const PPIS: u32 = 1 << 27 | 1 << 30 | 1 << 26 | 1 << 23;

/// Memory of the LPI tables, which the redistributors go on writing to.
const PROPERTIES: u64 = 0x6000_0000;
const PENDING_TABLES: u64 = 0x6010_0000;

/// Leaves it so.
pub fn leave(lpis: bool) {
    if is_v3() {
        version3(lpis);
    } else {
        version2();
    }
}

fn bit(intid: u32) -> u32 {
    1 << (intid % 32)
}

/// Group 1, edges, priorities of which the acknowledged interrupt has the highest; enabled.
fn shared(group: u32) {
    write(GICD + 0x80 + WORD, group);
    write(GICD + 0xc00 + 2 * WORD, 0xaaaa_aaaa);
    write(GICD + 0x400 + 40, 0x8080_2080);
    write(GICD + 0x100 + WORD, bit(PENDING) | bit(ACTIVE) | bit(ENABLED));
    write(GICD + 0x200 + WORD, bit(PENDING) | bit(ACTIVE));
}

fn version3(lpis: bool) {
    let (own, count) = (cpus::own(), cpus::count());
    for cpu in 0..count {
        let base = GICR + cpu * GICR_STRIDE;
        write(base + 0x14, 0);
        write(base + 0x1_0080, u32::MAX);
        write(base + 0x1_0100, PPIS | bit(OWN_SGI) | bit(OTHERS_SGI));
        if lpis && read(GICD + 4) >> 17 & 1 != 0 {
            write64(base + 0x70, PROPERTIES | 15);
            write64(base + 0x78, PENDING_TABLES + cpu * 0x1_0000);
            barrier();
            write(base, 1);
        }
    }
    write(GICD, read(GICD) | 2);
    for intid in [PENDING, ACTIVE, ENABLED] {
        write64(GICD + 0x6000 + u64::from(intid) * 8, own);
    }
    write64(GICD + 0x6000 + 43 * 8, 3);
    shared(u32::MAX);
    write(GICR + 2 * GICR_STRIDE + 0x1_0200, bit(OTHERS_SGI));
    msr!("S3_0_C12_C12_5", 7); // ICC_SRE_EL1
    msr!("S3_0_C4_C6_0", 0xff); // ICC_PMR_EL1
    msr!("S3_0_C12_C12_7", 1); // ICC_IGRPEN1_EL1
    msr!("S3_0_C12_C12_3", 3); // ICC_BPR1_EL1
    barrier();
    let _ = mrs!("S3_0_C12_C12_0"); // ICC_IAR1_EL1: it is active from here on
    msr!("S3_0_C12_C11_5", u64::from(OWN_SGI) << 24 | 1 << own);
}

fn version2() {
    write(GICD, 1);
    write(GICC, 1);
    write(GICC + 4, 0xff);
    write(GICC + 8, 3);
    write(GICD + 0x100, PPIS | bit(OWN_SGI));
    write(GICD + 0x800 + 40, 0x0804_0101); // to CPUs 0, 0, 2, 3
    shared(0);
    barrier();
    let _ = read(GICC + 0xc); // GICC_IAR: it is active from here on
    write(GICD + 0xf00, 2 << 24 | OWN_SGI); // GICD_SGIR, to itself
    write(GICD + 0xf00, 1 << (16 + 2) | OTHERS_SGI); // to CPU 2
}
