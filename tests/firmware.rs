//! Machines that firmware describes, recorded from guests and made like a board, through
//! `platform::describe_with`.
#![cfg(not(loom))]

mod firmware_support;

use baton::cpu::{CpuId, Mpidr};
use baton::fdt::{Checked, Properties as _, Tree};
use baton::interrupt::Interrupt;
use baton::memory::Range;
use baton::platform::early::Early;
use baton::platform::{Conduit, Console, Described, Frames, Gic, Machine, Uart};
use firmware_support::Guest;
use firmware_support::altra::{self, Altra};

/// True if nothing of a range may be given out.
fn is_closed(machine: &Machine, start: u64, size: u64) -> bool {
    let range = Range::new(start, start + size);
    let reserved = machine.reserved.iter().any(|r| r.range.covers(&range));
    reserved || !machine.memory.iter().any(|bank| bank.overlaps(&range))
}

fn mpidrs(machine: &Machine) -> Vec<u64> {
    let topology = &machine.topology;
    topology.cpus().map(|cpu| topology.mpidr(cpu).unwrap().value()).collect()
}

/// What all guests of QEMU have.
fn check_virt(Described { machine, warnings, .. }: &Described) {
    assert_eq!(warnings, &Vec::<String>::new());
    assert_eq!(machine.model, "ACPI: BOCHS BXPC");
    let base = Range::new(0x900_0000, 0x900_1000);
    let console = Console { base, interrupt: Some(Interrupt::level(33)), uart: Uart::Pl011 };
    assert_eq!(machine.console, Some(console));
    let redistributors = [Range::new(0x80a_0000, 0x900_0000)].into_iter().collect();
    let distributor = Range::new(0x800_0000, 0x801_0000);
    let frames = Frames::UpToLast;
    assert_eq!(machine.gic, Gic::V3 { distributor, redistributors, stride: None, frames });
    let timer = machine.timer;
    assert_eq!(
        (timer.physical_ppi, timer.virtual_ppi),
        (Interrupt::level(30), Interrupt::level(27))
    );
    assert_eq!(timer.hypervisor_ppi, Some(Interrupt::level(26)));
    assert_eq!((machine.virtio.len(), machine.rtc.as_ref()), (32, None));
    assert_eq!(machine.virtio[1].base, Range::new(0xa00_0200, 0xa00_0400));
    assert_eq!(machine.virtio[1].interrupt, Interrupt::level(49));
    assert_eq!(machine.clusters, []);
}

#[test]
fn four_cpus_at_el2() {
    let d = Guest::recorded("v4el2").machine(0);
    check_virt(&d);
    assert_eq!(mpidrs(&d.machine), [0, 1, 2, 3]);
    assert_eq!(d.machine.psci.conduit, Conduit::Smc);
    // RAM is 40000000-bfffffff, without runtime services and ACPI's tables.
    let memory = &d.machine.memory;
    assert_eq!(memory[0], Range::new(0x4000_0000, 0xb81a_0000));
    assert_eq!(memory.last().unwrap().end, 0xc000_0000);
    let bytes: u64 = memory.iter().map(Range::size).sum();
    assert_eq!(bytes, 0x8000_0000 - 0x1_0000 - 0x2f_0000 - 0x3e_0000);
    // The tables of LPIs that Linux has left, the list of these, and what the next Linux reads.
    for at in [0x401b_0000, 0x401c_0000, 0x401d_0000, 0x401e_0000, 0x401f_0000] {
        assert!(is_closed(&d.machine, at, 0x1_0000), "{at:#x}");
    }
    for page in [0x4017_4000, 0xb81b_3000, 0xbd29_1000, 0xb81a_d000] {
        assert!(is_closed(&d.machine, page, 0x1000), "{page:#x}");
    }
    assert!(!is_closed(&d.machine, 0x4017_5000, 0x1000));
}

/// Memory comes from UEFI's map: cells of the root that no memory node could use are no matter, neither
/// before there is a heap nor in the full reading.
#[test]
fn cells_of_a_root_without_memory_nodes_do_not_count() {
    let mut guest = Guest::recorded("v4el2");
    let sound = guest.tree.clone();
    let at = sound.windows(4).enumerate().filter(|(_, bytes)| *bytes == [0, 0, 0, 2]);
    guest.tree = at
        .map(|(at, _)| with_byte(&sound, at + 3, 3))
        .find(|tree| Checked::of(tree).is_ok_and(|tree| tree_says_three(&tree)))
        .expect("the root has cells");
    check_virt(&guest.machine(0));
    let tree = Checked::of(&guest.tree).unwrap();
    assert!(Early::look_with(tree, &guest.memory()).is_ok());
}

fn with_byte(tree: &[u8], at: usize, byte: u8) -> Vec<u8> {
    let mut tree = tree.to_vec();
    tree[at] = byte;
    tree
}

fn tree_says_three(tree: &Checked<'_>) -> bool {
    let root = Tree::of(tree);
    root.root().number("#size-cells") == Some(3)
}

#[test]
fn eighty_cpus() {
    let d = Guest::recorded("v80").machine(0x405);
    check_virt(&d);
    let wanted: Vec<u64> = (0..80).map(|i| (i / 16) << 8 | (i % 16)).collect();
    assert_eq!(mpidrs(&d.machine), wanted);
    assert_eq!(d.machine.topology.boot(), CpuId(69));
    // One table of properties and 80 of pending interrupts, in two runs.
    let runs = [0x4030_0000..0x4040_0000, 0x4080_0000..0x40c1_0000u64];
    for at in runs.into_iter().flat_map(|run| run.step_by(0x1_0000)) {
        assert!(is_closed(&d.machine, at, 0x1_0000), "{at:#x}");
    }
}

#[test]
fn the_array_of_configuration_tables_may_be_at_a_virtual_address() {
    let d = Guest::recorded("v4svam").machine(0);
    check_virt(&d);
    assert_eq!(mpidrs(&d.machine), [0, 1, 2, 3]);
    assert!(d.params.initrd.is_some());
}

#[test]
fn a_board_of_two_sockets() {
    let d = Altra::new().guest().machine(altra::BOOT);
    // The table of the console and the code of the devices both say 98.
    let shared = "\\_SB_.CL34.DU34: left out: interrupt 98 is used by another node too";
    assert_eq!(d.warnings, [shared]);
    let machine = &d.machine;
    assert_eq!(machine.model, "ACPI: AMPERE Altra");
    let mut wanted: Vec<u64> = altra::order().map(|n| altra::core(n).1).collect();
    wanted.extend([1 << 32, 1 << 32 | 0x100]);
    assert_eq!(mpidrs(machine), wanted);
    assert_eq!(machine.topology.boot_mpidr(), Mpidr::from_register(altra::BOOT));
    let Gic::V3 { distributor, redistributors, stride, frames } = &machine.gic else { panic!() };
    assert_eq!(distributor.start, 0x1001_0000_0000);
    assert_eq!(redistributors[1], Range::new(0x5001_0014_0000, 0x5001_0114_0000));
    assert_eq!((redistributors.len(), *stride, *frames), (2, None, Frames::UpToLast));
    let console = machine.console.unwrap();
    assert_eq!((console.base.start, console.uart), (0x1000_0260_0000, Uart::Pl011));
    assert_eq!(console.interrupt, Some(Interrupt::level(98)));
    assert_eq!((machine.psci.conduit, machine.virtio.len()), (Conduit::Smc, 0));
}

/// The CPUs of a DSU are those that the tables name beside the unit, whatever the CPUs' numbers are.
#[test]
fn each_unit_with_monitors_has_the_cpus_beside_it() {
    let d = Altra::new().guest().machine(altra::BOOT);
    // The last one says that it is not there.
    let units = (0..39).filter(|n| *n != 34);
    assert_eq!(d.machine.clusters.len(), 38);
    for (n, cluster) in units.zip(&d.machine.clusters) {
        let topology = &d.machine.topology;
        let values = cluster.cpus.iter().map(|cpu| topology.mpidr(cpu).unwrap().value());
        let mut values: Vec<u64> = values.collect();
        values.sort_unstable();
        assert_eq!(values, [(n as u64) << 16, (n as u64) << 16 | 0x100]);
        assert_eq!(cluster.interrupt, Interrupt::level(64 + n as u32));
        assert_eq!(cluster.name, format!("\\_SB_.CL{n:02}.DU{n:02}"));
        assert!(!cluster.emulate);
    }
}

#[test]
fn what_two_pages_of_linux_reserve_is_kept() {
    let d = Altra::new().guest().machine(altra::BOOT);
    for n in 0..260 {
        assert!(is_closed(&d.machine, 0x81_0000_0000 + n * 0x1_0000, 0x1_0000), "{n}");
    }
    assert!(!is_closed(&d.machine, 0x81_0000_0000 + 260 * 0x1_0000, 0x1_0000));
    for at in [altra::ROOT, altra::ELEMENTS[0], altra::ELEMENTS[1], altra::MAP, altra::INITRD] {
        assert!(is_closed(&d.machine, at & !0xfff, 0x1000), "{at:#x}");
    }
    // 200 entries of 40 bytes from 0x518 on end in the third page.
    assert!(is_closed(&d.machine, altra::MEMATTR & !0xfff, 0x3000));
    assert!(!is_closed(&d.machine, (altra::MEMATTR & !0xfff) + 0x3000, 0x1000));
}

#[test]
fn fragments_in_any_order_are_joined() {
    let d = Altra::new().guest().machine(altra::BOOT);
    let banks = [(0x9000_0000, 0xb800_0000), (0x80_0000_0000, 0x90_0000_0000)];
    let banks = banks.map(|(start, end)| Range::new(start, end));
    assert_eq!(d.machine.memory, banks);
}

/// The reading without a heap finds the same, and a place that nothing else has.
#[test]
fn a_heap_has_room_before_there_is_one() {
    for (guest, boot) in [
        (Guest::recorded("v4el2"), 0),
        (Guest::recorded("v80"), 0),
        (Guest::recorded("v4svam"), 0),
        (Altra::new().guest(), altra::BOOT),
    ] {
        let (d, memory) = (guest.machine(boot), guest.memory());
        let early = Early::look_with(Checked::of(&guest.tree).unwrap(), &memory).unwrap();
        assert_eq!(early.gic.as_ref(), Some(&d.machine.gic));
        assert_eq!(early.ram_bytes(), d.machine.memory.iter().map(Range::size).sum::<u64>());
        let heap = early.highest_free(16 << 20, 2 << 20, &|_| {}).unwrap();
        assert!(d.machine.memory.iter().any(|bank| bank.covers(&heap)), "{heap}");
        assert!(d.machine.reserved.iter().all(|r| !r.range.overlaps(&heap)), "{heap}");
        assert!(d.params.initrd.is_none_or(|initrd| !initrd.overlaps(&heap)), "{heap}");
        assert!(early.ram_at(Range::new(0xbc00_0000, 0xbc00_1000)).is_some());
        assert!(early.ram_at(Range::new(0x900_0000, 0x900_1000)).is_none());
    }
}
