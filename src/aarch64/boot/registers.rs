//! The registers of devices: mapped, and given to drivers as pieces.
//!
//! Each range is checked against the RAM first: registers and RAM are mapped with different memory
//! types, and one page must not have both. A tree that puts a device into RAM stops the boot.
//!
//! The GIC is mapped in the first stage, before there is a heap, by tables from the pool of
//! `mmu.rs`; the other devices when there is a heap.

use alloc::vec::Vec;

use crate::aarch64::board::Place;
use crate::aarch64::gic::GicRegisters;
use crate::aarch64::mmio::Registers;
use crate::aarch64::mmu::{Kind, Tables};
use crate::config::PAGE;
use crate::memory::{Range, join};
use crate::platform::early::Early;
use crate::platform::{Device, Gic, Machine, PlatformError};

/// Where devices are, or may be.
pub struct Places {
    /// The console's UART.
    pub console: Option<Registers>,
    /// The real-time clock.
    pub clock: Option<Place>,
    /// virtio-mmio.
    pub virtio: Vec<Place>,
}

/// Maps the interrupt controller. Needs no heap.
///
/// # Panics
/// It lies in RAM, or where the linear map ends.
pub fn of_gic(early: &Early<'_>, gic: &Gic, tables: &mut Tables) -> GicRegisters {
    let mut piece = |range: Range| {
        if let Some(ram) = early.ram_at(range) {
            panic!("{}", PlatformError::InRam { what: "the GIC", registers: range, ram });
        }
        // SAFETY: no RAM, so that what is there is the GIC's registers, and nothing has been mapped
        // yet. The tree gives each part a range of its own.
        unsafe {
            let mapped = tables.map(range, Kind::Device);
            mapped.unwrap_or_else(|why| panic!("mapping the GIC's registers at {range}: {why}"));
            Registers::new(range)
        }
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
///
/// # Panics
/// One lies in RAM, or where the linear map ends.
pub fn of_devices(machine: &Machine, tables: &mut Tables) -> Places {
    machine.apart_from(&machine.memory).unwrap_or_else(|why| panic!("{why}"));
    for range in pages(machine) {
        // SAFETY: no RAM, so that what is there is registers; the GIC's pages are mapped in the
        // same way.
        let mapped = unsafe { tables.map(range, Kind::Device) };
        mapped.unwrap_or_else(|why| panic!("mapping the registers at {range}: {why}"));
    }
    // SAFETY: all of `pages` has just been mapped; the tree gives each device a range of its own.
    let piece = |range| unsafe { Registers::new(range) };
    let place = |d: &Device| Place { registers: piece(d.base), interrupt: d.interrupt };
    Places {
        console: machine.console.as_ref().map(|console| piece(console.base)),
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
    // The linear map takes each page once: only what is not mapped yet may be mapped.
    join(pages.collect())
}
