//! The boot record that a secondary CPU reads with its MMU off.

use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::aarch64::percpu::PerCpu;
use crate::cpu::CpuId;

/// One CPU's record, on a cache line of its own: cleaned to the point of coherency by the boot CPU
/// before CPU_ON. `head.S` knows the offsets by [`record_offset`].
#[repr(C, align(64))]
#[derive(Default)]
pub struct Record {
    ttbr0: AtomicU64,
    ttbr1: AtomicU64,
    stack: AtomicU64,
    exception_stack: AtomicU64,
    percpu: AtomicU64,
    /// Where the record is with the MMU on.
    own: AtomicU64,
    cpu: AtomicU64,
    /// Number of the start. The generation needs no word: no kernel jumps while a CPU that it
    /// started may still come.
    token: AtomicU64,
}

/// Offsets for the assembly.
pub mod record_offset {
    use super::{Record, offset_of};

    /// TTBR0, TTBR1.
    pub const TABLES: usize = offset_of!(Record, ttbr0);
    /// Stack, exception stack.
    pub const STACKS: usize = offset_of!(Record, stack);
    /// Per-CPU area, and the record's own address with the MMU on.
    pub const PERCPU: usize = offset_of!(Record, percpu);

    const _: () = assert!(offset_of!(Record, ttbr1) == TABLES + 8);
    const _: () = assert!(offset_of!(Record, exception_stack) == STACKS + 8);
    const _: () = assert!(offset_of!(Record, own) == PERCPU + 8);
    const _: () = assert!(size_of::<Record>() == 64);
}

impl Record {
    /// What a CPU needs to reach Rust.
    ///
    /// # Safety
    /// `tables` are the physical addresses of TTBR0's table, with the entry code at its physical
    /// address, and of TTBR1's, with the kernel. `stacks` are the upper ends of two stacks that are
    /// mapped and `cpu`'s alone until this record is cleared, which is when the CPU is off;
    /// `percpu` is its area, which lives as long as the kernel.
    pub unsafe fn fill(&self, tables: (u64, u64), stacks: (u64, u64), percpu: &PerCpu, cpu: CpuId) {
        self.ttbr0.store(tables.0, Ordering::Relaxed);
        self.ttbr1.store(tables.1, Ordering::Relaxed);
        self.stack.store(stacks.0, Ordering::Relaxed);
        self.exception_stack.store(stacks.1, Ordering::Relaxed);
        self.percpu.store(core::ptr::from_ref(percpu) as u64, Ordering::Relaxed);
        self.own.store(core::ptr::from_ref(self) as u64, Ordering::Relaxed);
        self.cpu.store(cpu.0.into(), Ordering::Relaxed);
    }

    /// True from [`Record::fill`] to [`Record::clear`]: a CPU may be started with this record.
    pub fn is_filled(&self) -> bool {
        self.own.load(Ordering::Relaxed) != 0
    }

    /// No CPU may be started with this record.
    pub fn clear(&self) {
        self.own.store(0, Ordering::Relaxed);
    }

    /// Which start this is.
    pub fn set_token(&self, token: u64) {
        self.token.store(token, Ordering::Relaxed);
    }

    /// Logical number of the CPU.
    pub fn cpu(&self) -> u16 {
        self.cpu.load(Ordering::Relaxed) as u16
    }

    /// Which start this is.
    pub fn token(&self) -> u64 {
        self.token.load(Ordering::Relaxed)
    }
}
