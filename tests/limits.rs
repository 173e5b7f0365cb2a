//! Each limit that doc/limits.md states of a device tree: reached, and one past it. Those of the tree
//! as a whole are in the guest tests, family `large`.
#![cfg(not(loom))]

mod fdt_support;

use std::fmt::Write as _;

use baton::config::{MAX_CPUS, MAX_HANDOVER, MAX_VIRTIO, PHYSICAL_END};
use baton::cpu::Mpidr;
use baton::platform::{self, Described, Gic, MAX_CLUSTER_CPUS, MAX_REGIONS};
use fdt_support::changed;

/// The small machine of the fixtures with these changes; it must come up.
fn described(changes: &str) -> Described {
    let tree = changed("", changes);
    platform::describe(&tree, Mpidr::from_register(0)).unwrap()
}

/// True if a warning has all of these words.
fn warns(described: &Described, words: &[&str]) -> bool {
    described.warnings.iter().any(|warning| words.iter().all(|word| warning.contains(word)))
}

#[test]
fn as_many_cpus_as_one_kernel_can_drive_and_one_more() {
    for cpus in [MAX_CPUS, MAX_CPUS + 1] {
        let mut nodes = String::new();
        // The machine has the first two.
        for cpu in 2..cpus {
            let mpidr = cpu / 16 * 256 + cpu % 16;
            writeln!(
                nodes,
                "cpu@{mpidr:x} {{ device_type = \"cpu\"; compatible = \"arm,armv8\"; \
                 enable-method = \"psci\"; reg = <{mpidr:#x}>; }};"
            )
            .unwrap();
        }
        let d = described(&format!("/ {{ cpus {{ {nodes} }}; }};"));
        let there = d.machine.topology.len();
        assert_eq!(there, MAX_CPUS, "{cpus} CPUs");
        let too_many = format!("{} CPUs", MAX_CPUS + 1);
        assert_eq!(warns(&d, &[&too_many, "are used"]), cpus > MAX_CPUS, "{:?}", d.warnings);
    }
}

#[test]
fn as_many_places_for_virtio_devices_as_are_looked_at_and_one_more() {
    for places in [MAX_VIRTIO, MAX_VIRTIO + 1] {
        let mut nodes = String::new();
        for place in 0..places {
            let at = 0xc00_0000 + place * 0x200;
            let (reg, interrupt) = (format!("<0 {at:#x} 0 0x200>"), 16 + place);
            writeln!(
                nodes,
                "virtio@{at:x} {{ compatible = \"virtio,mmio\"; reg = {reg}; \
                 interrupts = <0 {interrupt} 1>; }};"
            )
            .unwrap();
        }
        let d = described(&format!("/ {{ {nodes} }};"));
        assert_eq!(d.machine.virtio.len(), MAX_VIRTIO, "{places}: {:?}", d.warnings);
        assert_eq!(warns(&d, &["places for devices", "are used"]), places > MAX_VIRTIO);
    }
}

#[test]
fn as_many_redistributor_regions_as_are_used_and_one_more() {
    for regions in [MAX_REGIONS, MAX_REGIONS + 1] {
        let mut reg = String::from("<0 0x8000000 0 0x10000>");
        for region in 0..regions {
            write!(reg, ", <0 {:#x} 0 0x20000>", 0x1000_0000 + region * 0x2_0000).unwrap();
        }
        let gic = format!("reg = {reg}; #redistributor-regions = <{regions}>;");
        let d = described(&format!("&gic {{ {gic} }};"));
        let Gic::V3 { redistributors, .. } = &d.machine.gic else { panic!("{:?}", d.machine.gic) };
        assert_eq!(redistributors.len(), MAX_REGIONS);
        assert_eq!(warns(&d, &["redistributor", "too many"]), regions > MAX_REGIONS);
    }
}

#[test]
fn a_bank_that_ends_where_the_map_of_memory_ends_and_one_a_page_higher() {
    for (end, used) in [(PHYSICAL_END, true), (PHYSICAL_END + 0x1000, false)] {
        let start = PHYSICAL_END - 0x1000_0000;
        let cells = [start >> 32, start & 0xffff_ffff, 0, end - start];
        let [a, b, c, d] = cells.map(|cell| format!("{cell:#x}"));
        let node = format!("memory@f {{ device_type = \"memory\"; reg = <{a} {b} {c} {d}>; }};");
        let d = described(&format!("/ {{ {node} }};"));
        assert_eq!(d.machine.memory.iter().any(|bank| bank.start == start), used);
        assert_eq!(warns(&d, &["memory@f", "left out"]), !used, "{:?}", d.warnings);
    }
}

#[test]
fn a_handover_as_large_as_one_can_be_and_a_page_larger() {
    for (size, used) in [(MAX_HANDOVER, true), (MAX_HANDOVER + 0x1000, false)] {
        let place = format!("baton,handover = <0 0x44000000 0 {size:#x}>;");
        let d = described(&format!("/ {{ chosen {{ {place} }}; }};"));
        assert_eq!(d.params.handover.is_some(), used, "{:?}", d.warnings);
        assert_eq!(warns(&d, &["baton,handover"]), !used, "{:?}", d.warnings);
    }
}

#[test]
fn a_cluster_of_as_many_cpus_as_one_unit_can_have_and_one_more() {
    for cpus in [MAX_CLUSTER_CPUS, MAX_CLUSTER_CPUS + 1] {
        let (mut nodes, mut cells) = (String::new(), String::from("<&cpu0>"));
        for cpu in 1..cpus {
            writeln!(
                nodes,
                "c{cpu}: cpu@{cpu:x}00 {{ device_type = \"cpu\"; compatible = \"arm,armv8\"; \
                 enable-method = \"psci\"; reg = <{:#x}>; }};",
                cpu * 256
            )
            .unwrap();
            write!(cells, ", <&c{cpu}>").unwrap();
        }
        let unit = "compatible = \"arm,dsu-pmu\"; interrupts = <0 90 4>;";
        let tree = format!("/ {{ cpus {{ {nodes} }}; dsu-pmu {{ {unit} cpus = {cells}; }}; }};");
        let d = described(&tree);
        assert_eq!(d.machine.clusters.len() == 1, cpus <= MAX_CLUSTER_CPUS, "{:?}", d.warnings);
        assert_eq!(warns(&d, &["dsu-pmu", "more than"]), cpus > MAX_CLUSTER_CPUS);
    }
}
