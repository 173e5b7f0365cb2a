//! Memory that redistributors go on writing to is nobody's when a kernel starts.
#![cfg(not(loom))]

mod fdt_support;

use baton::cpu::Mpidr;
use baton::fdt::Checked;
use baton::kernel::layout::{Present, heap_place, lay_out};
use baton::memory::{Map, Owner, Ram, Range};
use baton::platform::early::Early;
use baton::platform::{self, LpiTables, Machine, lpi_tables};
use fdt_support::dtb;

const IMAGE: Range = Range::new(0x4020_0000, 0x4040_0000);
const TREE: Range = Range::new(0x4800_0000, 0x4801_0000);
/// Bits of an interrupt number.
const BITS: u32 = 16;

/// Tables in the middle of `place`: a property table for all four redistributors, and a pending
/// table for each.
fn left_on(place: Range) -> Vec<LpiTables> {
    let middle = (place.start + place.size() / 2) & !0xffff;
    let tables = |i| LpiTables { properties: middle | 15, pending: middle - 0x10000 * (i + 1) };
    (0u64..4).map(tables).collect()
}

/// The heap's place, away from image, tree and the tables of LPIs.
fn heap(tree: &[u8], left_on: &[LpiTables]) -> Range {
    let early = Early::look(Checked::of(tree).unwrap()).unwrap();
    let tables = left_on.iter().flat_map(|t| t.ranges(BITS)).flatten();
    let taken = [IMAGE, TREE].into_iter().chain(tables);
    heap_place(&early, &|take| taken.clone().for_each(take)).unwrap()
}

/// The machine's RAM, without owners.
fn ram(machine: &Machine) -> Ram {
    // SAFETY: nothing reads or writes memory through a piece here.
    unsafe { Ram::new(Map::new(&machine.memory)) }
}

/// The kernel before put the initrd on top of them: the files are there all the same, and it is said.
#[test]
fn an_initrd_on_top_of_a_table_is_kept() {
    let tree = dtb("good-virt-gicv3-4");
    let mut d = platform::describe(&tree, Mpidr::from_register(0)).unwrap();
    let initrd = Range::new(0x4400_0000, 0x4410_0000);
    d.params.initrd = Some(initrd);
    d.machine.reserved = lpi_tables(&left_on(initrd), BITS);
    let present = Present { image: IMAGE, dtb: TREE, heap: heap(&tree, &[]) };
    let mut ram = ram(&d.machine);
    let (claims, warnings) = lay_out(&mut ram, &d.machine, &d.params, present).unwrap();
    assert_eq!(claims.initrd.map(|piece| piece.range()), Some(initrd));
    assert_eq!(ram.map().require(initrd, Owner::Initrd), Ok(()));
    assert_eq!(warnings.len(), 5, "{warnings:?}");
    assert!(warnings[0].contains("LPI table"), "{warnings:?}");
}

/// What this kernel takes keeps off the tables, wherever these are: also the heap, which is chosen
/// before anything else is known.
#[test]
fn heap_stacks_and_handover_keep_off_the_tables() {
    let tree = dtb("good-virt-gicv3-4");
    let mut d = platform::describe(&tree, Mpidr::from_register(0)).unwrap();
    let first_heap = heap(&tree, &[]);
    let present = Present { image: IMAGE, dtb: TREE, heap: first_heap };
    let (first, _) = lay_out(&mut ram(&d.machine), &d.machine, &d.params, present).unwrap();
    for place in [first_heap, first.stacks.range(), first.handover.range()] {
        let left_on = left_on(place);
        let kept = lpi_tables(&left_on, BITS);
        assert_eq!(kept.len(), 5);
        assert!(kept.iter().any(|r| place.overlaps(&r.range)), "else this shows nothing");
        d.machine.reserved = kept.clone();
        let heap = heap(&tree, &left_on);
        let present = Present { image: IMAGE, dtb: TREE, heap };
        let mut ram = ram(&d.machine);
        let (claims, warnings) = lay_out(&mut ram, &d.machine, &d.params, present).unwrap();
        assert_eq!(warnings, [] as [&str; 0]);
        for range in kept.iter().map(|r| r.range) {
            for ours in [heap, claims.stacks.range(), claims.handover.range()] {
                assert!(!ours.overlaps(&range), "{ours} and {range}");
            }
            assert_eq!(ram.map().require(range, Owner::Firmware), Ok(()));
        }
    }
}
