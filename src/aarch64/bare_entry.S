// The whole life of a CPU without a kernel. On entry: x0 = physical address of its words
// (bare::Slot); EL1 or EL2, exceptions masked, MMU and caches off. Stores go to the point of
// coherency; the boot CPU drops its lines before it looks. A DSB completes each store before the
// event that tells of it.
    .section .text.bare_entry, "ax"
    .global _bare_entry
_bare_entry:
    counter x2, x1
    ldr     x20, [x0, #{SLOT_ORDER}]
    mov     x19, x0
    str     x2, [x19, #{SLOT_FIRST}]
    dsb     sy
    sev
1:  ldr     x1, [x20, #{ORDER_GO}]
    cbnz    x1, 2f
    wfe                                 // the boot CPU sends an event when it says go
    b       1b
2:  ldr     x21, [x20, #{ORDER_SMC}]
    counter x2, x1
    str     x2, [x19, #{SLOT_LEAVING}]
    dsb     sy
    off     x21, {CPU_OFF}
    str     x0, [x19, #{SLOT_CODE}]
    dsb     sy
    mov     x1, #1
    str     x1, [x19, #{SLOT_DENIED}]   // its last store
    dsb     sy
    sev
3:  wfi
    b       3b
    .ltorg
