// How a kernel is entered from here: with registers that name nothing of this one, and by ERET, so
// that PSTATE is that of a reset whatever it was. Macros, for the jump and for what copies before it.

// At EL1, MMU off. Clobbers nothing.
    .macro  forget_el1
    msr     ttbr0_el1, xzr
    msr     ttbr1_el1, xzr
    msr     tcr_el1, xzr
    msr     mair_el1, xzr
    msr     vbar_el1, xzr
    msr     tpidr_el1, xzr
    msr     elr_el1, xzr
    msr     spsr_el1, xzr
    msr     spsel, #1
    msr     sp_el0, xzr
    .endm

// At EL1, after forget_el1. Not x0 to x3, x8.
    .macro  enter_from_el1 entry, tree
    mov     x8, #0x3c5                  // EL1h, DAIF masked
    msr     spsr_el1, x8
    msr     elr_el1, \entry
    mov     x0, \tree
    mov     x1, xzr
    mov     x2, xzr
    mov     x3, xzr
    eret
    .endm

// At EL2, MMU off. x1 = entry, x2 = device tree.
    .macro  enter_from_el2
    msr     hcr_el2, xzr
    msr     vbar_el2, xzr
    mov     x8, #0x22ff                 // CPTR_EL2: RES1; nothing trapped
    msr     cptr_el2, x8
    mov     x8, #0x3c9                  // EL2h, DAIF masked
    msr     spsr_el2, x8
    msr     elr_el2, x1
    mov     x0, x2
    mov     x1, xzr
    mov     x2, xzr
    mov     x3, xzr
    eret
    .endm
