//! A [`Machine`] from a device tree.

mod cluster;
mod console;
mod cpus;
mod device;
mod gic;
mod interrupts;
mod limits;
mod memory;
mod nexus;
mod psci;
mod reserved;
mod roles;
mod timer;

use alloc::string::String;
use alloc::vec::Vec;

use super::firmware::efi::Efi;
use super::{Machine, PlatformError, Warnings, firmware, plain};
use crate::cpu::Mpidr;
use crate::fdt::{Properties, Tree};
pub use console::{UART_BYTES, is_uart, uart_base};
pub use gic::{is_gic, is_secondary, read as read_gic};
pub use limits::{LimitError, Limits, OF_ALL};
pub use memory::{Memory, is_memory, ram_of, root_cells};
pub(super) use reserved::reserved;
pub use reserved::{RESERVED_MEMORY, windows};
use roles::Roles;

/// What the tree says that the machine is; `boot` is the MPIDR of the CPU that runs. RAM is what
/// UEFI's memory map says, if there is one.
///
/// # Errors
/// [`PlatformError`] if the tree lacks something without which no kernel can run.
pub(super) fn machine(
    tree: &Tree<'_>,
    efi: Option<&Efi<'_>>,
    boot: Mpidr,
    warnings: &mut Warnings,
) -> Result<(Machine, Memory), PlatformError> {
    let roles = Roles::find(tree);
    let mut more = Vec::new();
    let memory = match efi {
        Some(efi) => firmware::memory(tree, efi, &mut more, warnings)?,
        None => memory::memory(tree, warnings)?,
    };
    let (controller, gic) = gic::gic(&roles, warnings)?;
    let mut reserved = reserved::reserved(tree, warnings)?;
    reserved.append(&mut more);
    let topology = cpus::topology(tree, boot, warnings)?;
    let psci = psci::psci(&roles)?;
    let timer = timer::timer(&roles, controller, warnings)?;
    let console = console::console(tree, &roles, controller, warnings);
    let uart = console.as_ref();
    let machine = Machine {
        model: model(tree),
        reserved,
        clusters: cluster::clusters(tree, &roles, controller, &topology, uart, warnings),
        topology,
        psci,
        timer,
        console,
        rtc: device::rtc(&roles, controller, &memory.ram, warnings),
        virtio: device::virtio(&roles, controller, &memory.ram, warnings),
        memory: memory.usable.clone(),
        gic,
    };
    machine.apart_from(&memory.ram)?;
    Ok((machine, memory))
}

fn model(tree: &Tree<'_>) -> String {
    let root = tree.root();
    plain(root.string("model").or_else(|| root.string("compatible")).unwrap_or("unknown"))
}
