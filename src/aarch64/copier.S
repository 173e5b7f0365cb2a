// Copies the next kernel to its place in the jump, and enters it. Position independent: it is copied
// to a page of its own, outside of everything that is written, and runs there at its physical
// address, MMU and caches on, with page tables from beside it. One page: code, and at 2 KiB vectors
// that serve EL1 and EL2 alike.
//
// x0 = what is to be done, see copier.rs: from, to, bytes, entry, device tree, EL2?, time's address.

    .section .rodata.copier, "a"
    .balign 4096
    .global _copier_start
_copier_start:
    mov     x19, x0
    adr     x8, copier_vectors          // nothing of the old kernel may be needed from here on
    msr     vbar_el1, x8
    mrs     x8, tcr_el1
    orr     x8, x8, #(1 << 23)          // EPD1: the upper half is gone
    msr     tcr_el1, x8
    isb
    flush_tlb
    ldp     x0, x1, [x19]               // from, to
    ldr     x2, [x19, #16]              // bytes, a multiple of 64
    add     x3, x1, x2
    mov     x4, x1
1:  ldp     x8, x9, [x0], #64
    ldp     x10, x11, [x0, #-48]
    ldp     x12, x13, [x0, #-32]
    ldp     x14, x15, [x0, #-16]
    stp     x8, x9, [x4], #64
    stp     x10, x11, [x4, #-48]
    stp     x12, x13, [x4, #-32]
    stp     x14, x15, [x4, #-16]
    cmp     x4, x3
    b.lo    1b
    each_line civac, x1, x3, x9         // the next kernel reads it with its MMU off (cache.rs)
    ldr     x4, [x19, #48]
    isb
    mrs     x8, cntvct_el0
    str     x8, [x4]                    // when the copy was done
    dc      civac, x4
    ldp     x20, x21, [x19, #24]        // entry, device tree
    ldr     x22, [x19, #40]             // from EL2?
    dsb     sy                          // the cleaning is done before the MMU is off
    leave   x20, x21, x22
copier_stop:
    wfi
    b       copier_stop

    .balign 2048
copier_vectors:
    slots   8, copier_stop
    .balign 128                         // synchronous, from lower EL, AArch64: as in head.S
    leave_el2
    slots   7, copier_stop
    .ltorg                              // in the page too
    .balign 128
    .global _copier_end
_copier_end:

// Goes there. x0 = the copier's page, x1 = what is to be done, x2 = its page tables, x3 = nonzero if
// the stub at EL2 has to make way too. Runs in the upper half, stores nothing.
//
// Old and new tables map the same addresses by entries of different sizes, and two such entries must
// not be in the TLB at once (Arm ARM D8.16.1): walks of the lower half are off (EPD0) from before the
// old entries go until the new tables are in place. The page was written as data and cleaned to the
// point of coherency (copier.rs): IC IALLU is the other half of that, before it is executed.
    .section .text.copier, "ax"
    .global _enter_copier
_enter_copier:
    mov     x19, x0
    mov     x20, x1
    mov     x21, x2
    cbz     x3, 1f
    mov     x0, #2
    add     x1, x19, #2048
    hvc     #0
1:  mrs     x8, tcr_el1
    orr     x9, x8, #(1 << 7)           // EPD0
    msr     tcr_el1, x9
    isb
    flush_tlb
    msr     ttbr0_el1, x21
    isb                                 // the tables are there before walks are
    msr     tcr_el1, x8
    isb
    ic      iallu
    flush_tlb                           // nothing remembers EPD0
    mov     x0, x20
    br      x19
