//! The CPUs (devicetree specification v0.4, section 3.8; Linux
//! `Documentation/devicetree/bindings/arm/cpus.yaml`).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;

use super::super::{PlatformError, Warnings, warn};
use crate::config::MAX_CPUS;
use crate::cpu::{CpuId, Mpidr, Topology};
use crate::fdt::{Node, Properties, Tree, reg};

/// The CPUs that PSCI can start, in the order of the tree, and the one that runs.
pub(super) fn topology(
    tree: &Tree<'_>,
    boot: Mpidr,
    warnings: &mut Warnings,
) -> Result<Topology, PlatformError> {
    let mut seen = BTreeSet::new();
    let mut cpus = Vec::new();
    let nodes = tree.find("/cpus").into_iter().flat_map(Node::children);
    for node in nodes.filter(|n| is_cpu(*n)) {
        match usable(node, boot, &mut seen) {
            Ok(mpidr) => cpus.push(mpidr),
            Err(why) => warn(warnings, &node.path(), format!("left out: {why}")),
        }
    }
    if cpus.len() > MAX_CPUS {
        warn(warnings, "/cpus", format!("{} CPUs, {MAX_CPUS} are used", cpus.len()));
    }
    Ok(Topology::new(&cpus, boot)?)
}

/// The phandles of all CPU nodes; `None` for a CPU that is not used.
pub(super) fn by_phandle(tree: &Tree<'_>, topology: &Topology) -> BTreeMap<u32, Option<CpuId>> {
    let nodes = tree.find("/cpus").into_iter().flat_map(Node::children);
    let nodes = nodes.filter(|n| n.base_name() == "cpu" || n.string("device_type") == Some("cpu"));
    let number = |node| topology.cpu(mpidr(node).ok()?).filter(|_| is_cpu(node));
    nodes.filter_map(|node| Some((node.u32("phandle")?, number(node)))).collect()
}

/// True for a CPU that is there. Firmware says `disabled` of one that is not, or that is not for this
/// kernel; what has failed is there, and is worth a word.
fn is_cpu(node: Node<'_>) -> bool {
    let is_cpu = match node.string("device_type") {
        Some(device_type) => device_type == "cpu",
        None => node.base_name() == "cpu",
    };
    is_cpu && (node.is_available() || has_failed(node))
}

/// True if the status is `fail`, or `fail-` and a cause.
fn has_failed(node: Node<'_>) -> bool {
    node.string("status").is_some_and(|status| status == "fail" || status.starts_with("fail-"))
}

/// The CPU's affinity, or why the CPU cannot be used.
fn usable(
    node: Node<'_>,
    boot: Mpidr,
    seen: &mut BTreeSet<Mpidr>,
) -> Result<Mpidr, alloc::string::String> {
    let mpidr = mpidr(node)?;
    if has_failed(node) {
        return Err("its status says that it has failed".into());
    }
    let method = node.string("enable-method");
    let method = method.or_else(|| node.parent()?.string("enable-method"));
    // The boot CPU runs already: with one CPU, QEMU gives no method at all.
    if mpidr != boot && method != Some("psci") {
        return Err(format!("enable-method is {}, not psci", method.unwrap_or("missing")));
    }
    if seen.insert(mpidr) { Ok(mpidr) } else { Err(format!("another CPU has MPIDR {mpidr} too")) }
}

fn mpidr(node: Node<'_>) -> Result<Mpidr, alloc::string::String> {
    let mut windows = reg(node).map_err(|why| format!("{why}"))?;
    let (Some(window), None) = (windows.next(), windows.next()) else {
        return Err("reg has more than one entry".into());
    };
    Mpidr::from_reg(window.address).ok_or_else(|| format!("{:#x} is no MPIDR", window.address))
}
