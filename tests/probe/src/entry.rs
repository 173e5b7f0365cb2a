//! Image header, first instructions, and the exceptions of registers that are not there.

use core::arch::global_asm;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::{console, cpus, devices, dirty, gic, registers, tree};

// Boot CPU. True on entry: EL1 or EL2, MMU off, interrupts masked. Established: what the registers of
// the boot protocol held is in the arguments of `primary`; vectors, a zeroed .bss, a stack.
//
// AP. The same, x0 as given to CPU_ON; all APs share one stack: one of them runs at a time.
//
// An exception skips its instruction and is counted, unless it is an abort: that is reported.
global_asm!(
    r#"
    .section .head, "ax"
    .global image_header
image_header:
    b       boot
    .long   0
    .quad   0
    .quad   __image_size
    .quad   0xa
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0

    .macro  install
    adr     x9, vectors
    mrs     x6, CurrentEL
    cmp     x6, #8
    b.eq    1f
    mrs     x7, vbar_el1
    msr     vbar_el1, x9
    b       2f
1:  mrs     x7, vbar_el2
    msr     vbar_el2, x9
2:  isb
    .endm

boot:
    mrs     x4, daif
    mrs     x5, spsel
    msr     spsel, #1
    install
    adrp    x9, __bss_start
    add     x9, x9, :lo12:__bss_start
    adrp    x10, __bss_end
    add     x10, x10, :lo12:__bss_end
3:  cmp     x9, x10
    b.hs    4f
    stp     xzr, xzr, [x9], #16
    b       3b
4:  adrp    x9, __stack_top
    add     x9, x9, :lo12:__stack_top
    mov     sp, x9
    bl      {primary}

    .global ap_entry
ap_entry:
    mrs     x4, daif
    install
    adrp    x9, __ap_stack_top
    add     x9, x9, :lo12:__ap_stack_top
    mov     sp, x9
    mov     x1, x4
    bl      {secondary}

    .global idle_entry
idle_entry:
    wfi
    b       idle_entry

    .macro  by_level
    mrs     x1, CurrentEL
    cmp     x1, #8
    b.eq    6f
    mrs     x0, esr_el1
    mrs     x1, elr_el1
    b       7f
6:  mrs     x0, esr_el2
    mrs     x1, elr_el2
7:
    .endm

    .balign 2048
vectors:
    .rept   4
    .balign 128
    b       fatal
    .endr
    .balign 128
    stp     x0, x1, [sp, #-16]!
    stp     x2, x3, [sp, #-16]!
    b       skip
    .rept   11
    .balign 128
    b       fatal
    .endr
skip:
    by_level
    lsr     x0, x0, #26
    sub     x2, x0, #0x20
    cmp     x2, #6
    b.lo    fatal
    add     x1, x1, #4
    mrs     x2, CurrentEL
    cmp     x2, #8
    b.eq    8f
    msr     elr_el1, x1
    b       9f
8:  msr     elr_el2, x1
9:  adrp    x0, {skipped}
    add     x0, x0, :lo12:{skipped}
    ldr     w1, [x0]
    add     w1, w1, #1
    str     w1, [x0]
    ldp     x2, x3, [sp], #16
    ldp     x0, x1, [sp], #16
    eret
fatal:
    by_level
    b       {fault}
    "#,
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
    cpus::power_off()
}

extern "C" fn fault(esr: u64, elr: u64) -> ! {
    console::item("fault.esr", esr);
    console::item("fault.elr", elr);
    cpus::power_off()
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Text of a panic has addresses in it, which are of the place where the image was linked.
    console::line("probe panic");
    cpus::power_off()
}
