// The beginning of the stub, and its end.

// `baton image` looks for the mark, and writes behind it where in the file the stub begins.
    .section .head, "ax"
    .global _stub
_stub:
    .ascii  "batonefi"
    .quad   0

// Entered by firmware: x0 = handle of this image, x1 = system table. Adds to each address in the data
// where the stub lies, for it is linked at 0 (all relocations are R_AARCH64_RELATIVE: `baton image`
// sees to that). Then x2 = where the stub lies, x3 = the same as an offset in the file.
    .global efi_entry
efi_entry:
    adr     x2, _stub
    adrp    x4, _relocations_start
    add     x4, x4, :lo12:_relocations_start
    adrp    x5, _relocations_end
    add     x5, x5, :lo12:_relocations_end
1:  cmp     x4, x5
    b.hs    2f
    ldr     x6, [x4], #16               // r_offset; r_info is known
    ldr     x7, [x4], #8                // r_addend
    add     x7, x7, x2
    str     x7, [x2, x6]
    b       1b
2:  ldr     x3, [x2, #8]
    b       efi_main

// Leaves UEFI for the kernel: x0 = entry, x1 = tree. This code has to be mapped at its physical address
// and clean to the PoC, for its instructions are fetched from memory once the MMU is off. The stack is
// not used: nothing may be stored any more.
    .section .text.efi_leave, "ax"
    .balign 128
    .global efi_leave
efi_leave:
    msr     daifset, #0xf
    mov     x9, #5                      // SCTLR.C and SCTLR.M
    mrs     x8, CurrentEL
    tbnz    x8, #3, 1f
    mrs     x8, sctlr_el1
    bic     x8, x8, x9
    msr     sctlr_el1, x8
    b       2f
1:  mrs     x8, sctlr_el2
    bic     x8, x8, x9
    msr     sctlr_el2, x8
2:  isb
    ic      iallu
    dsb     nsh
    isb
    mov     x8, x0
    mov     x0, x1
    mov     x1, xzr
    mov     x2, xzr
    mov     x3, xzr
    br      x8
