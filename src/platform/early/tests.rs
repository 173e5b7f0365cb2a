extern crate std;
use std::vec::Vec;

use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};

use super::*;

const MIB: u64 = 1 << 20;
const BLOCK: u64 = 2 * MIB;
const RAM: Range = Range::new(0x4000_0000, 0x8000_0000);

fn cells(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn node(name: &str, properties: &[(&str, Vec<u8>)]) -> DeviceTreeNode {
    let mut node = DeviceTreeNode::new_unchecked(name);
    for (name, value) in properties {
        node.add_property(DeviceTreeProperty::new_unchecked(*name, value.clone()));
    }
    node
}

/// A machine with 1 GiB of RAM, these children of `/reserved-memory`, and `chosen`.
fn tree(reserved: &[Range], chosen: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let two: Vec<u8> = 2u32.to_be_bytes().into();
    let counts = [("#address-cells", two.clone()), ("#size-cells", two)];
    let mut tree = DeviceTree::new();
    tree.root = node("", &counts);
    let ram = cells(&[RAM.start, RAM.size()]);
    let memory = [("device_type", b"memory\0".to_vec()), ("reg", ram)];
    tree.root.add_child(node("memory@40000000", &memory));
    let mut parent = node("reserved-memory", &counts);
    for range in reserved {
        let reg = cells(&[range.start, range.size()]);
        parent.add_child(node(&std::format!("r@{:x}", range.start), &[("reg", reg)]));
    }
    tree.root.add_child(parent);
    tree.root.add_child(node("chosen", chosen));
    tree.to_dtb()
}

/// The highest free place of this size.
fn highest(dtb: &[u8], size: u64, others: &[Range]) -> Option<Range> {
    let early = Early::look(Checked::of(dtb).unwrap()).unwrap();
    assert_eq!(early.ram_bytes(), RAM.size());
    early.highest_free(size, BLOCK, &|take| others.iter().for_each(|&range| take(range)))
}

#[test]
fn the_highest_place_is_below_whatever_is_taken() {
    let end = RAM.end;
    let top = Range::new(end - 8 * MIB, end);
    assert_eq!(highest(&tree(&[], &[]), 8 * MIB, &[]), Some(top));
    // A reservation, the initrd, the handover and a range of the caller's, one below the other.
    let reserved = Range::new(end - 0x1000, end);
    let initrd = [
        ("linux,initrd-start", cells(&[end - 12 * MIB])),
        ("linux,initrd-end", cells(&[end - 12 * MIB + 1])),
        ("baton,handover", cells(&[end - 30 * MIB, 4096])),
    ];
    let dtb = tree(&[reserved], &initrd);
    let fits = Range::new(end - 10 * MIB, end - 2 * MIB);
    assert_eq!(highest(&dtb, 8 * MIB, &[]), Some(fits));
    let other = Range::new(end - 4 * MIB, end - 3 * MIB);
    let below_initrd = Range::new(end - 20 * MIB, end - 12 * MIB);
    assert_eq!(highest(&dtb, 8 * MIB, &[other]), Some(below_initrd));
    let below_all = Range::new(end - 46 * MIB, end - 30 * MIB);
    assert_eq!(highest(&dtb, 16 * MIB, &[other]), Some(Range::new(end - 28 * MIB, end - 12 * MIB)));
    assert_eq!(highest(&dtb, 16 * MIB, &[other, Range::new(end - 14 * MIB, end)]), Some(below_all));
}

#[test]
fn no_room_is_no_place() {
    let all = tree(&[Range::new(RAM.start + MIB, RAM.end - MIB)], &[]);
    assert_eq!(highest(&all, BLOCK, &[]), None);
    assert_eq!(highest(&tree(&[], &[]), RAM.size() + BLOCK, &[]), None);
    assert_eq!(highest(&tree(&[], &[]), RAM.size(), &[]), Some(RAM));
}

/// More reservations than are kept: the tree is gone through again, and none is overlooked.
#[test]
fn the_last_of_four_thousand_reservations_counts() {
    let page = |i: u64| Range::new(RAM.end - (i + 1) * 0x2000, RAM.end - i * 0x2000 - 0x1000);
    let reserved: Vec<Range> = (0..4000).map(page).collect();
    let lowest = reserved.last().unwrap().start & !(BLOCK - 1);
    for turned in [false, true] {
        let mut reserved = reserved.clone();
        if turned {
            reserved.reverse();
        }
        let place = highest(&tree(&reserved, &[]), 4 * MIB, &[]);
        assert_eq!(place, Some(Range::new(lowest - 4 * MIB, lowest)));
    }
}
