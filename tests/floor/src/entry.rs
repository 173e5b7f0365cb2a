//! The first instructions of the boot CPU, and the whole life of an AP.

use core::arch::global_asm;
use core::mem::offset_of;

use smccc::psci::{PSCI_CPU_OFF, PSCI_CPU_ON_64};

use crate::gic::{GICR_ICPENDR0, GICR_WAKER};
use crate::watch::{ALIVE, LEAVING, Slot, WATCH, Watch};
use crate::{report, rounds};

// Boot CPU. True on entry: EL1 or EL2, MMU off, interrupts masked, loaded at the link address
// (QEMU virt does that). Established: vectors that report a fault, a zeroed .bss, a stack.
//
// AP. True on entry: x0 is its `Slot`, same EL as the boot CPU, MMU off, interrupts masked. First
// it makes the kicks that its slot names; a CPU whose kick is refused is missed by the boot CPU. The
// barrier between its state and the look at the watch pairs with the one in `Watch::wait`: either
// the AP sees that it is watched, or the boot CPU sees the new state. Interrupts stay masked: a
// pending SGI ends WFI all the same. Should CPU_OFF come back, the CPU interface is closed, or else the
// SGI that is still pending would keep the AP running. An AP that is given a redistributor frame puts
// that to sleep before CPU_OFF, and waits until its ChildrenAsleep (bit 2) says so; the boot CPU's
// deadline bounds that.
global_asm!(
    include_str!("../../bare/entry.S"),
    include_str!("../../../src/aarch64/bare.S"),
    r#"
boot:
    install x1, x2
    clear_bss x1, x2
    stack   __stack_top, x1
    bl      {primary}

    .balign 2048
vectors:
    slots   16, fatal
fatal:
    exception x2
    b       {fault}

// Firmware is called by SMC at EL2, by HVC at EL1.
    .macro  psci
    mrs     x4, CurrentEL
    and     x4, x4, #(2 << 2)
    firmware x4
    .endm

    .macro  say state
    mov     w1, #\state
    str     w1, [x19, #{state}]
    dmb     sy
    ldr     x1, [x20, #{slot}]
    cmp     x1, x19
    b.ne    7f
    ldr     x1, [x20, #{sgi}]
    msr     icc_sgi1r_el1, x1
7:
    .endm

    .global ap_entry
ap_entry:
    mov     x19, x0
    adrp    x20, {watch}
    add     x20, x20, :lo12:{watch}
    ldp     x21, x22, [x19, #{kicks}]
1:  cmp     x21, x22
    b.eq    2f
    ldr     w0, ={cpu_on}
    ldp     x1, x3, [x21], #16
    adr     x2, ap_entry
    psci
    b       1b
2:  say     {alive}
    mov     x1, #0xff
    msr     icc_pmr_el1, x1
    mov     x1, #1
    msr     icc_igrpen1_el1, x1
    isb
3:  ldr     w1, [x19, #{leave}]
    cbnz    w1, 4f
    wfi
    b       3b
4:  say     {leaving}
    ldr     x2, [x19, #{frame}]
    cbz     x2, 6f
    msr     icc_igrpen1_el1, xzr
    isb
    dsb     sy
    mov     w1, #-1
    ldr     w3, ={icpendr0}
    str     w1, [x2, x3]
    mov     w1, #2
    str     w1, [x2, #{waker}]
5:  ldr     w1, [x2, #{waker}]
    tbz     w1, #2, 5b
6:  mrs     x4, CurrentEL
    and     x4, x4, #(2 << 2)
    off     x4, {cpu_off}
    msr     icc_igrpen1_el1, xzr
7:  wfi
    b       7b
    .ltorg
    "#,
    flags = const 2, // as near to the start of RAM as can be
    primary = sym primary,
    fault = sym fault,
    watch = sym WATCH,
    alive = const ALIVE,
    leaving = const LEAVING,
    cpu_off = const PSCI_CPU_OFF,
    cpu_on = const PSCI_CPU_ON_64,
    kicks = const offset_of!(Slot, kicks),
    state = const offset_of!(Slot, state),
    leave = const offset_of!(Slot, leave),
    frame = const offset_of!(Slot, frame),
    waker = const GICR_WAKER,
    icpendr0 = const GICR_ICPENDR0,
    slot = const offset_of!(Watch, slot),
    sgi = const offset_of!(Watch, sgi),
);

unsafe extern "C" {
    /// Where CPU_ON sends an AP; never called from Rust.
    safe fn ap_entry();
}

/// The physical address of an AP's first instruction (the MMU is off).
pub fn ap_address() -> u64 {
    ap_entry as *const () as u64
}

extern "C" fn primary() -> ! {
    report::enable();
    if let Err(error) = rounds::run() {
        report::error(&error);
    }
    crate::psci::power_off()
}

extern "C" fn fault(esr: u64, elr: u64) -> ! {
    report::error(&format_args!("exception: ESR {esr:#x}, ELR {elr:#x}"));
    crate::psci::power_off()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    report::error(&info.message());
    crate::psci::power_off()
}
