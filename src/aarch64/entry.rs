//! From assembly to the first line of logic.
//!
//! # The boot CPU
//!
//! 1. `_start` reads the counter: the entry time that all phases are measured from.
//! 2. `drop_to_el1` leaves EL2, with a stub behind, if the kernel was entered there. First, because
//!    everything below uses the registers of EL1.
//! 3. `first_tables` writes the first page tables, with the MMU off. The tables hold the image and
//!    2 MiB at the device tree. These entries are the only stores with the MMU off, and their lines
//!    are invalidated before and after.
//! 4. `enable_mmu` turns MMU and caches on, before any other store.
//! 5. `primary_high`, in the upper half: vectors, so that a fault is reported; bss; stacks.
//! 6. [`primary_rust`] goes through the stages of [`boot`](super::boot), and calls
//!    [`kernel::primary`], the first line of logic.
//!
//! Nothing else runs on the machine as far as this kernel knows: what the boot CPU writes before
//! the first CPU_ON needs no atomics, and statics of that time are relaxed. A secondary CPU sees it
//! because its boot record is cleaned, with a DSB, before CPU_ON.
//!
//! # A secondary CPU
//!
//! `_secondary_entry` drops to EL1, loads tables, stacks and per-CPU area from its boot record,
//! turns the MMU on with the kernel's tables, and sets vectors, TPIDR_EL1 and stacks.
//! [`secondary_rust`] unmasks SErrors and calls
//! [`Hotplug::secondary`](crate::hotplug::Hotplug::secondary). With the MMU off such a CPU stores
//! nothing: a store would go past the caches, and a dirty line of the boot CPU could overwrite it.
//!
//! # What both kinds find
//!
//! TTBR0 has the identity page, TTBR1 the linear map and the image. A secondary CPU enters with the
//! same tables as the boot CPU, complete: it never sees the first tables alone. Interrupts stay
//! masked until the handlers' state is there: on the boot CPU until the board is published, on a
//! secondary CPU until its step `work:online`.

use core::arch::global_asm;

use aarch64_cpu::registers::{MPIDR_EL1, Readable};

use super::board::{self, Record, record_offset};
use super::boot::{Entry, Found};
use super::inherited::AtEntry;
use super::{copier, jump, layout, psci, regs};
use crate::cpu::Mpidr;
use crate::hotplug::ap;
use crate::kernel::{self, Next};
use crate::shell;

global_asm!(
    include_str!("macros.S"), // of the three others
    include_str!("leave.S"),  // macros of the two others
    include_str!("copier.S"),
    include_str!("head.S"),
    MAIR_VALUE = const regs::MAIR_VALUE,
    TCR_VALUE = const regs::TCR_VALUE,
    SCTLR_ON = const regs::SCTLR_ON,
    SCTLR_OFF = const regs::SCTLR_OFF,
    SCTLR_EL2_OFF = const regs::SCTLR_EL2_OFF,
    DTB_ATTRS = const regs::DTB_ATTRS,
    SPAN_BLOCKS = const layout::SPAN_BLOCKS,
    IMAGE_ENTRY = const layout::IMAGE_ENTRY,
    TEXT_ATTRS = const regs::TEXT_ATTRS,
    RODATA_ATTRS = const regs::RODATA_ATTRS,
    DATA_ATTRS = const regs::DATA_ATTRS,
    RECORD_TTBR0 = const record_offset::TABLES,
    RECORD_STACKS = const record_offset::STACKS,
    RECORD_PERCPU = const record_offset::PERCPU,
    primary_rust = sym primary_rust,
    secondary_rust = sym secondary_rust,
);

/// The affinity of the CPU that runs.
pub fn this_mpidr() -> Mpidr {
    Mpidr::from_register(MPIDR_EL1.get())
}

/// The boot CPU, from `head.S`: MMU on with the first tables, bss zero, interrupts masked.
extern "C" fn primary_rust(
    dtb: u64,
    entry_at: u64,
    entry_level: u64,
    base: u64,
    hcr_el2: u64,
    cnthp_ctl_el2: u64,
) -> ! {
    let level = entry_level as u32;
    psci::entered_at(level);
    let registers = AtEntry { hcr_el2, cnthp_ctl_el2 };
    // SAFETY: `head.S` has mapped the image from there.
    unsafe { layout::set_base(base) };
    let entry = Entry { dtb, at: entry_at, level, registers };
    // Each stage consumes the one before. `boot` is for logic, `board` for the drivers behind the
    // seam; from here on the board is never moved or freed.
    let (boot, board) = Found::find(entry).lay_out().map().board();
    let mut kernel = kernel::primary(board, boot, &board::publish_cpus);
    let next = shell::serve(&mut kernel);
    core::mem::forget(kernel); // after a jump is decided nothing is tidied up
    finish(next, level)
}

/// Carries out what logic has decided, on the boot CPU. Does not return: after a jump this kernel's
/// memory belongs to the next one, and a firmware call that returns has failed.
fn finish(next: Next, entry_level: u32) -> ! {
    match next {
        Next::Jump(next) => match next.copier() {
            // SAFETY: a departure is made only of a kernel that was loaded, with its copier
            // prepared, and becomes what is next only after all else has been quiesced.
            Some(work) => unsafe { copier::jump(work, entry_level) },
            // SAFETY: as above; the segments were cleaned when they were written.
            None => unsafe { jump::jump(next.entry(), next.dtb(), entry_level) },
        },
        Next::PowerOff => panic!("SYSTEM_OFF: {}", psci::system_off()),
        Next::Reset => panic!("SYSTEM_RESET: {}", psci::system_reset()),
    }
}

/// A secondary CPU, from `head.S`: MMU on with the kernel's tables, own stacks and per-CPU area,
/// interrupts masked.
extern "C" fn secondary_rust(record: &'static Record, entry_level: u64) -> ! {
    let (board, hotplug) = board::shared().expect("published before any CPU_ON");
    let me = &board.areas[usize::from(record.cpu())];
    // The step `cpu:check` compares the level with the boot CPU's.
    me.set_entry_level(entry_level);
    regs::serror_enable();
    let start = record.token() as u32;
    let next = hotplug.secondary(board, me.cpu, start);
    if next == ap::ApNext::Off {
        psci::cpu_off(); // returns only if firmware denies CPU_OFF
    }
    // CPU_OFF was denied, or counts as denied: the mark QUARANTINED is this CPU's last store.
    jump::park(hotplug.off_denied(board, me.cpu, start))
}
