//! The interrupt controller, of either version, as it is found. Only registers whose reading changes
//! nothing.

use crate::console::{item, of, run};
use crate::mmio::{read, read64};
use crate::{cpus, mrs};

/// Distributor, of both versions.
pub const GICD: u64 = 0x0800_0000;
/// CPU interface of a GICv2.
pub const GICC: u64 = 0x0801_0000;
/// First redistributor of a GICv3, and from one to the next.
pub const GICR: u64 = 0x080a_0000;
/// See [`GICR`].
pub const GICR_STRIDE: u64 = 0x2_0000;

/// True if the CPU has the register interface, so that this is a GICv3.
pub fn is_v3() -> bool {
    mrs!("id_aa64pfr0_el1").unwrap_or(0) >> 24 & 0xf != 0
}

/// Distributor, redistributors, and the banked registers of this CPU.
pub fn show() {
    let lines = u64::from(read(GICD + 4) & 0x1f);
    distributor(lines);
    if is_v3() {
        run("gicd.irouter", 32, lines * 32, |i| read64(GICD + 0x6000 + i * 8));
        (0..cpus::count()).for_each(redistributor);
    } else {
        run("gicd.itargetsr", 8, lines * 8, |i| word(0x800, i));
        show_banked(cpus::own());
    }
}

fn word(register: u64, i: u64) -> u64 {
    u64::from(read(GICD + register + i * 4))
}

/// The words of shared interrupts; the first words are banked in a GICv2, and nobody's in a GICv3.
fn distributor(lines: u64) {
    item("gicd.ctlr", word(0, 0));
    item("gicd.typer", word(4, 0));
    run("gicd.igroupr", 1, lines, |i| word(0x80, i));
    run("gicd.isenabler", 1, lines, |i| word(0x100, i));
    run("gicd.ispendr", 1, lines, |i| word(0x200, i));
    run("gicd.isactiver", 1, lines, |i| word(0x300, i));
    run("gicd.ipriorityr", 8, lines * 8, |i| word(0x400, i));
    run("gicd.icfgr", 2, lines * 2, |i| word(0xc00, i));
}

fn redistributor(cpu: u64) {
    let base = GICR + cpu * GICR_STRIDE;
    let show = |field, at| of("gicr", cpu, field, u64::from(read(base + at)));
    show(".ctlr", 0);
    show(".waker", 0x14);
    of("gicr", cpu, ".propbaser", read64(base + 0x70));
    of("gicr", cpu, ".pendbaser", read64(base + 0x78));
    show(".igroupr0", 0x1_0080);
    show(".isenabler0", 0x1_0100);
    show(".ispendr0", 0x1_0200);
    show(".isactiver0", 0x1_0300);
    show(".ipriorityr0", 0x1_0400);
    show(".ipriorityr1", 0x1_0404);
    show(".ipriorityr2", 0x1_0408);
    show(".ipriorityr3", 0x1_040c);
    show(".ipriorityr4", 0x1_0410);
    show(".ipriorityr5", 0x1_0414);
    show(".ipriorityr6", 0x1_0418);
    show(".ipriorityr7", 0x1_041c);
    show(".icfgr0", 0x1_0c00);
    show(".icfgr1", 0x1_0c04);
}

/// What each CPU of a GICv2 has of its own; only that CPU can see it.
pub fn show_banked(cpu: u64) {
    let show = |field, at| of("gicc", cpu, field, u64::from(read(at)));
    show(".ctlr", GICC);
    show(".pmr", GICC + 4);
    show(".bpr", GICC + 8);
    show(".rpr", GICC + 0x14);
    show(".hppir", GICC + 0x18);
    show(".apr0", GICC + 0xd0);
    show(".igroupr0", GICD + 0x80);
    show(".isenabler0", GICD + 0x100);
    show(".ispendr0", GICD + 0x200);
    show(".isactiver0", GICD + 0x300);
    show(".ipriorityr0", GICD + 0x400);
    show(".ipriorityr5", GICD + 0x414);
    show(".ipriorityr6", GICD + 0x418);
    show(".ipriorityr7", GICD + 0x41c);
    show(".icfgr1", GICD + 0xc04);
    show(".spendsgir0", GICD + 0xf20);
}
