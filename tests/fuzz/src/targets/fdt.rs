//! Device trees: reading them, and the machine that they describe.

use std::collections::BTreeSet;

use baton::config::{MAX_BOOTARGS_READ, MAX_CPUS, MAX_DTB, PAGE};
use baton::cpu::{CpuMask, Mpidr};
use baton::fdt::{self, ADDRESS_END, Blocks, Checked, FdtError, Properties, Tree, regions};
use baton::interrupt::Interrupt;
use baton::kernel::layout::{Left, Present, heap_place};
use baton::kernel::layout::{STACK_SLOT, lay_out};
use baton::memory::{Map, Owner, Ram, Range};
use baton::platform::early::{self, Early};
use baton::platform::{self, Described, Gic};

use super::check_message;

/// Any tree: its form, then what it describes for two boot CPUs, then how memory is laid out.
pub fn fdt(dtb: &[u8]) -> bool {
    let tree = match Tree::read(dtb) {
        Ok(tree) => tree,
        Err(error) => {
            check_message(&error);
            assert!(!matches!(error, FdtError::Unreadable(_)), "{error}: the check let it pass");
            assert_eq!(fdt::used_size(dtb).err(), Some(error.clone()));
            assert!(platform::describe(dtb, Mpidr::from_register(0)).is_err());
            return false;
        }
    };
    check_tree(&tree);
    check_copy(&tree, dtb);
    check_console(dtb);
    [0, 0x100].map(|boot| described(dtb, Mpidr::from_register(boot))).contains(&true)
}

fn described(dtb: &[u8], boot: Mpidr) -> bool {
    match platform::describe(dtb, boot) {
        Ok(description) => {
            check_description(&description, boot);
            check_layout(&description, dtb);
            true
        }
        Err(error) => {
            check_message(error);
            false
        }
    }
}

/// There is a console of last resort if the machine has one.
fn check_console(dtb: &[u8]) {
    let found = early::console(Blocks::of_any(dtb).expect("what can be read has blocks"));
    let machine = platform::describe(dtb, Mpidr::from_register(0));
    if let Some(console) = machine.ok().and_then(|described| described.machine.console) {
        assert!(found.is_some(), "{console:?} is not found");
    }
}

fn check_tree(tree: &Tree<'_>) {
    for node in tree.nodes() {
        // Not always the node itself: a part without a unit address finds the first of that name,
        // and nothing is found below the second of two twins.
        if let Some(found) = tree.find(&node.path()) {
            assert_eq!(found.base_name(), node.base_name());
        }
        for region in regions(node).into_iter().flatten().flatten() {
            assert!(region.start <= region.end && region.end <= ADDRESS_END);
        }
        for (name, value) in node.properties() {
            assert!(!name.is_empty() && value.len() < MAX_DTB);
        }
    }
}

/// A compact copy reads the same.
fn check_copy(tree: &Tree<'_>, dtb: &[u8]) {
    let copy = fdt::compact(dtb).expect("what can be read can be copied");
    assert!(copy.len() <= dtb.len());
    let again = Tree::read(&copy).expect("a copy can be read");
    assert!(tree.nodes().map(|n| n.path()).eq(again.nodes().map(|n| n.path())));
    let properties = |node: baton::fdt::Node<'_>| -> Vec<(String, Vec<u8>)> {
        node.properties().map(|(name, value)| (name.into(), value.into())).collect()
    };
    assert!(tree.nodes().map(properties).eq(again.nodes().map(properties)));
    assert!(tree.reservations().eq(again.reservations()));
    assert_eq!(fdt::compact(&copy).as_ref(), Ok(&copy));
}

/// What [`Described`] promises.
pub(super) fn check_description(d: &Described, boot: Mpidr) {
    assert!(
        !d.machine.memory.is_empty()
            && d.machine.memory.iter().all(|r| !r.is_empty() && r.end <= ADDRESS_END)
    );
    assert!(d.machine.memory.windows(2).all(|pair| pair[0].end < pair[1].start));
    let in_ram = |range: &Range| d.machine.memory.iter().any(|ram| ram.covers(range));
    assert!(d.params.initrd.iter().chain(&d.params.handover).all(|r| !r.is_empty() && in_ram(r)));
    assert!(d.machine.reserved.iter().all(|r| r.range.end <= ADDRESS_END && !r.range.is_empty()));
    assert!(d.params.bootargs.bytes().len() <= MAX_BOOTARGS_READ);
    d.warnings.iter().for_each(check_message);
    assert!(!d.machine.model.contains(char::is_control));
    check_cpus(d, boot);
    check_interrupts(d);
}

fn check_cpus(d: &Described, boot: Mpidr) {
    let mpidrs: BTreeSet<_> =
        d.machine.topology.cpus().map(|cpu| d.machine.topology.mpidr(cpu).unwrap()).collect();
    assert!(mpidrs.len() == d.machine.topology.len() && (1..=MAX_CPUS).contains(&mpidrs.len()));
    assert_eq!(d.machine.topology.mpidr(d.machine.topology.boot()), Some(boot));
    let mut seen = CpuMask::new();
    for cluster in &d.machine.clusters {
        assert!((1..=platform::MAX_CLUSTER_CPUS).contains(&cluster.cpus.len()));
        assert!(cluster.cpus.and(&seen).is_empty());
        assert!(cluster.cpus.iter().all(|cpu| cpu.index() < d.machine.topology.len()));
        cluster.cpus.iter().for_each(|cpu| seen.insert(cpu));
    }
}

fn check_interrupts(d: &Described) {
    let ppi = |of: Interrupt| (16..32).contains(&of.intid);
    assert!(ppi(d.machine.timer.virtual_ppi) && ppi(d.machine.timer.physical_ppi));
    assert!(d.machine.timer.hypervisor_ppi.is_none_or(ppi));
    let registers = d
        .machine
        .console
        .iter()
        .map(|c| c.base)
        .chain(d.machine.rtc.iter().chain(&d.machine.virtio).map(|d| d.base));
    for base in registers {
        assert!(
            !base.is_empty() && !d.machine.memory.iter().any(|ram| ram.overlaps(&base)),
            "{base}"
        );
    }
    let devices = d.machine.rtc.iter().chain(&d.machine.virtio).map(|device| device.interrupt);
    let shared = devices.chain(d.machine.console.iter().filter_map(|console| console.interrupt));
    assert!(
        shared
            .chain(d.machine.clusters.iter().map(|c| c.interrupt))
            .all(|i| (32..1020).contains(&i.intid))
    );
    let clusters: BTreeSet<u32> =
        d.machine.clusters.iter().map(|cluster| cluster.interrupt.intid).collect();
    assert!(clusters.len() == d.machine.clusters.len());
    match &d.machine.gic {
        Gic::V2 { distributor, cpu_interface } => {
            assert!(!distributor.is_empty() && !cpu_interface.is_empty());
        }
        Gic::V3 { distributor, redistributors, .. } => {
            assert!(!distributor.is_empty() && !redistributors.is_empty());
            assert!(redistributors.iter().all(|r| !r.is_empty()));
        }
    }
}

/// What the kernel takes at start lies in RAM, apart from each other, and in no reservation but
/// that of the handover. The heap's place was chosen before the tree was read as a whole.
fn check_layout(d: &Described, bytes: &[u8]) {
    let ram = d.machine.memory[0];
    let image = Range::new(ram.start, ram.start.saturating_add(2 << 20));
    let dtb = Range::new(image.end, image.end + (64 << 10));
    let checked = Checked::of(bytes).expect("what can be read passes the check");
    let early = Early::look(checked).expect("what can be described says which RAM may be used");
    let others = [image, dtb];
    let heap = heap_place(&early, &|take| others.iter().for_each(|&range| take(range)));
    let Some(heap) = heap else { return };
    let memory = Map::new(&d.machine.memory);
    assert_eq!(memory.require(heap, Owner::Free), Ok(()), "the heap is in RAM");
    let mut given = d.params.initrd.iter().chain(&d.params.handover);
    assert!(given.all(|range| !range.overlaps(&heap)), "{heap} {d:?}");
    let present = Present { image, dtb, heap };
    // SAFETY: nothing reads or writes memory through a piece here.
    let mut ram = unsafe { Ram::new(memory) };
    let Ok((claims, _)) = lay_out(&mut ram, &d.machine, &d.params, present) else { return };
    let (map, stacks, handover) = (ram.map(), claims.stacks.range(), claims.handover.range());
    let taken = [(heap, Owner::Heap), (stacks, Owner::Stacks), (handover, Owner::Trace)];
    for (range, owner) in taken {
        assert_eq!(map.require(range, owner), Ok(()));
        let free = owner == Owner::Trace && matches!(claims.left, Left::Here);
        assert!(
            free || d.machine.reserved.iter().all(|r| !r.range.overlaps(&range)),
            "{range} {d:?}"
        );
    }
    assert_eq!(map.require(image, Owner::Image), Ok(()));
    assert_eq!(stacks.size(), STACK_SLOT * d.machine.topology.len() as u64);
    assert!(map.total_bytes() <= Map::new(&d.machine.memory).total_bytes());
    assert!(map.regions().all(|r| r.range.start.is_multiple_of(PAGE)));
}
