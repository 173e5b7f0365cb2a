//! What this machine is, and what this boot was given: [`Machine`] and [`BootParams`], for everything
//! else. The machine is read from the device tree ([`dt`]); the tree's `/chosen` is the envelope in
//! which each boot gets its parameters.
//!
//! Nothing here knows a particular machine. What the tree gets wrong ends in one [`PlatformError`]
//! where the kernel could not run, and otherwise in a smaller machine and a warning: a range of
//! memory that makes no sense is left out, a CPU that cannot be started is left out.

mod dt;
pub mod early;
mod error;
pub mod firmware;
mod lpi;
mod machine;
mod params;
mod shared;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub use dt::LimitError;
pub use error::PlatformError;
pub use firmware::FirmwareError;
pub use lpi::{LPI_TABLES, LpiTables, lpi_tables};
pub use machine::{
    BootParams, Cluster, Conduit, Console, Device, Frames, Gic, MAX_CLUSTER_CPUS, MAX_REGIONS,
    Machine, Psci, PsciVersion, Reserved, Timer, Uart,
};

use crate::cpu::Mpidr;
use crate::fdt::{Checked, Tree};
use crate::memory::{Physical, Unreachable};
use firmware::Source;

/// Things that were left out, for people.
type Warnings = Vec<String>;

/// What a device tree says.
#[derive(Clone, Debug)]
pub struct Described {
    /// The machine.
    pub machine: Machine,
    /// What this boot was given.
    pub params: BootParams,
    /// What in the tree was wrong and was left out or repaired, for people.
    pub warnings: Vec<String>,
}

/// Reads the device tree of the machine that runs; `boot` is the MPIDR of the CPU that runs.
///
/// # Errors
/// [`PlatformError`] if the tree is malformed or lacks something without which no kernel can run.
pub fn describe(dtb: &[u8], boot: Mpidr) -> Result<Described, PlatformError> {
    describe_checked(&Checked::of(dtb)?, boot)
}

/// As [`describe`], of a tree whose form has been checked.
///
/// # Errors
/// [`PlatformError`] if the tree lacks something without which no kernel can run.
pub fn describe_checked(tree: &Checked<'_>, boot: Mpidr) -> Result<Described, PlatformError> {
    describe_with(tree, &Unreachable, boot)
}

/// As [`describe_checked`], where memory can be read: a tree may only point to what firmware says.
///
/// # Errors
/// [`PlatformError`] if the tree, or what the tree points to, lacks something without which no kernel
/// can run.
pub fn describe_with(
    tree: &Checked<'_>,
    physical: &dyn Physical,
    boot: Mpidr,
) -> Result<Described, PlatformError> {
    let tree = Tree::of(tree);
    let mut warnings = Warnings::new();
    let (machine, memory) = match firmware::source(&tree, physical)? {
        Source::Tree => dt::machine(&tree, None, boot, &mut warnings),
        Source::TreeAndMap(efi) => dt::machine(&tree, Some(&efi), boot, &mut warnings),
        Source::Tables(efi) => firmware::machine(&tree, efi, boot, &mut warnings),
    }?;
    let params = params::boot_params(&tree, &memory, &mut warnings);
    Ok(Described { machine, params, warnings })
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
