//! The registers of the interrupt controller and of the console: mapped, and given to drivers as
//! pieces. Other devices are mapped when they are started ([`Devices`](crate::machine::Devices)).
//!
//! The GIC's are checked against the RAM first: registers and RAM are mapped with different memory
//! types, and one page must not have both. A tree that puts a device into RAM stops the boot.
//!
//! The GIC is mapped in the first stage, before there is a heap, by tables from the pool of
//! `mmu.rs`; the console when there is a heap.

use crate::aarch64::gic::GicRegisters;
use crate::aarch64::mmio::Registers;
use crate::aarch64::mmu::{Kind, Tables};
use crate::memory::Range;
use crate::platform::{Gic, Machine, PlatformError};

/// Maps the interrupt controller. Needs no heap; `ram_at` says in which RAM a range lies.
///
/// # Panics
/// It lies in RAM, or where the linear map ends.
pub fn of_gic(
    gic: &Gic,
    ram_at: &dyn Fn(Range) -> Option<Range>,
    tables: &mut Tables,
) -> GicRegisters {
    let mut piece = |range: Range| {
        if let Some(ram) = ram_at(range) {
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
        Gic::V3 { distributor, redistributors, stride, frames } => GicRegisters::V3 {
            distributor: piece(*distributor),
            redistributors: redistributors.iter().copied().map(piece).collect(),
            stride: *stride,
            frames: *frames,
        },
    }
}

/// Maps the console's UART, if there is one.
///
/// # Panics
/// It lies where the linear map ends.
pub fn of_console(machine: &Machine, tables: &mut Tables) -> Option<Registers> {
    let range = machine.console.as_ref()?.base;
    // SAFETY: reading the machine has shown that no page of it is RAM; the tree gives each device a
    // range of its own, and to map a page of registers once more changes nothing.
    unsafe {
        let mapped = tables.map(range, Kind::Device);
        mapped.unwrap_or_else(|why| panic!("mapping the console's registers at {range}: {why}"));
        Some(Registers::new(range))
    }
}
