//! Clusters in the device trees under `dts/fixtures`: those that can be used, and one warning for
//! each that cannot.
#![cfg(not(loom))]

mod fdt_support;

use baton::cpu::Mpidr;
use baton::interrupt::Interrupt;
use baton::platform::{self, Cluster, Described};
use fdt_support::dtb;

fn describe(name: &str) -> Described {
    platform::describe(&dtb(name), Mpidr::from_register(0)).unwrap()
}

fn clusters(d: &Described) -> Vec<(&str, u32, String)> {
    let one = |c: &Cluster| c.cpus.ranges().to_string();
    d.machine.clusters.iter().map(|c| (c.name.as_str(), c.interrupt.intid, one(c))).collect()
}

#[test]
fn clusters_keep_the_cpus_that_are_used() {
    let d = describe("good-clusters");
    assert_eq!((d.machine.topology.len(), d.warnings.len()), (6, 0), "{:?}", d.warnings);
    let expected = [
        ("dsu-pmu-0", 209, "2-3".to_string()),
        ("dsu-pmu-1", 208, "4".to_string()),
        ("dsu-pmu-2", 1019, "0-1".to_string()),
    ];
    assert_eq!(clusters(&d), expected);
    assert!(describe("good-virt-gicv3-4").machine.clusters.is_empty());
}

#[test]
fn registers_are_emulated_where_the_tree_asks() {
    let asked: Vec<bool> =
        describe("good-clusters").machine.clusters.iter().map(|c| c.emulate).collect();
    assert_eq!(asked, [true, false, false]);
}

#[test]
fn an_overflow_interrupt_has_the_trigger_of_its_line() {
    let of = |name| describe(name).machine.clusters.iter().map(|c| c.interrupt).collect::<Vec<_>>();
    assert_eq!(of("good-triggers"), [Interrupt::edge(208)]);
    assert_eq!(of("good-clusters"), [209, 208, 1019].map(Interrupt::level));
}

#[test]
fn clusters_that_cannot_be_used_are_left_out() {
    let d = describe("odd-clusters");
    let expected = [("good", 208, "0".to_string()), ("good-too", 209, "1".to_string())];
    assert_eq!(clusters(&d), expected);
    let warnings = [
        "/cpus/cpu@2: left out: enable-method is spin-table, not psci",
        "/no-interrupt: left out: it has no interrupt",
        "/private: left out: its interrupt is no shared interrupt of the GIC",
        "/two-interrupts: left out: it has 2 interrupts, not one",
        "/no-cpus: left out: cpus has 0 bytes, which is no list of phandles",
        "/torn: left out: cpus has 3 bytes, which is no list of phandles",
        "/stranger: left out: phandle 0x1 in cpus is no CPU's",
        "/dangling: left out: phandle 0xdead in cpus is no CPU's",
        "/crowd: left out: it has 9 CPUs, more than 8",
        "/twice: left out: CPU 0 is listed twice",
        "/unusable: left out: none of its CPUs can be used",
        "/same-cpu: left out: CPU 0 is in another cluster too",
        "/same-interrupt: left out: interrupt 208 is used by another node too",
        "/the-consoles: left out: interrupt 33 is used by another node too",
    ];
    assert_eq!(d.warnings, warnings);
}
