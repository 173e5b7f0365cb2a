// What a CPU does that comes without a kernel: steps as macros, shared with the floor payload
// (tests/floor). The MMU is off, and there is no stack. Besides what is named, the flags may change.

// Calls firmware: by SMC if `smc` is not zero, else by HVC. Firmware changes x0 to x17 at most.
    .macro  firmware smc
    cbnz    \smc, 8f
    hvc     #0
    b       9f
8:  smc     #0
9:
    .endm

// The counter on the axis that the boot CPU reads, whatever a predecessor left in CNTVOFF_EL2.
    .macro  counter to, level
    isb
    mrs     \level, CurrentEL
    cmp     \level, #(2 << 2)
    b.eq    8f
    mrs     \to, cntvct_el0
    b       9f
8:  mrs     \to, cntpct_el0
9:
    .endm

// CPU_OFF. What follows runs only if firmware denies the call.
    .macro  off smc, cpu_off
    ldr     w0, =\cpu_off
    firmware \smc
    .endm
