//! Limits and deadlines, in one place and tied together by const assertions.

/// CPUs that one kernel can drive: the limit of QEMU's `virt` with GICv3. The feature `many` is for the
/// simulated machine.
pub const MAX_CPUS: usize = if cfg!(feature = "many") { 4096 } else { 512 };

/// Bytes of a page (4 KiB granule).
pub const PAGE: u64 = 4096;

/// Alignment of a kernel image (arm64 boot protocol, `Documentation/arch/arm64/booting.rst`).
pub const IMAGE_ALIGN: u64 = 2 << 20;

/// Virtual address at which physical address 0 is mapped: the first that TTBR1 translates with 48
/// bits. RAM and devices are reached through this linear map.
pub const LINEAR_BASE: u64 = 0xffff_0000_0000_0000;

/// Virtual address at which the image is linked: the last 512 GiB, which one entry of the level 0
/// table maps. The linear map ends here.
pub const KERNEL_BASE: u64 = 0xffff_ff80_0000_0000;

/// First physical address that the linear map does not reach.
pub const PHYSICAL_END: u64 = KERNEL_BASE - LINEAR_BASE;

/// Most bytes from the image's base to its end, bss included. A level 3 table maps each
/// [`IMAGE_ALIGN`] of them; the device tree is mapped behind. `build.rs` hands this constant, the
/// base and the sizes of the stacks to the linker script. The feature `wide` is for a test.
pub const IMAGE_SPAN: u64 = if cfg!(feature = "wide") { 8 << 20 } else { 4 << 20 };

/// Bytes for the code that copies a kernel in the jump: a page of code, a page of orders, and page
/// tables for three ranges of any size below 256 TiB and two pages.
pub const COPIER_BYTES: u64 = 256 << 10;

/// Largest device tree that the boot protocol allows.
pub const MAX_DTB: usize = 2 << 20;

/// Bytes of a secondary CPU's stack for ordinary code (SP_EL0).
pub const STACK_BYTES: u64 = 32 << 10;

/// Bytes of the boot CPU's stack: it also edits trees, node by node down to the deepest.
pub const BOOT_STACK_BYTES: u64 = 128 << 10;

/// Nodes of a device tree that are noted in its first walk, on the boot CPU's first stack; a tree of
/// more nodes is gone through once more.
pub const EARLY_NODES: usize = 1536;

/// Bytes of a CPU's stack for exceptions and interrupts (SP_EL1).
pub const EXCEPTION_STACK_BYTES: u64 = 16 << 10;

/// How long a phase of a bring-up or teardown may take before the missing CPUs are named.
pub const TIMEOUT_MS: u64 = 30_000;

/// Places for virtio devices that are looked at: what QEMU's `virt` has.
pub const MAX_VIRTIO: usize = 32;

/// How long requests in flight may take to come back before the jump, and then the reset of their
/// device.
pub const DEVICE_DRAIN_MS: u64 = 100;

/// Longest command line that a kernel is given (Linux's COMMAND_LINE_SIZE on arm64).
pub const MAX_BOOTARGS: usize = 2048;

/// Longest command line that is read at boot. The words of a longer one that were read count, and
/// the options for security are taken for the strictest. Every word may cost a warning of its own,
/// and the smallest heap has room for those of this many bytes.
pub const MAX_BOOTARGS_READ: usize = 16 << 10;

/// Longest script of console commands that crosses a kexec: every `run=` of a command line that is
/// handed on fits.
pub const MAX_SCRIPT: usize = 2048;

/// Things that were typed and can wait for the console to read them.
pub const MAX_TYPED: usize = 1024;

/// Longest line of the console, in bytes: room for the longest command line behind `--append`.
pub const MAX_LINE: usize = MAX_BOOTARGS + 512;

/// Most bytes of a handover region: that of [`MAX_CPUS`] CPUs, and some.
pub const MAX_HANDOVER: u64 = (MAX_CPUS as u64) << 13;

/// Trace events kept per CPU and kernel.
pub const TRACE_EVENTS: usize = 128;

/// Trace events kept of the boot CPU: in serial mode, the boot CPU records its phases, and the
/// steps done once for all CPUs, anew for each CPU. Whether that fits is asserted where the steps
/// are, in `hotplug::steps`.
pub const BOOT_TRACE_EVENTS: usize = MAX_CPUS * 32;

const _: () = {
    assert!(IMAGE_SPAN.is_multiple_of(IMAGE_ALIGN));
    // One entry of a level 0 table maps this much: image and linear map share none.
    assert!(KERNEL_BASE.is_multiple_of(512 << 30) && LINEAR_BASE.is_multiple_of(512 << 30));
    assert!(BOOT_STACK_BYTES.is_multiple_of(PAGE));
    assert!(STACK_BYTES.is_multiple_of(PAGE) && EXCEPTION_STACK_BYTES.is_multiple_of(PAGE));
    assert!(TRACE_EVENTS.is_power_of_two() && BOOT_TRACE_EVENTS.is_power_of_two());
    assert!(MAX_CPUS.is_multiple_of(64));
    // A `run=` that is taken at boot can also cross a jump.
    assert!(MAX_SCRIPT >= MAX_BOOTARGS);
};
