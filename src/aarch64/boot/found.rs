//! First stage: the machine, as its device tree describes it and as it was left.

use alloc::vec::Vec;

use super::Entry;
use super::laid::Laid;
use crate::aarch64::board::{Place, Places};
use crate::aarch64::gic::{Gic, GicRegisters, Redistributors};
use crate::aarch64::mmio::Registers;
use crate::aarch64::mmu::{self, Kind, Tables};
use crate::aarch64::{inherited, layout, ram, this_mpidr, timer, uart};
use crate::config::{MAX_DTB, PAGE};
use crate::fdt;
use crate::kernel::layout::lay_out;
use crate::machine::inherited::Inherited;
use crate::memory::Range;
use crate::platform::{self, Described, Device, Machine};
use crate::trace::Phase;

/// What one entry of a level 2 table maps; a tree is at most as large ([`MAX_DTB`]), and so lies in
/// two blocks at most.
const BLOCK: u64 = 2 << 20;

const _: () = assert!(MAX_DTB as u64 <= BLOCK);

/// The machine, and what it is reached by.
pub struct Found {
    /// From `head.S`.
    pub entry: Entry,
    /// The device tree, in the window that `head.S` has mapped.
    pub tree: &'static [u8],
    /// Its physical range.
    pub tree_range: Range,
    /// What the tree says; tables of LPIs that stay on are among the reservations.
    pub described: Described,
    /// What was found turned on that should have been off.
    pub inherited: Inherited,
    /// The interrupt controller; its distributor is not touched yet.
    pub gic: Gic,
    /// GICv3: the frame of each affinity.
    pub frames: Redistributors,
    /// Where other devices are.
    pub places: Places,
    /// The tables, devices mapped.
    pub tables: Tables,
    /// When each phase was over.
    pub stamps: Vec<(Phase, u64)>,
}

impl Found {
    /// Finds out. The heap has its first memory.
    pub fn find(entry: Entry) -> Self {
        let mut inherited = inherited::look(&entry.registers);
        inherited::reset(entry.level);
        let rust_at = timer::now();
        let (tree, tree_range) = tree(entry.dtb);
        let mut tables = Tables::take_over(entry.base);
        let described = platform::describe(tree, this_mpidr());
        let mut described = described.unwrap_or_else(|why| refuse(&why, tree, &mut tables));
        let stamps = Vec::from([(Phase::Entry, rust_at), (Phase::Tree, timer::now())]);
        let machine = &described.machine;
        map_devices(machine, &mut tables);
        if let Some(console) = &machine.console {
            uart::adopt(&registers(console.base));
        }
        inherited.console = uart::quiesce();
        let places = places(machine);
        let controller = gic_registers(&machine.gic);
        let gic = Gic::new(&controller).unwrap_or_else(|| panic!("the GIC has too few registers"));
        let frames = controller.frames();
        inherited.lpis = frames.lpis_turned_off;
        described.machine.reserved.extend(gic.lpi_tables(&frames));
        Self { entry, tree, tree_range, described, inherited, gic, frames, places, tables, stamps }
    }

    /// Gives every page of RAM its owner.
    pub fn lay_out(mut self) -> Laid {
        let Described { machine, params, .. } = &self.described;
        match lay_out(machine, params, self.entry.image(), self.tree_range) {
            Ok((map, claims, odd)) => {
                self.described.warnings.extend(odd);
                Laid { found: self, map, claims }
            }
            Err(why) => panic!("{why}"),
        }
    }
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
        // SAFETY: the window is mapped that far, read-only, for good. The loader gave the tree to
        // this kernel, which changes nothing in it as long as the tree is read here.
        unsafe { ram::window(window, bytes) }
    };
    let size = fdt::total_size(view(40)).unwrap_or_else(|why| panic!("device tree: {why}"));
    (view(size), Range::new(dtb, dtb + size as u64))
}

/// The kernel can't run on this machine: says why on the console that the tree names, whatever else
/// is wrong with the tree.
fn refuse(why: &dyn core::fmt::Display, tree: &'static [u8], tables: &mut Tables) -> ! {
    if let Some(console) = platform::console_only(tree)
        && tables.map(console.base, Kind::Device).is_ok()
    {
        uart::adopt(&registers(console.base));
    }
    panic!("{why}")
}

/// A piece of registers that has just been mapped.
fn registers(range: Range) -> Registers {
    // SAFETY: `map_devices` or `refuse` has mapped these pages as device, for good; the machine's
    // description gives each device a range of its own.
    unsafe { Registers::new(range) }
}

fn gic_registers(gic: &platform::Gic) -> GicRegisters {
    match gic {
        platform::Gic::V2 { distributor, cpu_interface } => GicRegisters::V2 {
            distributor: registers(*distributor),
            cpu_interface: registers(*cpu_interface),
        },
        platform::Gic::V3 { distributor, redistributors, stride } => GicRegisters::V3 {
            distributor: registers(*distributor),
            redistributors: redistributors.iter().copied().map(registers).collect(),
            stride: *stride,
        },
    }
}

fn places(machine: &Machine) -> Places {
    let place = |d: &Device| Place { registers: registers(d.base), interrupt: d.interrupt };
    Places {
        clock: machine.rtc.as_ref().map(place),
        virtio: machine.virtio.iter().map(place).collect(),
    }
}

/// Maps the pages of all registers.
fn map_devices(machine: &Machine, tables: &mut Tables) {
    for range in devices(machine) {
        if let Some(ram) = machine.memory.iter().find(|ram| ram.overlaps(&range)) {
            panic!("the registers at {range} lie in RAM at {ram}");
        }
        let mapped = tables.map(range, Kind::Device);
        mapped.unwrap_or_else(|why| panic!("mapping the registers at {range}: {why}"));
    }
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
