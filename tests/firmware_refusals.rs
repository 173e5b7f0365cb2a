//! Tables that are wrong: what is refused, and what is left out of the machine with a warning.
#![cfg(not(loom))]

mod firmware_support;

use baton::cpu::Mpidr;
use baton::fdt::Checked;
use baton::interrupt::Interrupt;
use baton::memory::Range;
use baton::platform::early::Early;
use baton::platform::{Described, Frames, Gic, Uart};
use dtoolkit::model::DeviceTreeNode;
use firmware_support::Guest;
use firmware_support::altra::{Altra, BOOT, ELEMENTS, MAP, ROOT, RUNTIME, SYSTEM, TABLES, WB};
use firmware_support::build::*;

/// A small machine: three CPUs, of which the last boots.
fn small(redistributors: [u64; 3], flags: [u32; 3], more: &[Vec<u8>]) -> Altra {
    let cpus = [0, 1, BOOT].into_iter().zip(redistributors).zip(flags).zip(10..);
    let cpus = cpus.map(|(((mpidr, frame), flags), uid)| gicc(uid, flags, mpidr, frame));
    Altra::with_parts(cpus.chain([gicd(0x800_0000, 3)]).chain(more.to_vec()).collect())
}

fn ranged(flags: [u32; 3], more: &[Vec<u8>]) -> Altra {
    small([0; 3], flags, &[more, &[gicr(0x80a_0000, 0xf6_0000)]].concat())
}

fn read(altra: &Altra) -> Described {
    altra.guest().machine(BOOT)
}

fn cpus(d: &Described) -> usize {
    d.machine.topology.len()
}

#[track_caller]
fn refused(altra: &Altra, why: &str) {
    let text = altra.guest().refusal(BOOT);
    assert!(text.starts_with("firmware: ") && text.contains(why), "{text}");
}

#[track_caller]
fn warned(d: &Described, what: &str) {
    assert!(d.warnings.iter().any(|w| w.contains(what)), "{what:?} is not in {:?}", d.warnings);
}

fn same(_: &mut Altra) {}

fn changed(change: impl Fn(&mut Altra)) -> Altra {
    let mut altra = Altra::new();
    change(&mut altra);
    altra
}

#[test]
fn what_linux_refuses_is_refused() {
    assert!(changed(same).guest().describe(BOOT).is_ok());
    refused(&changed(|a| a.fadt.0 = 0), "reduced");
    refused(&changed(|a| (a.fadt.2, a.fadt.3) = (0, 5)), "ACPI 5.0");
    assert!(changed(|a| (a.fadt.2, a.fadt.3) = (1, 5)).guest().describe(BOOT).is_ok());
    assert!(changed(|a| (a.fadt.2, a.fadt.3) = (0, 6)).guest().describe(BOOT).is_ok());
    refused(&changed(|a| a.fadt.1 = 2), "no PSCI");
    refused(&changed(|a| a.gtdt = gtdt([29, 30, 0, 26], 0)), "virtual timer's interrupt 0");
    refused(&changed(|a| a.gtdt = gtdt([29, 32, 27, 26], 0)), "physical timer's interrupt 32");
    refused(&changed(|a| a.gtdt.truncate(20)), "GTDT");
    refused(&changed(|a| a.parts.retain(|part| part[0] != 0x0c)), "no interrupt controller");
    refused(&changed(|a| a.parts.retain(|part| part[0] != 0x0e)), "redistributor");
    refused(&changed(|a| _ = a.tables.remove(0)), "RSDP");
    refused(&changed(|a| a.map.retain(|entry| !matches!(entry[0], 1..=4 | 7))), "UEFI");
}

#[test]
fn timers_are_those_of_the_table() {
    let azure = read(&changed(|a| a.gtdt = gtdt([0, 19, 20, 21], 1))).machine.timer;
    assert_eq!((azure.physical_ppi, azure.virtual_ppi), (Interrupt::edge(19), Interrupt::edge(20)));
    assert_eq!(azure.hypervisor_ppi, Some(Interrupt::edge(21)));
    let guest = read(&changed(|a| a.gtdt = gtdt([29, 30, 27, 0], 0)));
    assert_eq!(guest.machine.timer.hypervisor_ppi, None);
    warned(&read(&changed(|a| a.gtdt = gtdt([29, 30, 27, 99], 0))), "no hypervisor timer");
}

#[test]
fn a_part_without_a_length_ends_the_walk_with_an_error() {
    for length in [0, 1, 255] {
        let mut altra = Altra::new();
        let last = altra.parts.last_mut().unwrap();
        last[1] = length;
        refused(&altra, "the length of the part");
    }
    let short = fields(20, &[(0, &[0x0b, 20])]);
    let d = read(&ranged([1; 3], &[short]));
    warned(&d, "MADT GICC at offset");
    assert_eq!(cpus(&d), 3);
}

#[test]
fn of_two_cpus_with_one_name_or_affinity_the_second_is_left_out() {
    let d = read(&ranged([1; 3], &[gicc(12, 1, 7, 0), gicc(13, 1, 1, 0), gicc(14, 1, 2, 0)]));
    assert_eq!(cpus(&d), 4);
    warned(&d, "MADT GICC, UID 12: left out: another CPU has this UID too");
    warned(&d, "MADT GICC, UID 13: left out: another CPU has MPIDR 0x1 too");
    let d = read(&ranged([1; 3], &[gicc(15, 1, 0xff00_0000_0000_0001, 0)]));
    warned(&d, "UID 15: left out: 0xff00000000000001 is no MPIDR");
}

#[test]
fn a_cpu_that_may_come_later_is_counted_and_not_started() {
    let d = read(&ranged([0, 8, 1], &[]));
    assert_eq!((cpus(&d), d.machine.topology.boot_mpidr()), (1, Mpidr::from_register(BOOT)));
    warned(&d, "1 CPUs are not there yet (the first has UID 11)");
    assert_eq!(d.warnings.len(), 1, "of a CPU that is not there at all nothing is said");
}

#[test]
fn if_the_table_does_not_know_the_cpu_that_runs_no_other_is_started() {
    let d = Altra::new().guest().machine(0x77_0000);
    assert_eq!((cpus(&d), d.machine.topology.boot_mpidr()), (1, Mpidr::from_register(0x77_0000)));
    warned(&d, "no other CPU is started");
}

#[test]
fn redistributors_that_cpus_name_are_only_those_of_cpus_that_are_there() {
    let v3 = |d: &Described| match d.machine.gic.clone() {
        Gic::V3 { redistributors, stride, frames, .. } => (redistributors.to_vec(), stride, frames),
        Gic::V2 { .. } => panic!(),
    };
    // Neighbours, then with one in between that is not there, then far apart.
    let near = read(&small([0x8_0000, 0xa_0000, 0xc_0000], [1; 3], &[]));
    let whole = (vec![Range::new(0x8_0000, 0xe_0000)], Some(0x2_0000), Frames::Each);
    assert_eq!(v3(&near), whole);
    let hole = read(&small([0x8_0000, 0xa_0000, 0xc_0000], [1, 8, 1], &[]));
    let parts = vec![Range::new(0x8_0000, 0xa_0000), Range::new(0xc_0000, 0xe_0000)];
    assert_eq!(v3(&hole), (parts, Some(0x2_0000), Frames::Each));
    let v4 = read(&small([0x10_0000, 0x8_0000, 0xc_0000], [1; 3], &[]));
    let wide = (vec![Range::new(0x8_0000, 0x12_0000)], Some(0x4_0000), Frames::Each);
    assert_eq!(v3(&v4), wide);
    // With a range, what the CPUs name counts for nothing.
    let both = read(&small([0x8_0000; 3], [1; 3], &[gicr(0x100_0000, 0x6_0000)]));
    assert_eq!(v3(&both), (vec![Range::new(0x100_0000, 0x106_0000)], None, Frames::UpToLast));
    let lacking = read(&small([0, 0x8_0001, 0xc_0000], [1; 3], &[]));
    assert_eq!((cpus(&lacking), lacking.warnings.len()), (1, 2));
    warned(&lacking, "UID 11: left out: 0x80001 is no redistributor");
}

#[test]
fn odd_ranges_and_a_second_distributor_are_left_out() {
    let odd = [gicr(0x80a_0001, 0x2_0000), gicr(0x90a_0000, 0x1_0000), gicr(!0xffff, 0x10_0000)];
    let d = read(&ranged([1; 3], &[&odd[..], &[gicd(0x900_0000, 3)]].concat()));
    let Gic::V3 { distributor, redistributors, .. } = &d.machine.gic else { panic!() };
    assert_eq!((redistributors.len(), distributor.start, d.warnings.len()), (1, 0x800_0000, 4));
    let many: Vec<Vec<u8>> = (1..80).map(|n| gicr(n << 24, 0x2_0000)).collect();
    warned(&read(&ranged([1; 3], &many)), "more than 64");
}

#[test]
fn a_gicv2_has_its_interface_in_the_cpus_parts() {
    let cpu = [gicc(0, 1, BOOT, 0)];
    for version in [0, 1, 2] {
        let parts = [&cpu[..], &[gicd(0x800_0000, version)]].concat();
        let distributor = Range::new(0x800_0000, 0x800_1000);
        let cpu_interface = Range::new(0x801_0000, 0x801_2000);
        let wanted = Gic::V2 { distributor, cpu_interface };
        assert_eq!(read(&Altra::with_parts(parts)).machine.gic, wanted);
    }
    refused(&Altra::with_parts([&cpu[..], &[gicd(0x800_0000, 9)]].concat()), "no interrupt");
    refused(
        &Altra::with_parts([&cpu[..], &[gicd(0, 3), gicr(0x80a_0000, 0x2_0000)]].concat()),
        "GICD",
    );
}

#[test]
fn the_console_is_the_first_port_that_has_a_driver() {
    let with = |kind, address: Vec<u8>, gsiv| {
        let mut altra = Altra::new().without(b"SPCR");
        altra.more.push((*b"SPCR", spcr(kind, &address, gsiv)));
        read(&altra)
    };
    let aws = with(0, gas(0, 8, 1, 0x90a_0000), 40);
    warned(&aws, "SPCR: a 16550 (stride 1, accesses of 1 bytes) at 0x90a0000 is not used");
    assert_eq!(aws.machine.console.unwrap().base.start, 0x1000_0262_0000, "of DBG2");
    warned(&with(0x12, gas(0, 32, 3, 0x90a_0000), 40), "a 16550 (stride 4, accesses of 4 bytes)");
    warned(&with(0x0f, gas(0, 32, 3, 0x90a_0000), 40), "a port of type 0xf");
    let sbsa = with(0x0d, gas(0, 8, 1, 0x90a_0000), 40).machine.console.unwrap();
    assert_eq!((sbsa.uart, sbsa.interrupt), (Uart::Sbsa, Some(Interrupt::level(40))));
    let polled = with(3, gas(0, 32, 3, 0x90a_0000), 30);
    assert_eq!(polled.machine.console.unwrap().interrupt, None);
    warned(&polled, "no usable interrupt");
    warned(&with(3, gas(1, 8, 1, 0x3f8), 4), "SPCR: the address space is 0x1");
    let none = read(&Altra::new().without(b"SPCR").without(b"DBG2"));
    assert_eq!((none.machine.console, none.warnings.len()), (None, 0));
}

#[test]
fn tables_must_be_whole() {
    let guest = Altra::new().guest();
    let breaks = |signature: &[u8], offset: usize| {
        let mut guest = guest.clone();
        let table = guest.writes.iter_mut().find(|(_, bytes)| bytes.starts_with(signature));
        table.unwrap().1[offset] ^= 1;
        guest
    };
    for needed in [&b"RSD PTR "[..], b"XSDT", b"FACP", b"APIC", b"GTDT"] {
        let text = breaks(needed, 17).refusal(BOOT);
        assert!(text.contains("the checksum is wrong"), "{text}");
    }
    for optional in [&b"SPCR"[..], b"DSDT"] {
        let d = breaks(optional, 37).machine(BOOT);
        warned(&d, "the checksum is wrong");
    }
    for length in [4, 7] {
        let text = breaks(b"APIC", length).refusal(BOOT);
        assert!(text.contains("MADT"), "{text}");
    }
    assert!(breaks(b"IBI SYST", 0).refusal(BOOT).contains("another signature"));
}

/// What firmware keeps to itself is never touched, whatever points there.
#[test]
fn tables_are_read_only_where_the_map_has_memory() {
    for (kind, attribute) in [(11, WB), (8, WB), (9, 1), (15, WB), (0x7000_0000, WB)] {
        let mut altra = Altra::new();
        altra.map.retain(|entry| entry[0] != 9);
        altra.map.push(entry(kind, TABLES, 0, 0x0100_0000, attribute));
        refused(&altra, "not in memory");
    }
    refused(&changed(|a| a.map.push(entry(11, TABLES + 0x1000, 0, 0x10_0000, 1))), "not in memory");
    let mut guest = Altra::new().guest();
    guest.tree = tree(&Chosen { map: MAP + 0x1000_0000, ..Altra::new().chosen() }, &[]);
    assert!(guest.refusal(BOOT).contains("UEFI memory map: not in memory"));
}

#[test]
fn a_map_or_an_envelope_that_cannot_be_read_is_refused() {
    let with = |change: fn(&mut Chosen)| {
        let (altra, mut guest) = (Altra::new(), Altra::new().guest());
        let mut chosen = altra.chosen();
        change(&mut chosen);
        guest.tree = tree(&chosen, &[]);
        guest.refusal(BOOT)
    };
    assert!(with(|c| c.stride = 39).contains("the size of an entry is 0x27"));
    assert!(with(|c| c.stride = 0).contains("the size of an entry"));
    assert!(with(|c| c.size = 47).contains("the size is 0x2f"));
    assert!(with(|c| c.size = u32::MAX).contains("the size is"));
    assert!(with(|c| c.system_table = SYSTEM + 8).contains("another signature"));
    let mut guest = Altra::new().guest();
    let name = b"linux,uefi-mmap-desc-size";
    let at = guest.tree.windows(name.len()).position(|w| w == name).unwrap();
    guest.tree[at] = b'x';
    assert!(guest.refusal(BOOT).contains("/chosen lacks linux,uefi-mmap-desc-size"));
    let early = Early::look_with(Checked::of(&guest.tree).unwrap(), &guest.memory()).err();
    assert!(early.unwrap().to_string().contains("/chosen lacks"));
}

/// What the map calls free in one place and taken in another is taken.
#[test]
fn contradictions_of_the_map_are_taken_memory() {
    let hole = Range::new(0x80_4000_0000, 0x80_4000_1000);
    let altra = changed(|a| a.map.push(entry(5, hole.start, 0, 0x1000, WB | RUNTIME)));
    let d = read(&altra);
    assert!(!d.machine.memory.iter().any(|bank| bank.overlaps(&hole)));
    assert_eq!(d.machine.memory.len(), 3);
    let odd = changed(|a| a.map.push(entry(7, 0xff_ffff_f000_0123, 0, 0x1000, WB)));
    warned(&read(&odd), "UEFI memory map");
    let endless = changed(|a| a.map.push(entry(7, 0x1_0000_0000, 0, !0xfff, WB)));
    assert_eq!(read(&endless).machine.memory.len(), 2);
    let special = changed(|a| a.map.push(entry(7, 0x2_0000_0000, 0, 0x10_0000, WB | 0x40000)));
    assert_eq!(read(&special).machine.memory.len(), 2);
}

#[test]
fn what_linux_has_reserved_must_be_readable() {
    let with = |at: u64, bytes: Vec<u8>| {
        changed(|a| {
            a.writes.retain(|(written, _)| *written != at);
            a.writes.push((at, bytes.clone()));
        })
    };
    refused(&with(ROOT, element(0, ROOT, &[])), "no end");
    refused(&with(ELEMENTS[1], element(255, ELEMENTS[0], &[])), "no end");
    refused(&with(ELEMENTS[0], element(1, 0, &[(0, 1), (2, 3)])), "the number of ranges");
    refused(&with(ELEMENTS[0], element(u32::MAX, 0, &[])), "the size of an element");
    refused(&with(ROOT, element(0, 0x1000, &[])), "LINUX_EFI_MEMRESERVE: not in memory");
    let guest = with(ROOT, element(0, ROOT, &[])).guest();
    let early = Early::look_with(Checked::of(&guest.tree).unwrap(), &guest.memory()).err();
    assert!(early.unwrap().to_string().contains("no end"));
    let all = read(&with(ELEMENTS[1], element(255, 0, &[(0x80_0000_0000, u64::MAX)])));
    assert!(all.machine.reserved.iter().any(|r| r.range.end == u64::MAX), "kept to the end");
}

/// A tree that describes a machine is that machine's description, but for the memory.
#[test]
fn with_another_node_at_the_root_the_tree_counts() {
    let with = |name: &str| {
        let mut guest = Altra::new().guest();
        guest.tree = tree(&Altra::new().chosen(), &[DeviceTreeNode::new_unchecked(name)]);
        guest
    };
    let text = with("baton").refusal(BOOT);
    assert_eq!(text, "device tree: no interrupt controller that is a GICv2 or GICv3");
    assert!(with("hypervisor").describe(BOOT).is_err(), "not Xen's");
    let nothing: Guest = with("memory@0");
    assert!(nothing.refusal(BOOT).starts_with("device tree"));
}

#[test]
fn registers_in_ram_are_refused() {
    let more = [gicr(0x9100_0000, 0x20_0000)];
    refused(&small([0; 3], [1; 3], &more), "the GIC's registers at 0x91000000");
    let mut altra = Altra::new().without(b"SPCR");
    altra.more.push((*b"SPCR", spcr(3, &gas(0, 32, 3, TABLES), 40)));
    refused(&altra, "the console's registers");
}
