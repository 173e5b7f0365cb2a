// The exception vectors. Ordinary code runs on SP_EL0, so every exception switches to the CPU's
// exception stack by itself: a stack overflow still has a stack to be reported from.
//
// Frame: x0-x30, SP_EL0, ELR, SPSR, ESR, FAR; must agree with exceptions.rs::Frame.

    .macro  save
    sub     sp, sp, #(36 * 8)
    stp     x0, x1, [sp, #(0 * 8)]
    stp     x2, x3, [sp, #(2 * 8)]
    stp     x4, x5, [sp, #(4 * 8)]
    stp     x6, x7, [sp, #(6 * 8)]
    stp     x8, x9, [sp, #(8 * 8)]
    stp     x10, x11, [sp, #(10 * 8)]
    stp     x12, x13, [sp, #(12 * 8)]
    stp     x14, x15, [sp, #(14 * 8)]
    stp     x16, x17, [sp, #(16 * 8)]
    stp     x18, x19, [sp, #(18 * 8)]
    stp     x20, x21, [sp, #(20 * 8)]
    stp     x22, x23, [sp, #(22 * 8)]
    stp     x24, x25, [sp, #(24 * 8)]
    stp     x26, x27, [sp, #(26 * 8)]
    stp     x28, x29, [sp, #(28 * 8)]
    mrs     x8, sp_el0
    stp     x30, x8, [sp, #(30 * 8)]
    mrs     x8, elr_el1
    mrs     x9, spsr_el1
    stp     x8, x9, [sp, #(32 * 8)]
    mrs     x8, esr_el1
    mrs     x9, far_el1
    stp     x8, x9, [sp, #(34 * 8)]
    .endm

    .macro  report kind
    .balign 128
    save
    mov     x0, sp
    mov     x1, #\kind
    b       {exception_rust}
    .endm

// Goes back if the access that raised it was emulated.
    .macro  synchronous kind
    .balign 128
    save
    mov     x0, sp
    mov     x1, #\kind
    bl      {synchronous_rust}
    b       restore
    .endm

    .section .text.vectors, "ax"
    .balign 2048
    .global vectors
vectors:
    synchronous 0                       // current EL, SP_EL0
    .balign 128                         // current EL, SP_EL0: IRQ
    save
    bl      {irq_rust}
    b       restore
    report  2                           // FIQ
    report  3                           // SError
    synchronous 4                       // current EL, SP_ELx: an exception inside a handler
    report  5
    report  6
    report  7
    report  8                           // lower EL: nothing of ours runs there
    report  9
    report  10
    report  11
    report  12
    report  13
    report  14
    report  15

restore:
    ldp     x8, x9, [sp, #(32 * 8)]
    msr     elr_el1, x8
    msr     spsr_el1, x9
    ldp     x0, x1, [sp, #(0 * 8)]
    ldp     x2, x3, [sp, #(2 * 8)]
    ldp     x4, x5, [sp, #(4 * 8)]
    ldp     x6, x7, [sp, #(6 * 8)]
    ldp     x8, x9, [sp, #(8 * 8)]
    ldp     x10, x11, [sp, #(10 * 8)]
    ldp     x12, x13, [sp, #(12 * 8)]
    ldp     x14, x15, [sp, #(14 * 8)]
    ldp     x16, x17, [sp, #(16 * 8)]
    ldp     x18, x19, [sp, #(18 * 8)]
    ldp     x20, x21, [sp, #(20 * 8)]
    ldp     x22, x23, [sp, #(22 * 8)]
    ldp     x24, x25, [sp, #(24 * 8)]
    ldp     x26, x27, [sp, #(26 * 8)]
    ldp     x28, x29, [sp, #(28 * 8)]
    ldr     x30, [sp, #(30 * 8)]
    add     sp, sp, #(36 * 8)
    eret
