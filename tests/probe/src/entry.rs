//! First instructions, and the exceptions of registers that are not there.

use core::arch::global_asm;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::{console, cpus, devices, dirty, gic, psci, registers, tree};

// Boot CPU. True on entry: EL1 or EL2, MMU off, interrupts masked. Established: what the registers of
// the boot protocol held is in the arguments of `primary`; vectors, a zeroed .bss, a stack.
//
// AP. The same, x0 as given to CPU_ON; all APs share one stack: one of them runs at a time.
//
// An exception skips its instruction and is counted, unless it is an abort: that is reported.
global_asm!(
    include_str!("../../bare/entry.S"),
    r#"
boot:
    mrs     x4, daif
    mrs     x5, spsel
    msr     spsel, #1
    install x9, x6, x7
    clear_bss x9, x10
    stack   __stack_top, x9
    bl      {primary}

    .global ap_entry
ap_entry:
    mrs     x1, daif
    install x9, x10
    stack   __ap_stack_top, x9
    bl      {secondary}

    .global idle_entry
idle_entry:
    wfi
    b       idle_entry

    .balign 2048
vectors:
    slots   4, fatal
    .balign 128
    stp     x0, x1, [sp, #-16]!
    stp     x2, x3, [sp, #-16]!
    b       skip
    slots   11, fatal
skip:
    exception x2
    lsr     x0, x0, #26
    sub     x2, x0, #0x20
    cmp     x2, #6
    b.lo    fatal
    add     x1, x1, #4
    mrs     x2, CurrentEL
    cmp     x2, #8
    b.eq    1f
    msr     elr_el1, x1
    b       2f
1:  msr     elr_el2, x1
2:  adrp    x0, {skipped}
    add     x0, x0, :lo12:{skipped}
    ldr     w1, [x0]
    add     w1, w1, #1
    str     w1, [x0]
    ldp     x2, x3, [sp], #16
    ldp     x0, x1, [sp], #16
    eret
fatal:
    exception x2
    b       {fault}
    "#,
    flags = const 0xa, // anywhere
    primary = sym primary,
    secondary = sym cpus::secondary,
    skipped = sym SKIPPED,
    fault = sym fault,
);

unsafe extern "C" {
    /// Where CPU_ON sends an AP that reports.
    safe fn ap_entry();
    /// Where CPU_ON sends an AP that sleeps for ever.
    safe fn idle_entry();
}

/// Instructions skipped since somebody looked.
static SKIPPED: AtomicU32 = AtomicU32::new(0);

/// True if an instruction was skipped since the last call.
pub fn skipped() -> bool {
    let skipped = SKIPPED.load(Relaxed) != 0;
    SKIPPED.store(0, Relaxed);
    skipped
}

/// Physical address of an AP's first instruction.
pub fn ap_address() -> u64 {
    ap_entry as *const () as u64
}

/// Physical address of the loop for a CPU that is left on.
pub fn idle_address() -> u64 {
    idle_entry as *const () as u64
}

#[allow(clippy::too_many_arguments)] // each is a register of the boot protocol
extern "C" fn primary(
    dtb: u64,
    x1: u64,
    x2: u64,
    x3: u64,
    daif: u64,
    spsel: u64,
    level: u64,
    vbar: u64,
) -> ! {
    if tree::asks_for(dtb, b"probe=dirty") {
        dirty::leave(dtb);
    }
    let uart = devices::look_at_uart(); // before anything is printed
    console::item("x1", x1);
    console::item("x2", x2);
    console::item("x3", x3);
    console::item("daif", daif);
    console::item("spsel", spsel);
    console::item("level", level >> 2 & 3);
    console::item("vbar", vbar);
    registers::show();
    gic::show();
    devices::show_uart(&uart);
    devices::show();
    cpus::show();
    console::line("probe end");
    psci::power_off()
}

extern "C" fn fault(esr: u64, elr: u64) -> ! {
    console::item("fault.esr", esr);
    console::item("fault.elr", elr);
    psci::power_off()
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Text of a panic has addresses in it, which are of the place where the image was linked.
    console::line("probe panic");
    psci::power_off()
}
