// How a kernel is entered from here: with registers that name nothing of this one, and by ERET, so
// that PSTATE is that of a reset whatever it was. Macros, for the jump and for what copies before it.

// At EL1, with this code mapped at its physical address, to where `entry` says; by way of the stub at
// EL2 if `up` is not zero, and then it falls through if the stub is not there. Not x0 to x3, x8.
    .macro  leave entry, tree, up
    write   sctlr_el1, {SCTLR_OFF}
    isb
    ic      iallu
    flush_tlb
    zero    ttbr0_el1, ttbr1_el1, tcr_el1, mair_el1, vbar_el1, tpidr_el1, elr_el1, spsr_el1
    msr     spsel, #1
    msr     sp_el0, xzr
    cbnz    \up, 1f
    write   spsr_el1, 0x3c5             // EL1h, DAIF masked
    msr     elr_el1, \entry
    enter   \tree
1:  mov     x0, #1
    mov     x1, \entry
    mov     x2, \tree
    hvc     #0
    .endm

// At EL2, from the stub. x1 = entry, x2 = device tree.
    .macro  leave_el2
    write   sctlr_el2, {SCTLR_EL2_OFF}
    ic      iallu
    dsb     nsh
    isb
    zero    hcr_el2, vbar_el2
    write   cptr_el2, 0x22ff            // RES1; nothing trapped
    write   spsr_el2, 0x3c9             // EL2h, DAIF masked
    msr     elr_el2, x1
    enter   x2
    .endm

    .macro  enter tree
    mov     x0, \tree
    mov     x1, xzr
    mov     x2, xzr
    mov     x3, xzr
    eret
    .endm
