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
//! 6. [`primary_rust`] starts the early heap, since the next steps allocate.
//! 7. [`inherited::look`], then [`inherited::reset`]: what the previous kernel left has to be read
//!    before it is cleared.
//! 8. [`prepare`] reads the device tree: no RAM and no device is known before.
//! 9. The memory map, then the tables of the lower half: RAM, devices, console.
//! 10. LPIs off. Needs the mapped redistributors, and comes before any write to claimed memory: if
//!     LPIs stay on, step 9 is repeated around their tables.
//! 11. The heap grows into its claimed RAM.
//! 12. PSCI conduit, handover area, interrupt controller, console interrupts off.
//! 13. The [`Board`] is published and TPIDR_EL1 set. Only then SErrors and IRQs are unmasked,
//!     because handlers need both.
//! 14. [`kernel::primary`] is the first line of logic.
//!
//! # A secondary CPU
//!
//! `_secondary_entry` drops to EL1, loads tables, stacks and per-CPU area from its boot record,
//! turns the MMU on with the kernel's tables, and sets vectors, TPIDR_EL1 and stacks.
//! [`secondary_rust`] unmasks SErrors and calls
//! [`Hotplug::secondary`](crate::hotplug::Hotplug::secondary). With the MMU off such a CPU stores
//! nothing.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::arch::global_asm;

use aarch64_cpu::registers::{MPIDR_EL1, Readable};

use super::board::{self, Board, Held, Record, record_offset};
use super::gic::{Gic, Redistributors};
use super::inherited::{self, AtEntry};
use super::mmu::{self, Kind, Tables};
use super::percpu::PerCpu;
use super::{copier, dsu, heap, jump, layout, percpu, psci, ram, regs, timer, uart};
use crate::config::{MAX_DTB, PAGE, STACK_BYTES};
use crate::cpu::Mpidr;
use crate::fdt;
use crate::handover::Area;
use crate::hotplug::ap;
use crate::kernel::layout::{Claims, lay_out};
use crate::kernel::{self, Boot, Next};
use crate::machine::inherited::Inherited;
use crate::memory::Range;
use crate::platform::{self, BootParams, Described, Machine};
use crate::trace::Phase;

global_asm!(
    include_str!("leave.S"), // macros of the two others
    include_str!("copier.S"),
    include_str!("head.S"),
    MAIR_VALUE = const regs::MAIR_VALUE,
    TCR_VALUE = const regs::TCR_VALUE,
    SCTLR_ON = const regs::SCTLR_ON,
    SCTLR_OFF = const regs::SCTLR_OFF,
    SCTLR_EL2_OFF = const regs::SCTLR_EL2_OFF,
    DTB_ATTRS = const regs::DTB_ATTRS,
    SPAN_BLOCKS = const layout::SPAN_BLOCKS,
    TEXT_ATTRS = const regs::TEXT_ATTRS,
    RODATA_ATTRS = const regs::RODATA_ATTRS,
    DATA_ATTRS = const regs::DATA_ATTRS,
    RECORD_TTBR0 = const record_offset::TABLES,
    RECORD_STACKS = const record_offset::STACKS,
    RECORD_PERCPU = const record_offset::PERCPU,
    primary_rust = sym primary_rust,
    secondary_rust = sym secondary_rust,
);

/// What one entry of a level 2 table maps; a tree is at most as large ([`MAX_DTB`]), and so lies in
/// two blocks at most.
const BLOCK: u64 = 2 << 20;

const _: () = assert!(MAX_DTB as u64 <= BLOCK);

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
    heap::start();
    let entry_level = entry_level as u32;
    let found = inherited::look(AtEntry { hcr_el2, cnthp_ctl_el2 });
    inherited::reset(entry_level);
    let (boot, board) = prepare(dtb, entry_at, entry_level, base, found);
    let mut kernel = kernel::primary(board, boot, &board::publish_cpus);
    let next = kernel.serve();
    core::mem::forget(kernel); // after a jump is decided nothing is tidied up
    finish(next, entry_level, base)
}

fn finish(next: Next, entry_level: u32, base: u64) -> ! {
    match next {
        Next::Jump { copier: Some(work), .. } => copier::jump(work, entry_level),
        Next::Jump { entry, dtb, copier: None } => jump::jump(entry, dtb, entry_level, base),
        Next::PowerOff => panic!("SYSTEM_OFF: {}", psci::system_off()),
        Next::Reset => panic!("SYSTEM_RESET: {}", psci::system_reset()),
    }
}

/// Everything between the first Rust instruction and logic, in order.
fn prepare(
    dtb: u64,
    entry_at: u64,
    entry_level: u32,
    base: u64,
    mut found: Inherited,
) -> (Boot, &'static Board) {
    let rust_at = timer::now();
    let (tree, dtb_range) = tree(dtb);
    let described = platform::describe(tree, this_mpidr());
    let described = described.unwrap_or_else(|why| refuse(&why, tree, base));
    let Described { mut machine, params, warnings: noted } = described;
    let tree_at = timer::now();
    let image = Range::new(base, base + (layout::image_end() - layout::image_start()));
    let layout = |machine: &Machine, params: &BootParams| {
        let laid_out = lay_out(machine, params, image, dtb_range);
        let laid_out = laid_out.unwrap_or_else(|why| refuse(&why, tree, base));
        let tables = map_everything(machine, &laid_out.1, image, base);
        (laid_out, tables)
    };
    let ((mut map, mut claims, mut odd), mut tables) = layout(&machine, &params);
    let frames = Redistributors::of_machine(&machine.gic);
    let left_on = frames.as_ref().map_or(0, |f| f.lpis_left_on.len());
    found.lpis = frames.as_ref().map_or(0, |f| f.lpis_turned_off);
    if left_on > 0 {
        // The LPI tables that redistributors still write to are known only now, after the frames
        // are mapped. Nothing has been written to the claimed memory yet, so the layout is simply
        // made again, around these tables.
        let kept = frames.as_ref().map(|f| f.lpi_tables(&machine.gic)).unwrap_or_default();
        machine.reserved.extend(kept);
        ((map, claims, odd), tables) = layout(&machine, &params);
    }
    heap::grow(claims.heap);
    let memory_at = timer::now();
    psci::set_conduit(machine.psci.conduit);
    let psci_version = psci::version().unwrap_or((0, 2));
    let topology = &machine.topology;
    let trace = Area::new(ram::words(claims.handover), topology.len(), topology.boot())
        .expect("the layout asked handover::bytes_for");
    let from_baton = claims.inherited && trace.is_sealed();
    let (gic, areas) = interrupt_controller(&machine, frames, from_baton, &mut found);
    found.console = uart::quiesce();
    let board = board::publish(Board::new(
        machine.topology.clone(),
        gic,
        areas,
        claims,
        trace,
        Held::new(machine.rtc.clone(), machine.virtio.clone(), base),
        left_on,
        found,
        machine.timer.virtual_ppi,
        psci_version,
        entry_level,
        base,
        layout::physical(layout::ttbr1(), base),
        tables,
    ));
    dsu::set_up(&machine.clusters, machine.topology.len());
    percpu::set_current(&board.areas[machine.topology.boot().index()]);
    regs::serror_enable();
    regs::irq_enable();
    let stamps = [
        (Phase::Entry, rust_at),
        (Phase::Tree, tree_at),
        (Phase::Memory, memory_at),
        (Phase::Devices, timer::now()),
    ];
    let boot = Boot {
        machine,
        params,
        map,
        claims,
        warnings: noted.into_iter().chain(odd).collect(),
        entry_at,
        stamps,
        entry_level,
        base,
        dtb: tree,
        dtb_range,
    };
    (boot, board)
}

/// The device tree, through the read-only 2 MiB block that `head.S` has mapped; the next block is
/// mapped too if the tree reaches that far.
fn tree(dtb: u64) -> (&'static [u8], Range) {
    let offset = dtb & (BLOCK - 1);
    let window = layout::DTB_WINDOW + offset;
    let mut extended = false;
    let mut view = |bytes: usize| {
        if offset + bytes as u64 > BLOCK && !extended {
            mmu::extend_dtb_window();
            extended = true;
        }
        ram::bytes(Range::new(window, window + bytes as u64))
    };
    let size = fdt::total_size(view(40)).unwrap_or_else(|why| panic!("device tree: {why}"));
    (view(size), Range::new(dtb, dtb + size as u64))
}

/// The kernel can't run on this machine: says why on the console that the tree names, whatever else
/// is wrong with the tree.
fn refuse(why: &dyn core::fmt::Display, tree: &'static [u8], base: u64) -> ! {
    if let Some(console) = platform::console_only(tree) {
        let tables = Box::leak(Box::new(Tables::new(base)));
        if tables.map(console.base, Kind::Device).is_ok() {
            map_idmap(tables, base);
            tables.activate();
            uart::set_base(console.base.start);
        }
    }
    panic!("{why}")
}

/// The lower half for good: RAM, the identity page, holes under the stacks, the devices.
fn map_everything(
    machine: &Machine,
    claims: &Claims,
    image: Range,
    base: u64,
) -> &'static mut Tables {
    let tables = Box::leak(Box::new(Tables::new(base))); // in use until the jump
    for &ram in &machine.memory {
        tables.map_ram(ram).unwrap_or_else(|why| panic!("mapping RAM at {ram}: {why}"));
    }
    let mut map = |range: Range, kind| {
        tables.map(range, kind).unwrap_or_else(|why| panic!("mapping {range} as {kind:?}: {why}"));
    };
    let in_ram = |r: &Range| machine.memory.iter().any(|ram| ram.overlaps(r));
    let closed = machine.reserved.iter().filter(|r| r.no_map && in_ram(&r.range));
    closed.for_each(|r| map(r.range, Kind::Hole));
    map(image, Kind::Hole); // reached through the upper half only
    for cpu in machine.topology.cpus() {
        let slot = claims.stack_slot(cpu.index());
        let second = slot.start + PAGE + STACK_BYTES;
        map(Range::new(slot.start, slot.start + PAGE), Kind::Hole);
        map(Range::new(second, second + PAGE), Kind::Hole);
    }
    devices(machine).into_iter().for_each(|range| map(range, Kind::Device));
    map_idmap(tables, base);
    tables.activate();
    if let Some(console) = &machine.console {
        uart::set_base(console.base.start);
    }
    tables
}

fn map_idmap(tables: &mut Tables, base: u64) {
    let physical = |symbol| layout::physical(symbol, base);
    let range = Range::new(physical(layout::image_start()), physical(layout::idmap_end()));
    tables.map(range, Kind::Code).unwrap_or_else(|why| panic!("mapping the entry code: {why}"));
}

/// The pages of all registers. Neighbours are joined: many virtio devices share a page.
fn devices(machine: &Machine) -> Vec<Range> {
    let mut ranges = match &machine.gic {
        platform::Gic::V2 { distributor, cpu_interface } => {
            Vec::from([*distributor, *cpu_interface])
        }
        platform::Gic::V3 { distributor, redistributors, .. } => {
            let mut ranges = redistributors.clone();
            ranges.push(*distributor);
            ranges
        }
    };
    ranges.extend(machine.console.as_ref().map(|c| c.base));
    ranges.extend(machine.rtc.iter().chain(&machine.virtio).map(|d| d.base));
    ranges.iter_mut().for_each(|r| *r = r.grow_to(PAGE).unwrap_or(*r));
    ranges.sort_unstable();
    ranges.dedup_by(|next, range| {
        let joins = next.start <= range.end;
        if joins {
            range.end = range.end.max(next.end);
        }
        joins
    });
    ranges
}

fn interrupt_controller(
    machine: &Machine,
    frames: Option<Redistributors>,
    from_baton: bool,
    found: &mut Inherited,
) -> (Gic, Box<[PerCpu]>) {
    let topology = &machine.topology;
    let frame = |cpu| topology.mpidr(cpu).and_then(|m| frames.as_ref()?.of(m)).unwrap_or(0);
    let areas: Box<[PerCpu]> = topology.cpus().map(|cpu| PerCpu::new(cpu, frame(cpu))).collect();
    let gic = Gic::new(&machine.gic);
    // If the kernel that jumped here was a baton, the distributor is off and everything is quiet:
    // nothing is read to find out. Another kernel in between may have passed the handover on, but
    // leaves the distributor on.
    let quiet = from_baton && gic.is_off();
    if !quiet {
        (found.counting, found.debugging) = inherited::stop_counting_and_debugging();
    }
    areas.iter().for_each(|area| _ = area.set_clean(quiet));
    found.interrupts = gic.init_distributor(&areas[topology.boot().index()], quiet);
    (gic, areas)
}

/// A secondary CPU, from `head.S`: MMU on with the kernel's tables, own stacks and per-CPU area,
/// interrupts masked.
extern "C" fn secondary_rust(record: &'static Record, entry_level: u64) -> ! {
    let (board, hotplug) = board::shared().expect("published before any CPU_ON");
    let me = &board.areas[usize::from(record.cpu())];
    me.set_entry_level(entry_level);
    regs::serror_enable();
    let start = record.token() as u32;
    let next = hotplug.secondary(board, me.cpu, start);
    if next == ap::ApNext::Off {
        psci::cpu_off(); // returns only if firmware denies CPU_OFF
    }
    jump::park(board.base, hotplug.off_denied(board, me.cpu, start))
}
