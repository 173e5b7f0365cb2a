// The entry of both kinds of CPU.
//
// What is true on entry (Documentation/arch/arm64/booting.rst; DEN0022 6.4 for secondaries):
//   x0 = physical address of the device tree, or of this CPU's boot record (secondaries);
//   EL1 or EL2, exceptions masked, MMU off, data cache off for us; the image is clean to the PoC.
// What this establishes before the first Rust instruction:
//   EL1, a small stub left at EL2 if we came from there; MMU and caches on; vectors; stacks; on
//   the boot CPU a zeroed bss. With the MMU off nothing is stored but entries of the first page
//   tables; a secondary stores nothing at all.

    .section .head, "ax"
    .global _start
_start:
    ccmp    x18, #0, #0xd, pl           // code0: "MZ" in a file, and no effect
    b       primary_entry               // code1
    .quad   0                           // text_offset
    .quad   _image_bytes                // image_size, bss and stacks included
    .quad   0xa                         // little endian, 4 KiB pages, anywhere
    .ascii  "batonimg"                  // kexec::BatonMark; `baton image` fills in the next two
    .quad   0, 0
    .ascii  "ARM\x64"
    .long   0                           // `baton image` puts a PE header behind, and its place here

// Sets the MMU's registers and turns it on; falls through with everything else unchanged.
// TTBR0 must map this code at its physical address. Clobbers x8-x10.
    .macro  enable_mmu ttbr0, ttbr1
    write   mair_el1, {MAIR_VALUE}
    ldr     x8, ={TCR_VALUE}
    mrs     x9, id_aa64mmfr0_el1
    and     x9, x9, #0xf                // PARange
    cmp     x9, #5                      // 48 bits: what a 4 KiB granule can use without LPA2
    mov     x10, #5
    csel    x9, x9, x10, lo
    bfi     x8, x9, #32, #3             // TCR.IPS
    msr     tcr_el1, x8
    msr     ttbr0_el1, \ttbr0
    msr     ttbr1_el1, \ttbr1
    isb
    ic      iallu                       // the loader may have left stale lines
    flush_tlb
    write   sctlr_el1, {SCTLR_ON}
    isb
    .endm

// Leaves EL2 for EL1 if we are there. Out: x22 = exception level of entry << 2. Clobbers x8, x9.
// The stub stays behind: see stub_vectors. What a predecessor or a reset may have left in EL2's
// trap controls is cleared, and SCTLR_EL1 is known before the first instruction at EL1.
    .macro  drop_to_el1
    mrs     x22, CurrentEL
    cmp     x22, #(2 << 2)
    b.ne    3f
    adr     x8, stub_vectors
    msr     vbar_el2, x8
    write   sctlr_el2, {SCTLR_EL2_OFF}
    write   hcr_el2, 1<<31              // RW: EL1 is AArch64; nothing trapped, E2H off
    isb                                 // the names of EL1's registers mean EL1's from here on
    write   sctlr_el1, {SCTLR_OFF}
    write   cnthctl_el2, 3              // EL1 may use the physical counter and timer
    zero    cntvoff_el2                 // one time axis for all CPUs and kernels
    zero    cnthp_ctl_el2, cnthp_cval_el2 // EL1 could not turn it off
    zero    tpidr_el2, hstr_el2, vttbr_el2
    write   cptr_el2, 0x33ff            // RES1; SVE trapped, which nothing here uses
    unless  id_aa64mmfr1_el1, 8, 4, 1f  // VHE?
    zero    S3_4_C14_C3_1, S3_4_C14_C3_2 // CNTHV_CTL_EL2, CNTHV_CVAL_EL2
1:  unless  id_aa64pfr1_el1, 9, 3, 1f   // memory tags, 2 or more?
    zero    S3_0_C1_C0_6, S3_0_C1_C0_5  // GCR_EL1, RGSR_EL1
    zero    S3_0_C5_C6_0, S3_0_C5_C6_1, S3_4_C5_C6_0 // TFSR_EL1, TFSRE0_EL1, TFSR_EL2
1:  mrs     x8, midr_el1
    msr     vpidr_el2, x8
    mrs     x8, mpidr_el1
    msr     vmpidr_el2, x8
    mov     x9, xzr
    unless  id_aa64dfr0_el1, 8, 4, 1f   // PMUVer: 0 none, 15 not the architecture's
    cmp     x8, #0xf
    b.eq    1f
    mrs     x9, pmcr_el0
    ubfx    x9, x9, #11, #5             // MDCR_EL2.HPMN = all counters
1:  msr     mdcr_el2, x9
    unless  id_aa64mmfr0_el1, 56, 4, 1f // fine-grained traps?
    zero    S3_4_C1_C1_4, S3_4_C1_C1_5, S3_4_C1_C1_6 // HFGRTR_EL2, HFGWTR_EL2, HFGITR_EL2
    zero    S3_4_C3_C1_4, S3_4_C3_C1_5  // HDFGRTR_EL2, HDFGWTR_EL2
1:  unless  id_aa64mmfr1_el1, 40, 4, 1f // HCRX_EL2?
    zero    S3_4_C1_C2_2
1:  unless  id_aa64pfr0_el1, 24, 4, 1f  // GIC system registers?
    mrs     x8, icc_sre_el2
    orr     x8, x8, #1                  // SRE
    orr     x8, x8, #8                  // Enable
    msr     icc_sre_el2, x8
    isb
    mrs     x8, icc_sre_el2
    tbz     x8, #0, 1f                  // firmware keeps the memory interface
    zero    ich_hcr_el2
1:  write   spsr_el2, 0x3c5             // EL1h, DAIF masked
    adr     x8, 3f
    msr     elr_el2, x8
    eret
3:  write   sctlr_el1, {SCTLR_OFF}
    adr     x8, early_vectors
    msr     vbar_el1, x8
    isb
    .endm

    .section .idmap, "ax"

// Vectors of the stub at EL2. HVC from EL1 with x0 = 1 leaves for the address in x1 with x2 as its
// x0: the way back up for a kexec; with x0 = 2 the vectors at x1 serve from then on, for this image
// will be written over. Anything else stops the CPU where a debugger finds it.
    .balign 2048
stub_vectors:
    slots   8, stub_stop
    .balign 128                         // synchronous, from lower EL, AArch64
    cmp     x0, #2
    b.eq    1f
    cmp     x0, #1
    b.ne    stub_stop
    leave_el2
1:  msr     vbar_el2, x1
    isb
    eret
    slots   7, stub_stop
stub_stop:
    wfi
    b       stub_stop

// The vector of the time before the MMU: nothing can be said yet, so the CPU sleeps with the
// syndrome in x0 and the address in x1.
    .balign 2048
early_vectors:
    .rept   16
    .balign 128
    mrs     x0, esr_el1
    mrs     x1, elr_el1
    b       stub_stop
    .endr

primary_entry:
    mrs     x8, CurrentEL
    tbnz    x8, #3, 1f                  // EL2
    mrs     x21, cntvct_el0             // the first counter read of this kernel
    mov     x26, xzr
    mov     x27, xzr
    b       2f
1:  mrs     x21, cntpct_el0             // CNTVOFF_EL2 may hold anything yet
    mrs     x26, hcr_el2                // what the kernel before left, to be told
    mrs     x27, cnthp_ctl_el2
2:  mov     x20, x0                     // device tree
    drop_to_el1
    bl      first_tables
    adrp    x24, _ttbr0_l0
    adrp    x25, _ttbr1_l0
    adrp    x23, _start                 // physical base; low bits are zero by alignment
    enable_mmu x24, x25
    ldr     x8, =primary_high
    br      x8

// Entries from x13 on for the pages from x12 up to `end`, with the attributes of the run before if
// there are none. Clobbers x14 to x16, x30.
    .macro  run end, attributes
    .ifnb   \attributes
    ldr     x15, =\attributes
    .endif
    adrp    x16, \end
    bl      fill_pages
    .endm

// Writes the first page tables: at its physical address, the code of this section alone (TTBR0); at
// KERNEL_BASE the image, page by page with its permissions, and behind it, read-only, the 2 MiB
// around the start of the device tree (TTBR1). The tables are zero in the file, so these
// entries are all that is stored; the lines are invalidated before (nothing dirty may fall on the
// entries) and after (nothing stale may be found by the walker). Arm ARM D8.17, booting.rst.
// As a guest (HCR_EL2.VM) DC IVAC cleans too. Before the stores it then writes back what the loader
// left dirty, which is the file's zeros; after them the lines are clean, or, where FEAT_S2FWB makes
// these stores cacheable, hold the entries themselves. Either way nothing is lost: doc/caches.md.
first_tables:
    mov     x19, x30
    bl      invalidate_tables
    adrp    x8, _ttbr0_l0
    adrp    x9, _ttbr0_l1
    adrp    x10, _ttbr0_l2
    adrp    x11, _idmap_l3
    adrp    x12, _start
    ubfx    x13, x12, #39, #9           // identity
    orr     x14, x9, #3
    str     x14, [x8, x13, lsl #3]
    ubfx    x13, x12, #30, #9
    orr     x14, x10, #3
    str     x14, [x9, x13, lsl #3]
    ubfx    x13, x12, #21, #9
    orr     x14, x11, #3
    str     x14, [x10, x13, lsl #3]
    mov     x13, x11
    run     _idmap_end, {TEXT_ATTRS}
    adrp    x8, _ttbr1_l0
    adrp    x9, _ttbr1_l1
    adrp    x10, _ttbr1_l2
    adrp    x11, _image_l3
    adrp    x12, _start
    orr     x14, x9, #3                 // KERNEL_BASE: the last entry of level 0, then 0 and 0
    str     x14, [x8, #({IMAGE_ENTRY} * 8)]
    orr     x14, x10, #3
    str     x14, [x9]
    orr     x14, x11, #3
    add     x15, x10, #({SPAN_BLOCKS} * 8)
1:  str     x14, [x10], #8              // a level 3 table for each 2 MiB of the image's span
    add     x14, x14, #4096
    cmp     x10, x15
    b.lo    1b
    ldr     x15, ={DTB_ATTRS}
    and     x14, x20, #~0x1fffff
    orr     x14, x14, x15
    str     x14, [x10]                  // a second block follows if the tree needs it: mmu.rs
    // The image's pages, in runs of one kind.
    mov     x13, x11
    run     _text_end, {TEXT_ATTRS}
    run     _rodata_end, {RODATA_ATTRS}
    run     _boot_guard, {DATA_ATTRS}
    add     x13, x13, #8                // guard page
    add     x12, x12, #4096
    run     _boot_exception_guard
    add     x13, x13, #8                // guard page
    add     x12, x12, #4096
    run     _image_end
    dsb     sy
    mov     x30, x19

invalidate_tables:
    adrp    x9, _tables_start
    adrp    x10, _tables_end
    each_line ivac, x9, x10, x11
    dsb     sy
    ret

fill_pages:
    cmp     x12, x16
    b.hs    1f
    orr     x14, x12, x15
2:  str     x14, [x13], #8
    add     x14, x14, #4096
    add     x12, x12, #4096
    cmp     x12, x16
    b.lo    2b
1:  ret

    .global _secondary_entry
_secondary_entry:
    mov     x20, x0                     // boot record: clean to the PoC, read with the MMU off
    drop_to_el1
    ldp     x24, x25, [x20, #{RECORD_TTBR0}]
    ldp     x26, x27, [x20, #{RECORD_STACKS}]
    ldp     x28, x20, [x20, #{RECORD_PERCPU}]   // per-CPU area; the record's virtual address
    enable_mmu x24, x25
    ldr     x8, =secondary_high
    br      x8

// Leaves this kernel. x0 = entry, x1 = device tree, x2 = nonzero to go back to EL2. Interrupts are
// masked, all other CPUs are off, everything the next kernel reads with caches off is clean.
    .global _jump_idmap
_jump_idmap:
    mov     x9, x0
    mov     x10, x1
    leave   x9, x10, x2
    b       stub_stop

// Where a CPU sleeps for good that firmware did not let go: MMU off, so that nothing but this image
// is needed to keep it here. x0 = where to say so, x1 = what: its last store, and from then on it
// touches no memory but this code.
    .global _park_idmap
_park_idmap:
    msr     daifset, #0xf
    ldr     x8, ={SCTLR_OFF}
    stlr    x1, [x0]                    // for the load-acquire of the mark on the boot CPU
    dsb     sy                          // the store is done before the caches are off
    msr     sctlr_el1, x8
    isb
    b       stub_stop

    .ltorg

    .section .text.head, "ax"
primary_high:
    write   vbar_el1, vectors
    isb
    ldr     x8, =_bss_start
    ldr     x9, =_bss_end
    cmp     x8, x9
    b.hs    2f
1:  stp     xzr, xzr, [x8]              // 64 bytes at once: the linker script aligns both ends
    stp     xzr, xzr, [x8, #16]
    stp     xzr, xzr, [x8, #32]
    stp     xzr, xzr, [x8, #48]
    add     x8, x8, #64
    cmp     x8, x9
    b.lo    1b
2:  msr     tpidr_el1, xzr              // no per-CPU area yet
    ldr     x8, =_boot_exception_stack_top
    mov     sp, x8                      // SP_EL1: exceptions have a stack of their own
    msr     spsel, #0
    ldr     x8, =_boot_stack_top
    mov     sp, x8
    mov     x0, x20                     // device tree
    mov     x1, x21                     // entry time
    lsr     x2, x22, #2                 // exception level of entry
    mov     x3, x23                     // physical base
    mov     x4, x26                     // HCR_EL2, CNTHP_CTL_EL2 of entry
    mov     x5, x27
    mov     x29, xzr
    mov     x30, xzr
    b       {primary_rust}

secondary_high:
    write   vbar_el1, vectors
    isb
    msr     tpidr_el1, x28
    mov     sp, x27
    msr     spsel, #0
    mov     sp, x26
    mov     x0, x20
    lsr     x1, x22, #2
    mov     x29, xzr
    mov     x30, xzr
    b       {secondary_rust}
    .ltorg
