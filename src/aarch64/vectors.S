// The exception vectors. Ordinary code runs on SP_EL0, so every exception switches to the CPU's
// exception stack by itself: a stack overflow still has a stack to be reported from.
//
// Frame: x0-x30, SP_EL0, ELR, SPSR, ESR, FAR; must agree with exceptions.rs::Frame.

// x0 to x29, in pairs. The alternate mode is for the percent sign: a number, not an expression.
    .altmacro
    .macro  pair how, one, other
    \how    x\one, x\other, [sp, #(\one * 8)]
    .endm
    .macro  pairs how
    .set    register, 0
    .rept   15
    pair    \how, %register, %register+1
    .set    register, register + 2
    .endr
    .endm

    .macro  save
    sub     sp, sp, #(36 * 8)
    pairs   stp
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
    .irp    kind, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    report  \kind                       // from 8 on: lower EL, where nothing of ours runs
    .endr

restore:
    ldp     x8, x9, [sp, #(32 * 8)]
    msr     elr_el1, x8
    msr     spsr_el1, x9
    pairs   ldp
    ldr     x30, [sp, #(30 * 8)]
    add     sp, sp, #(36 * 8)
    eret
    .noaltmacro
