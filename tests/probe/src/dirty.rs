//! Leaves the machine as a sloppy predecessor would, and enters the kernel that lies in RAM.
//!
//! Kept: MMU and data cache off, interrupts masked, little endian, one CPU enters, x0 is the tree and
//! x1 to x3 are zero. Everything else is as inconvenient as the architecture allows.

use core::arch::asm;

use crate::devices::{RTC, VIRTIO, VIRTIO_PLACES, VIRTIO_STRIDE};
use crate::mmio::{read, write, write64};
use crate::registers::{barrier, level};
use crate::uart::UART;
use crate::{cpus, dirty_gic, entry, msr, tree};

/// Where QEMU's `-device loader` puts the kernel to enter.
const KERNEL: u64 = 0x5000_0000;
/// Memory of the queues, 64 KiB for each device; nobody reserves it.
const QUEUES: u64 = 0x6020_0000;
/// The CPU that is left on, and the one that was on and is off again.
const LEFT_ON: u64 = 1;
const WAS_ON: u64 = 2;

/// Does it.
pub fn leave(dtb: u64) -> ! {
    cpus::on(LEFT_ON, entry::idle_address());
    cpus::on_and_off(WAS_ON);
    devices();
    timers();
    monitors();
    debug();
    dirty_gic::leave(tree::asks_for(dtb, b",lpis"));
    el1();
    if level() == 2 {
        el2(tree::asks_for(dtb, b",vhe"));
    }
    barrier();
    // SAFETY: a kernel lies there, by the contract of this mode; it takes the machine as it is.
    unsafe {
        asm!("mov x1, xzr", "mov x2, xzr", "mov x3, xzr", "br {to}", to = in(reg) KERNEL,
            in("x0") dtb, options(noreturn));
    }
}

/// UART with all its interrupts on, an alarm that is about to ring, every virtio device started.
fn devices() {
    write(UART + 0x38, 0x7ff);
    write(RTC + 4, read(RTC) + 1);
    write(RTC + 0x10, 1);
    (0..VIRTIO_PLACES).for_each(start);
}

fn start(place: u64) {
    let base = VIRTIO + place * VIRTIO_STRIDE;
    if read(base + 8) == 0 {
        return;
    }
    let queue = QUEUES + place * 0x1_0000;
    write(base + 0x70, 0);
    write(base + 0x70, 3); // ACKNOWLEDGE, DRIVER
    write(base + 0x30, 0);
    if read(base + 4) == 1 {
        write(base + 0x28, 4096);
        write(base + 0x38, 8);
        write(base + 0x3c, 4096);
        write(base + 0x40, (queue >> 12) as u32);
        write(base + 0x70, 7); // DRIVER_OK
    } else {
        write(base + 0x24, 1); // VERSION_1
        write(base + 0x20, 1);
        write(base + 0x70, 0xb);
        write(base + 0x38, 8);
        write(base + 0x80, queue as u32);
        write(base + 0x90, queue as u32 + 0x1000);
        write(base + 0xa0, queue as u32 + 0x2000);
        write(base + 0x44, 1);
        write(base + 0x70, 0xf);
    }
}

/// Both timers of EL1 have fired and go on saying so.
fn timers() {
    msr!("cntv_cval_el0", 0);
    msr!("cntv_ctl_el0", 1);
    msr!("cntp_cval_el0", 0);
    msr!("cntp_ctl_el0", 1);
}

/// The cycle counter overflows any moment, and interrupts.
fn monitors() {
    msr!("pmccfiltr_el0", 0);
    msr!("pmccntr_el0", u64::MAX - 10_000);
    msr!("pmcntenset_el0", 1 << 31);
    msr!("pmintenset_el1", 1 << 31);
    msr!("pmuserenr_el0", 0xf);
    msr!("pmselr_el0", 0x1f);
    msr!("pmcr_el0", 0x41); // LC, E
}

/// A breakpoint on the entry of the next kernel and a watchpoint, once somebody unmasks PSTATE.D.
fn debug() {
    msr!("oslar_el1", 0);
    msr!("dbgbvr0_el1", KERNEL);
    msr!("dbgbcr0_el1", 0x1e7);
    msr!("dbgwvr0_el1", QUEUES);
    msr!("dbgwcr0_el1", 0x1fff);
    msr!("mdscr_el1", 1 << 15 | 1 << 13); // MDE, KDE
}

/// What EL1 has left: everything that may be on, is.
fn el1() {
    // SA, SA0, nTWI, nTWE, UCI, UCT, DZE, I; pointer authentication; tags, checked.
    let odd = 1 << 3 | 1 << 4 | 1 << 12 | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 18 | 1 << 26;
    let pac = 1 << 31 | 1 << 30 | 1 << 27 | 1 << 13;
    let tags = 1 << 43 | 1 << 42 | 1 << 40 | 1 << 38;
    msr!("sctlr_el1", 0x30d0_0800_u64 | odd | pac | tags);
    msr!("cpacr_el1", 0x0333_0000_u64);
    msr!("S3_0_C1_C2_0", 0xf); // ZCR_EL1
    msr!("S3_0_C1_C0_6", 0x1_ffff); // GCR_EL1
    msr!("S3_0_C5_C6_0", 1); // TFSR_EL1
    msr!("S3_3_C4_C2_7", 1 << 25); // TCO
    msr!("cntkctl_el1", 0x3f7);
    msr!("tpidr_el0", 0xdead_0000_u64);
    msr!("tpidrro_el0", 0xdead_0001_u64);
    msr!("tpidr_el1", 0xdead_0002_u64);
    msr!("contextidr_el1", 0xdead);
    msr!("ttbr0_el1", 0x6000_0000_u64);
    msr!("ttbr1_el1", 0x6000_1000_u64);
}

/// What EL2 has left: a guest that was there, and, with `vhe`, a host that ran here.
fn el2(vhe: bool) {
    msr!("cntvoff_el2", 0x1234_5678_9000_u64);
    msr!("cnthp_cval_el2", 0);
    msr!("cnthp_ctl_el2", 1);
    msr!("vttbr_el2", 0x0007_0000_6000_0000_u64);
    msr!("mdcr_el2", 0xfe0); // traps of debug and monitors, no counter for EL1
    msr!("hstr_el2", 0x8fff);
    msr!("vpidr_el2", 0x1234_5678);
    msr!("vmpidr_el2", 0x8000_0077_u64);
    msr!("tpidr_el2", 0xdead_0003_u64);
    msr!("S3_4_C12_C11_0", 1); // ICH_HCR_EL2.En
    msr!("S3_4_C1_C1_4", u64::MAX >> 1); // HFGRTR_EL2
    msr!("S3_4_C3_C1_4", u64::MAX >> 1); // HDFGRTR_EL2
    // RW, the interrupts and aborts of a guest here, and its second stage on.
    let guest = 1 << 31 | 1 << 5 | 1 << 4 | 1 << 3 | 1 << 1 | 1_u64;
    if vhe {
        msr!("cnthctl_el2", 0); // as a host has it: its layout is another one with E2H
        msr!("S3_4_C14_C3_2", 0); // CNTHV_CVAL_EL2
        msr!("S3_4_C14_C3_1", 1); // CNTHV_CTL_EL2
        msr!("hcr_el2", 1_u64 << 34 | 1 << 27 | 1 << 31);
    } else {
        msr!("cnthctl_el2", 0);
        msr!("cptr_el2", 0xffff_ffff_u64 & !(1 << 31));
        msr!("hcr_el2", guest);
    }
    write64(QUEUES - 0x1000, 0); // memory that is touched with the second stage on
}
