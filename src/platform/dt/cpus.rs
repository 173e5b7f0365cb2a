//! The CPUs (devicetree specification v0.4, section 3.8; Linux
//! `Documentation/devicetree/bindings/arm/cpus.yaml`).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::{PlatformError, Warnings, warn};
use crate::config::MAX_CPUS;
use crate::cpu::{CpuId, Mpidr, Topology};
use crate::fdt::{Node, Properties, Tree, reg, value_says};

/// The CPUs that PSCI can start, in the order of the tree, and the one that runs.
pub(super) fn topology(
    tree: &Tree<'_>,
    boot: Mpidr,
    warnings: &mut Warnings,
) -> Result<Topology, PlatformError> {
    let mut found = Found::default();
    let nodes = tree.find("/cpus").into_iter().flat_map(Node::children);
    for node in nodes {
        let [kind, method] = node.values(["device_type", METHOD]);
        if !is_cpu(node, kind) {
            continue;
        }
        if let Err(why) = usable(node, method, boot).and_then(|mpidr| found.add(mpidr)) {
            warn(warnings, &node.path(), format!("left out: {why}"));
        }
    }
    let cpus = found.cpus;
    if cpus.len() > MAX_CPUS {
        warn(warnings, "/cpus", format!("{} CPUs, {MAX_CPUS} are used", cpus.len()));
    }
    Ok(Topology::new(&cpus, boot)?)
}

/// The phandles of all CPU nodes; `None` for a CPU that is not used.
pub(super) fn by_phandle(tree: &Tree<'_>, topology: &Topology) -> BTreeMap<u32, Option<CpuId>> {
    let nodes = tree.find("/cpus").into_iter().flat_map(Node::children);
    let nodes = nodes.map(|node| (node, node.property("device_type")));
    let nodes = nodes.filter(|(node, kind)| node.has_base_name("cpu") || says_cpu(*kind));
    let number = |node, kind| topology.cpu(mpidr(node).ok()?).filter(|_| is_cpu(node, kind));
    nodes.filter_map(|(node, kind)| Some((node.u32("phandle")?, number(node, kind)))).collect()
}

fn says_cpu(kind: Option<&[u8]>) -> bool {
    kind.is_some_and(|kind| value_says(kind, "cpu"))
}

/// True for a CPU that is there; `kind` is its `device_type`. Firmware says `disabled` of one that is
/// not, or that is not for this kernel; what has failed is there, and is worth a word.
fn is_cpu(node: Node<'_>, kind: Option<&[u8]>) -> bool {
    let says_nothing = || node.string("device_type").is_none();
    let is_cpu = says_cpu(kind) || says_nothing() && node.has_base_name("cpu");
    is_cpu && (node.is_available() || has_failed(node))
}

/// True if the status is `fail`, or `fail-` and a cause.
fn has_failed(node: Node<'_>) -> bool {
    node.string("status").is_some_and(|status| status == "fail" || status.starts_with("fail-"))
}

/// Property of a CPU, or of all CPUs.
const METHOD: &str = "enable-method";

/// The CPUs so far.
#[derive(Default)]
struct Found {
    /// In the order of the tree.
    cpus: Vec<Mpidr>,
    /// The same, once one was not above the one before. In most trees each is, and then the last is all
    /// that has to be looked at.
    sorted: BTreeSet<Mpidr>,
}

impl Found {
    /// Adds a CPU, unless there is another one with this affinity.
    fn add(&mut self, mpidr: Mpidr) -> Result<(), String> {
        let ascends = self.cpus.last().is_none_or(|last| *last < mpidr);
        if !ascends || !self.sorted.is_empty() {
            if self.sorted.is_empty() {
                self.sorted.extend(&self.cpus);
            }
            if !self.sorted.insert(mpidr) {
                return Err(format!("another CPU has MPIDR {mpidr} too"));
            }
        }
        self.cpus.push(mpidr);
        Ok(())
    }
}

/// The CPU's affinity, or why the CPU cannot be used; `method` is its own [`METHOD`].
fn usable(node: Node<'_>, method: Option<&[u8]>, boot: Mpidr) -> Result<Mpidr, String> {
    let mpidr = mpidr(node)?;
    if has_failed(node) {
        return Err("its status says that it has failed".into());
    }
    // The boot CPU runs already: with one CPU, QEMU gives no method at all.
    if mpidr != boot && !method.is_some_and(|method| value_says(method, "psci")) {
        let method = node.string(METHOD).or_else(|| node.parent()?.string(METHOD));
        if method != Some("psci") {
            return Err(format!("enable-method is {}, not psci", method.unwrap_or("missing")));
        }
    }
    Ok(mpidr)
}

fn mpidr(node: Node<'_>) -> Result<Mpidr, String> {
    let mut windows = reg(node).map_err(|why| format!("{why}"))?;
    let (Some(window), None) = (windows.next(), windows.next()) else {
        return Err("reg has more than one entry".into());
    };
    Mpidr::from_reg(window.address).ok_or_else(|| format!("{:#x} is no MPIDR", window.address))
}
