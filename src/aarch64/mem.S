// memcpy, memset and memcmp (bcmp), as the compiler calls them. The ones that come with the compiler
// move 8 bytes at a time; the way to the first CPU_ON is made of moves of whole structures, so these
// move 64. For ordinary memory with the MMU on: single accesses need not be aligned there
// (SCTLR_EL1.A is 0).

// x0: to, x1: from, x2: bytes. Returns x0. The ranges do not overlap.
.section .text.memcpy, "ax"
.global memcpy
.type memcpy, %function
memcpy:
    mov     x3, x0
    subs    x2, x2, #64
    b.lo    2f
1:  ldp     x4, x5, [x1], #16
    ldp     x6, x7, [x1], #16
    ldp     x8, x9, [x1], #16
    ldp     x10, x11, [x1], #16
    stp     x4, x5, [x3], #16
    stp     x6, x7, [x3], #16
    stp     x8, x9, [x3], #16
    stp     x10, x11, [x3], #16
    subs    x2, x2, #64
    b.hs    1b
    // Less than 64 are left, and the low six bits of x2 say how many.
2:  tbz     x2, #5, 3f
    ldp     x4, x5, [x1], #16
    ldp     x6, x7, [x1], #16
    stp     x4, x5, [x3], #16
    stp     x6, x7, [x3], #16
3:  tbz     x2, #4, 4f
    ldp     x4, x5, [x1], #16
    stp     x4, x5, [x3], #16
4:  tbz     x2, #3, 5f
    ldr     x4, [x1], #8
    str     x4, [x3], #8
5:  tbz     x2, #2, 6f
    ldr     w4, [x1], #4
    str     w4, [x3], #4
6:  tbz     x2, #1, 7f
    ldrh    w4, [x1], #2
    strh    w4, [x3], #2
7:  tbz     x2, #0, 8f
    ldrb    w4, [x1]
    strb    w4, [x3]
8:  ret
.size memcpy, . - memcpy

// x0: to, w1: the byte, x2: bytes. Returns x0.
.section .text.memset, "ax"
.global memset
.type memset, %function
memset:
    and     x1, x1, #0xff
    mov     x4, #0x0101010101010101
    mul     x1, x1, x4
    mov     x3, x0
    subs    x2, x2, #64
    b.lo    2f
1:  stp     x1, x1, [x3], #16
    stp     x1, x1, [x3], #16
    stp     x1, x1, [x3], #16
    stp     x1, x1, [x3], #16
    subs    x2, x2, #64
    b.hs    1b
2:  tbz     x2, #5, 3f
    stp     x1, x1, [x3], #16
    stp     x1, x1, [x3], #16
3:  tbz     x2, #4, 4f
    stp     x1, x1, [x3], #16
4:  tbz     x2, #3, 5f
    str     x1, [x3], #8
5:  tbz     x2, #2, 6f
    str     w1, [x3], #4
6:  tbz     x2, #1, 7f
    strh    w1, [x3], #2
7:  tbz     x2, #0, 8f
    strb    w1, [x3]
8:  ret
.size memset, . - memset

// x0, x1: what is compared, x2: bytes. Returns w0: 0, or below or above 0 as the first byte that
// differs is lower or higher in the first.
.section .text.memcmp, "ax"
.global memcmp
.global bcmp
.type memcmp, %function
.type bcmp, %function
memcmp:
bcmp:
    subs    x2, x2, #8
    b.lo    2f
1:  ldr     x3, [x0], #8
    ldr     x4, [x1], #8
    cmp     x3, x4
    b.ne    9f
    subs    x2, x2, #8
    b.hs    1b
2:  tbz     x2, #2, 3f
    ldr     w3, [x0], #4
    ldr     w4, [x1], #4
    cmp     x3, x4
    b.ne    9f
3:  tbz     x2, #1, 4f
    ldrh    w3, [x0], #2
    ldrh    w4, [x1], #2
    cmp     x3, x4
    b.ne    9f
4:  tbz     x2, #0, 5f
    ldrb    w3, [x0]
    ldrb    w4, [x1]
    cmp     x3, x4
    b.ne    9f
5:  mov     w0, #0
    ret
    // The first byte in memory is the lowest of the word: turned around, it decides.
9:  rev     x3, x3
    rev     x4, x4
    cmp     x3, x4
    cset    w0, hi
    csinv   w0, w0, wzr, hs
    ret
.size memcmp, . - memcmp
.size bcmp, . - bcmp
