//! Memory that redistributors go on writing to is nobody's when a kernel starts.
#![cfg(not(loom))]

mod fdt_support;

use baton::cpu::Mpidr;
use baton::kernel::layout::lay_out;
use baton::memory::{Owner, Range};
use baton::platform::{self, LpiTables, lpi_tables};
use fdt_support::dtb;

const IMAGE: Range = Range::new(0x4020_0000, 0x4040_0000);
const TREE: Range = Range::new(0x4800_0000, 0x4801_0000);

/// Tables in the middle of `place`: a property table for all four redistributors, and a pending
/// table for each.
fn left_on(place: Range) -> Vec<LpiTables> {
    let middle = (place.start + place.size() / 2) & !0xffff;
    let tables = |i| LpiTables { properties: middle | 15, pending: middle - 0x10000 * (i + 1) };
    (0u64..4).map(tables).collect()
}

/// The kernel before put the initrd on top of them: the files are there all the same, and it is said.
#[test]
fn an_initrd_on_top_of_a_table_is_kept() {
    let tree = dtb("good-virt-gicv3-4");
    let mut description = platform::describe(&tree, Mpidr::from_register(0)).unwrap();
    let initrd = Range::new(0x4400_0000, 0x4410_0000);
    description.params.initrd = Some(initrd);
    description.machine.reserved = lpi_tables(&left_on(initrd), 16);
    let (map, _, warnings) =
        lay_out(&description.machine, &description.params, IMAGE, TREE).unwrap();
    assert_eq!(map.require(initrd, Owner::Initrd), Ok(()));
    assert_eq!(warnings.len(), 5, "{warnings:?}");
    assert!(warnings[0].contains("LPI table"), "{warnings:?}");
}

#[test]
fn a_layout_made_again_keeps_off_the_tables() {
    let tree = dtb("good-virt-gicv3-4");
    let mut description = platform::describe(&tree, Mpidr::from_register(0)).unwrap();
    let (_, first, _) = lay_out(&description.machine, &description.params, IMAGE, TREE).unwrap();
    for place in [first.heap, first.stacks, first.handover] {
        let kept = lpi_tables(&left_on(place), 16);
        assert_eq!(kept.len(), 5);
        assert!(kept.iter().any(|r| place.overlaps(&r.range)), "else this shows nothing");
        description.machine.reserved = kept.clone();
        let (map, claims, warnings) =
            lay_out(&description.machine, &description.params, IMAGE, TREE).unwrap();
        assert_eq!(warnings, [] as [&str; 0]);
        for range in kept.iter().map(|r| r.range) {
            for ours in [claims.heap, claims.stacks, claims.handover] {
                assert!(!ours.overlaps(&range), "{ours} and {range}");
            }
            assert_eq!(map.require(range, Owner::Firmware), Ok(()));
        }
    }
}
