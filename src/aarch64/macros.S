// Steps that occur in more than one place. Besides what is named, the flags may change.

// A constant or an address into a system register. Clobbers x8.
    .macro  write register, value
    ldr     x8, =\value
    msr     \register, x8
    .endm

    .macro  zero registers:vararg
    .irp    register, \registers
    msr     \register, xzr
    .endr
    .endm

// Goes to `label` if that field of an ID register is 0. Out: x8 = the field.
    .macro  unless register, at, bits, label
    mrs     x8, \register
    ubfx    x8, x8, #\at, #\bits
    cbz     x8, \label
    .endm

    .macro  flush_tlb
    tlbi    vmalle1                     // local: broadcast is dear when many CPUs are configured
    dsb     nsh
    isb
    .endm

// DC on every line from `at` up to `end`. Clobbers x8, `at`, `line`.
    .macro  each_line operation, at, end, line
    mrs     x8, ctr_el0
    ubfx    x8, x8, #16, #4             // DminLine, log2 of words
    mov     \line, #4
    lsl     \line, \line, x8
9:  dc      \operation, \at
    add     \at, \at, \line
    cmp     \at, \end
    b.lo    9b
    .endm

// Slots of a vector table that all go to one place.
    .macro  slots count, to
    .rept   \count
    .balign 128
    b       \to
    .endr
    .endm
