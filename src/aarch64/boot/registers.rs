//! The registers of devices: mapped, and given to drivers as pieces.

use alloc::vec::Vec;

use crate::aarch64::board::Place;
use crate::aarch64::gic::GicRegisters;
use crate::aarch64::mmio::Registers;
use crate::aarch64::mmu::{Kind, Tables};
use crate::config::PAGE;
use crate::memory::Range;
use crate::platform::{Device, Gic, Machine};

/// Where devices are, or may be.
pub struct Places {
    /// The console's UART.
    pub console: Option<Registers>,
    /// The real-time clock.
    pub clock: Option<Place>,
    /// virtio-mmio.
    pub virtio: Vec<Place>,
}

/// The registers of a range whose pages have just been mapped.
pub fn of_mapped(range: Range) -> Registers {
    // SAFETY: the callers have mapped these pages as device, for good; the machine's description
    // gives each device a range of its own.
    unsafe { Registers::new(range) }
}

/// Maps the interrupt controller. Needs no heap.
pub fn of_gic(gic: &Gic, tables: &mut Tables) -> GicRegisters {
    let mut piece = |range: Range| {
        let mapped = tables.map(range, Kind::Device);
        mapped.unwrap_or_else(|why| panic!("mapping the GIC's registers at {range}: {why}"));
        of_mapped(range)
    };
    match gic {
        Gic::V2 { distributor, cpu_interface } => GicRegisters::V2 {
            distributor: piece(*distributor),
            cpu_interface: piece(*cpu_interface),
        },
        Gic::V3 { distributor, redistributors, stride } => GicRegisters::V3 {
            distributor: piece(*distributor),
            redistributors: redistributors.iter().copied().map(piece).collect(),
            stride: *stride,
        },
    }
}

/// Maps all other devices.
pub fn of_devices(machine: &Machine, tables: &mut Tables) -> Places {
    for range in pages(machine) {
        if let Some(ram) = machine.memory.iter().find(|ram| ram.overlaps(&range)) {
            panic!("the registers at {range} lie in RAM at {ram}");
        }
        let mapped = tables.map(range, Kind::Device);
        mapped.unwrap_or_else(|why| panic!("mapping the registers at {range}: {why}"));
    }
    let place = |d: &Device| Place { registers: of_mapped(d.base), interrupt: d.interrupt };
    Places {
        console: machine.console.as_ref().map(|console| of_mapped(console.base)),
        clock: machine.rtc.as_ref().map(place),
        virtio: machine.virtio.iter().map(place).collect(),
    }
}

/// The pages of all registers but the GIC's. Neighbours are joined: many virtio devices share a
/// page.
fn pages(machine: &Machine) -> Vec<Range> {
    let devices = machine.rtc.iter().chain(&machine.virtio).map(|device| device.base);
    let console = machine.console.as_ref().map(|console| console.base);
    let pages = devices.chain(console).filter_map(|range| range.grow_to(PAGE));
    let mut pages: Vec<Range> = pages.collect();
    pages.sort_unstable();
    pages.dedup_by(|next, range| {
        let joins = next.start <= range.end;
        if joins {
            range.end = range.end.max(next.end);
        }
        joins
    });
    pages
}
