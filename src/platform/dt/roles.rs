//! Which node is what, found in one pass over the tree.

use alloc::vec::Vec;

use super::gic::{is_gic, is_secondary};
use crate::fdt::{Node, Properties, Tree};

/// True for a `compatible` string of GICv2, and of GICv1 with the same registers as far as they are
/// used here. `nvidia,tegra210-agic` is missing: that one never is the CPUs' own.
pub(super) fn is_gic_v2_name(compatible: &[u8]) -> bool {
    matches!(
        compatible,
        b"arm,gic-400"
            | b"arm,cortex-a15-gic"
            | b"arm,cortex-a9-gic"
            | b"arm,cortex-a7-gic"
            | b"arm,cortex-a5-gic"
            | b"arm,arm11mp-gic"
            | b"arm,arm1176jzf-devchip-gic"
            | b"arm,eb11mp-gic"
            | b"arm,tc11mp-gic"
            | b"arm,pl390"
            | b"brcm,brahma-b15-gic"
            | b"qcom,msm-8660-qgic"
            | b"qcom,msm-qgic2"
    )
}

/// True for a `compatible` string of GICv3 and GICv4.
pub(super) fn is_gic_v3_name(compatible: &[u8]) -> bool {
    matches!(compatible, b"arm,gic-v3" | b"qcom,msm8996-gic-v3")
}

/// True for a name of an interrupt controller that has a driver.
pub(super) fn is_gic_name(compatible: &[u8]) -> bool {
    is_gic_v3_name(compatible) || is_gic_v2_name(compatible)
}

const PSCI: &[&[u8]] = &[b"arm,psci-1.0", b"arm,psci-0.2", b"arm,psci"];
const TIMER: &[&[u8]] = &[b"arm,armv8-timer", b"arm,armv7-timer", b"arm,cortex-a15-timer"];

/// `compatible` strings of the UARTs that have a driver.
pub(super) const PL011: &[&[u8]] = &[b"arm,pl011", b"arm,pl011-axi"];
pub(super) const SBSA: &[&[u8]] = &[b"arm,sbsa-uart"];

const DSU_PMU: &[u8] = b"arm,dsu-pmu";
const PL031: &[u8] = b"arm,pl031";
const VIRTIO: &[u8] = b"virtio,mmio";

/// The first node of each kind that may be used; of clusters and virtio, all. An interrupt controller
/// that is behind another one is used only if there is no other.
#[derive(Default)]
pub(super) struct Roles<'t> {
    pub gic: Option<Node<'t>>,
    pub psci: Option<Node<'t>>,
    pub timer: Option<Node<'t>>,
    pub uart: Option<Node<'t>>,
    pub clusters: Vec<Node<'t>>,
    pub rtc: Option<Node<'t>>,
    pub virtio: Vec<Node<'t>>,
}

impl<'t> Roles<'t> {
    pub fn find(tree: &'t Tree<'t>) -> Self {
        let mut roles = Self::default();
        // Of many CPUs most of a tree is below /cpus, where there is nothing else.
        match tree.find("/cpus") {
            Some(cpus) => cpus.before().chain(cpus.after()).for_each(|node| roles.look_at(node)),
            None => tree.nodes().for_each(|node| roles.look_at(node)),
        }
        roles
    }

    fn look_at(&mut self, node: Node<'t>) {
        if is_gic(node) && self.gic.is_none_or(|gic| is_secondary(gic) && !is_secondary(node)) {
            self.gic = Some(node);
        }
        for compatible in node.texts("compatible") {
            self.note(node, compatible);
        }
    }

    fn note(&mut self, node: Node<'t>, compatible: &[u8]) {
        if compatible == DSU_PMU && node.is_available() {
            self.clusters.push(node);
        } else if compatible == VIRTIO && node.is_available() {
            self.virtio.push(node);
        } else if let Some(role) = self.role_of(compatible)
            && role.is_none()
            && node.is_available()
        {
            *role = Some(node);
        }
    }

    fn role_of(&mut self, compatible: &[u8]) -> Option<&mut Option<Node<'t>>> {
        if PSCI.contains(&compatible) {
            Some(&mut self.psci)
        } else if TIMER.contains(&compatible) {
            Some(&mut self.timer)
        } else if PL011.contains(&compatible) || SBSA.contains(&compatible) {
            Some(&mut self.uart)
        } else if compatible == PL031 {
            Some(&mut self.rtc)
        } else {
            None
        }
    }
}
