//! What this machine is: one [`Description`] from the device tree, for everything else.
//!
//! Nothing here knows a particular machine. What the tree gets wrong ends in one [`PlatformError`]
//! where the kernel could not run, and otherwise in a smaller machine and a warning: a range of
//! memory that makes no sense is left out, a CPU that cannot be started is left out.

mod chosen;
mod cluster;
mod console;
mod cpus;
mod description;
mod device;
mod error;
mod gic;
mod interrupts;
mod lpi;
mod memory;
mod psci;
mod reserved;
mod roles;
mod timer;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub use cluster::{Cluster, MAX_CLUSTER_CPUS};
pub use description::{
    Conduit, Console, Description, Device, Gic, Psci, PsciVersion, Reserved, Timer, Uart,
};
pub use error::PlatformError;
pub use lpi::{LPI_TABLES, LpiTables, lpi_tables};

use crate::cpu::Mpidr;
use crate::fdt::Tree;
use roles::Roles;

/// Things in the tree that were left out, for people.
type Warnings = Vec<String>;

/// Reads the device tree of the machine that runs; `boot` is the MPIDR of the CPU that runs.
///
/// # Errors
/// [`PlatformError`] if the tree is malformed or lacks something without which no kernel can run.
pub fn describe(dtb: &[u8], boot: Mpidr) -> Result<Description, PlatformError> {
    let tree = Tree::read(dtb)?;
    let mut warnings = Warnings::new();
    let roles = Roles::find(&tree);
    let memory = memory::ram(&tree, &mut warnings)?;
    let (controller, gic) = gic::gic(&roles, &mut warnings)?;
    let chosen = chosen::chosen(&tree, &memory, &mut warnings);
    let reserved = reserved::reserved(&tree, &mut warnings)?;
    let topology = cpus::topology(&tree, boot, &mut warnings)?;
    let psci = psci::psci(&roles)?;
    let timer = timer::timer(&roles, controller, &mut warnings)?;
    let console = console::console(&tree, &roles, controller, &memory, &mut warnings);
    let uart = console.as_ref();
    Ok(Description {
        model: model(&tree),
        reserved,
        clusters: cluster::clusters(&tree, &roles, controller, &topology, uart, &mut warnings),
        topology,
        psci,
        timer,
        console,
        rtc: device::rtc(&roles, controller, &memory, &mut warnings),
        virtio: device::virtio(&roles, controller, &memory, &mut warnings),
        bootargs: chosen.bootargs,
        initrd: chosen.initrd,
        handover: chosen.handover,
        rng_seed: chosen.rng_seed,
        memory,
        gic,
        warnings,
    })
}

/// The console alone, of a tree that [`describe`] refuses: somewhere to say why. `None` if not even
/// that can be read.
pub fn console_only(dtb: &[u8]) -> Option<Console> {
    let tree = Tree::read(dtb).ok()?;
    let roles = Roles::find(&tree);
    let mut unheard = Warnings::new();
    let controller = gic::gic(&roles, &mut unheard).ok().map(|(controller, _)| controller);
    let memory = memory::ram(&tree, &mut unheard).unwrap_or_default();
    console::console(&tree, &roles, controller.unwrap_or(tree.root()), &memory, &mut unheard)
}

fn model(tree: &Tree<'_>) -> String {
    let root = tree.root();
    plain(root.string("model").or_else(|| root.string("compatible")).unwrap_or("unknown"))
}

/// Notes that something was left out.
fn warn(warnings: &mut Warnings, what: &str, why: impl core::fmt::Display) {
    warnings.push(plain(&format!("{what}: {why}")));
}

/// Text of the tree, safe for a console: control characters are spelt out.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { plain.extend(c.escape_default()) } else { plain.push(c) }
    }
    plain
}
