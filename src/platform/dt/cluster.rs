//! Clusters with a DynamIQ shared unit and its performance monitors (Linux
//! `Documentation/devicetree/bindings/perf/arm,dsu-pmu.yaml`).

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::shared::{Taken, is_shared};
use super::super::{Cluster, Console, MAX_CLUSTER_CPUS, Warnings, warn};
use super::cpus;
use super::interrupts::interrupts;
use super::roles::Roles;
use crate::cpu::{CpuId, CpuMask, Topology};
use crate::fdt::{Node, Properties, Tree};
use crate::interrupt::Interrupt;

/// Property of a unit's node whose registers the kernel is to emulate: a simulator's cores lack
/// them.
const EMULATE: &str = "baton,emulate";

/// The clusters that can be used, in the order of the tree.
pub(super) fn clusters(
    tree: &Tree<'_>,
    roles: &Roles<'_>,
    gic: Node<'_>,
    topology: &Topology,
    console: Option<&Console>,
    warnings: &mut Warnings,
) -> Vec<Cluster> {
    if roles.clusters.is_empty() {
        return Vec::new();
    }
    let mut taken = Taken::new(console);
    let cpus = cpus::by_phandle(tree, topology);
    let mut clusters = Vec::new();
    for &node in &roles.clusters {
        match cluster(node, gic, &cpus, &mut taken) {
            Ok(cluster) => clusters.push(cluster),
            Err(why) => warn(warnings, &node.path(), format!("left out: {why}")),
        }
    }
    clusters
}

fn cluster(
    node: Node<'_>,
    gic: Node<'_>,
    cpus: &BTreeMap<u32, Option<CpuId>>,
    taken: &mut Taken,
) -> Result<Cluster, String> {
    let interrupt = interrupt(node, gic)?;
    let members = members(node, cpus)?;
    taken.take(&members, interrupt)?;
    let emulate = node.property(EMULATE).is_some();
    Ok(Cluster { cpus: members, interrupt, name: node.name(), emulate })
}

fn interrupt(node: Node<'_>, gic: Node<'_>) -> Result<Interrupt, String> {
    let mut all = interrupts(node, gic);
    match (all.next(), all.count()) {
        (None, _) => Err("it has no interrupt".into()),
        (Some(Some(interrupt)), 0) if is_shared(interrupt) => Ok(interrupt),
        (Some(_), 0) => Err("its interrupt is no shared interrupt of the GIC".into()),
        (Some(_), more) => Err(format!("it has {} interrupts, not one", more + 1)),
    }
}

/// The CPUs that a node lists, without those that this machine does not use.
fn members(node: Node<'_>, cpus: &BTreeMap<u32, Option<CpuId>>) -> Result<CpuMask, String> {
    let list = node.property("cpus").unwrap_or_default();
    let (cells, rest) = list.as_chunks::<4>();
    if cells.is_empty() || !rest.is_empty() {
        return Err(format!("cpus has {} bytes, which is no list of phandles", list.len()));
    }
    if cells.len() > MAX_CLUSTER_CPUS {
        return Err(format!("it has {} CPUs, more than {MAX_CLUSTER_CPUS}", cells.len()));
    }
    let mut members = CpuMask::new();
    for phandle in cells.iter().map(|cell| u32::from_be_bytes(*cell)) {
        let Some(&cpu) = cpus.get(&phandle) else {
            return Err(format!("phandle {phandle:#x} in cpus is no CPU's"));
        };
        let Some(cpu) = cpu else { continue };
        if members.contains(cpu) {
            return Err(format!("CPU {cpu} is listed twice"));
        }
        members.insert(cpu);
    }
    if members.is_empty() { Err("none of its CPUs can be used".into()) } else { Ok(members) }
}
