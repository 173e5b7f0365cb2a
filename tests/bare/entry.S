// What the entries of the bare payloads share: the image header, and steps of an entry as macros. A
// macro changes the registers that it is given and no others, so that each payload keeps of the boot
// protocol's registers what it wants, and none executes an instruction for the other's sake.

// The header is that of the arm64 boot protocol (Linux Documentation/arch/arm64/booting.rst):
// text_offset 0. The flags say little endian and 4 KiB pages, and where the image may be.
    .section .head, "ax"
    .global image_header
image_header:
    b       boot
    .long   0
    .quad   0
    .quad   __image_size
    .quad   {flags}
    .quad   0, 0, 0
    .ascii  "ARMd"
    .long   0

// Makes `vectors` those of the level that runs. `found`, if given, gets those that were before.
    .macro  install at, level, found
    adr     \at, vectors
    mrs     \level, CurrentEL
    cmp     \level, #8
    b.eq    1f
    .ifnb   \found
    mrs     \found, vbar_el1
    .endif
    msr     vbar_el1, \at
    b       2f
1:
    .ifnb   \found
    mrs     \found, vbar_el2
    .endif
    msr     vbar_el2, \at
2:  isb
    .endm

    .macro  clear_bss at, end
    adrp    \at, __bss_start
    add     \at, \at, :lo12:__bss_start
    adrp    \end, __bss_end
    add     \end, \end, :lo12:__bss_end
1:  cmp     \at, \end
    b.hs    2f
    stp     xzr, xzr, [\at], #16
    b       1b
2:
    .endm

    .macro  stack top, at
    adrp    \at, \top
    add     \at, \at, :lo12:\top
    mov     sp, \at
    .endm

// Slots of a vector table that all go to one place.
    .macro  slots count, to
    .rept   \count
    .balign 128
    b       \to
    .endr
    .endm

// x0 = syndrome, x1 = address of the exception that was taken; `level` is changed.
    .macro  exception level
    mrs     \level, CurrentEL
    cmp     \level, #8
    b.eq    1f
    mrs     x0, esr_el1
    mrs     x1, elr_el1
    b       2f
1:  mrs     x0, esr_el2
    mrs     x1, elr_el2
2:
    .endm
