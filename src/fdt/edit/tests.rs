extern crate std;
use std::vec;
use std::vec::Vec;

use dtoolkit::memreserve::MemoryReservation;
use dtoolkit::model::{DeviceTree, DeviceTreeNode};
use proptest::prelude::*;

use super::*;
use crate::fdt::{Properties, Tree, reg};

/// What a boot loader could pass: an initrd, a seed, traces of other kernels.
fn current() -> DeviceTree {
    let mut tree = DeviceTree::new();
    set(&mut tree.root, "model", "test");
    let chosen = child_or_new(&mut tree.root, "chosen");
    set(chosen, "stdout-path", "/uart@9000000");
    set(chosen, "bootargs", "old");
    set(chosen, "linux,initrd-start", 0x4800_0000u32);
    set(chosen, "linux,initrd-end", 0x4800_1234u32);
    set(chosen, "linux,uefi-system-table", 0x1234u64);
    set(chosen, "linux,usable-memory-range", [0u32, 0x4000_0000, 0, 0x1000_0000]);
    let stale = ["linux,elfcorehdr", "linux,kho-fdt", HANDOVER];
    for name in stale.iter().chain(&["linux,kho-scratch", "kaslr-seed", "rng-seed"]) {
        set(chosen, name, 0x55u64);
    }
    let initrd = MemoryReservation::new(0x4800_0000, 0x2000);
    let firmware = MemoryReservation::new(0x4000_0000, 0x1000);
    let old_tree = MemoryReservation::new(0x4a00_0000, 0x10_0000);
    tree.memory_reservations = vec![initrd, firmware, old_tree];
    tree
}

const QUARANTINE: &[Range] = &[Range::new(0x4e00_0000, 0x4e20_0000)];

fn changes() -> Changes<'static> {
    Changes {
        bootargs: b"loglevel=3",
        initrd: Some(Range::new(0x4c00_0000, 0x4c10_0000)),
        handover: Some(Range::new(0x4d00_0000, 0x4d01_0000)),
        results: None,
        rng_seed: Some([7; 32]),
        kaslr_seed: Some(9),
        quarantine: QUARANTINE,
        old_tree: Some(Range::new(0x4a00_0000, 0x4a10_0000)),
    }
}

fn edited(tree: &DeviceTree, changes: &Changes<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let size = next_tree(&tree.to_dtb(), changes, &mut out).unwrap();
    assert_eq!(size, out.len());
    out
}

#[test]
fn chosen_says_what_is_new_and_nothing_that_is_stale() {
    let out = edited(&current(), &changes());
    let tree = Tree::read(&out).unwrap();
    let chosen = tree.find("/chosen").unwrap();
    assert_eq!(chosen.string("bootargs"), Some("loglevel=3"));
    assert_eq!(chosen.number("linux,uefi-secure-boot"), Some(2));
    assert_eq!(chosen.property("linux,initrd-start"), Some(&0x4c00_0000u64.to_be_bytes()[..]));
    assert_eq!(chosen.property("linux,initrd-end"), Some(&0x4c10_0000u64.to_be_bytes()[..]));
    let handover = [0x4d00_0000u64.to_be_bytes(), 0x1_0000u64.to_be_bytes()].concat();
    assert_eq!(chosen.property(HANDOVER), Some(&handover[..]));
    assert_eq!(chosen.property("rng-seed"), Some(&[7; 32][..]));
    assert_eq!(chosen.property("kaslr-seed"), Some(&9u64.to_be_bytes()[..]));
    assert_eq!(chosen.string("stdout-path"), Some("/uart@9000000"));
    assert!(chosen.has("linux,uefi-system-table"));
    let range = [0x4000_0000u64.to_be_bytes(), 0x1000_0000u64.to_be_bytes()].concat();
    let kept = chosen.property("linux,usable-memory-range");
    assert_eq!(kept, Some(&range[..]), "what is somebody else's stays so");
    for name in ["linux,elfcorehdr", "linux,kho-fdt", "linux,kho-scratch"] {
        assert!(!chosen.has(name), "{name}");
    }
    assert_eq!(tree.root().string("model"), Some("test"));
}

#[test]
fn without_changes_the_boot_loaders_gifts_are_gone_all_the_same() {
    let out = edited(&current(), &Changes::default());
    let tree = Tree::read(&out).unwrap();
    let chosen = tree.find("/chosen").unwrap();
    for name in STALE_NAMES {
        assert!(!chosen.has(name), "{name}");
    }
    assert!(tree.find("/reserved-memory").is_none());
}

const STALE_NAMES: [&str; 6] =
    ["bootargs", "linux,initrd-start", "linux,initrd-end", "rng-seed", "kaslr-seed", HANDOVER];

#[test]
fn reservations_of_what_is_gone_are_dropped_and_others_kept() {
    let reservations = |changes: &Changes<'_>| -> Vec<(u64, u64)> {
        let out = edited(&current(), changes);
        Tree::read(&out).unwrap().reservations().collect()
    };
    assert_eq!(reservations(&changes()), [(0x4000_0000, 0x1000)]);
    let unknown = Changes { old_tree: None, ..changes() };
    assert_eq!(reservations(&unknown), [(0x4000_0000, 0x1000), (0x4a00_0000, 0x10_0000)]);
}

#[test]
fn a_reservation_of_more_than_the_initrd_is_kept() {
    let mut tree = current();
    tree.memory_reservations = vec![MemoryReservation::new(0x4700_0000, 0x200_0000)];
    let out = edited(&tree, &changes());
    let kept: Vec<_> = Tree::read(&out).unwrap().reservations().collect();
    assert_eq!(kept, [(0x4700_0000, 0x200_0000)]);
}

/// The initrd and the tree lie side by side, and one reservation covers their pages and no more.
#[test]
fn a_reservation_of_initrd_and_tree_together_is_dropped() {
    let left = |start: u64, size: u64| {
        let mut tree = current();
        tree.memory_reservations = vec![MemoryReservation::new(start, size)];
        let old_tree = Some(Range::new(0x4800_2000, 0x4800_2100));
        let out = edited(&tree, &Changes { old_tree, ..changes() });
        Tree::read(&out).unwrap().reservations().count()
    };
    assert_eq!(left(0x4800_0000, 0x2100), 0);
    assert_eq!(left(0x4800_0000, 0x3000), 0);
    assert_eq!(left(0x4800_1000, 0x1000), 0, "a part");
    assert_eq!(left(0x4800_0000, 0x3001), 1);
    assert_eq!(left(0x47ff_f000, 0x3000), 1);
    assert_eq!(left(0x4800_0000, 0), 1, "of nothing");
    assert_eq!(left(u64::MAX, 2), 1);
}

/// Loaders reserve the initrd by a node, too. A node that says more than where, or that lies
/// elsewhere as well, has another meaning.
#[test]
fn a_node_that_only_reserves_the_initrd_is_dropped() {
    let kept = |reg: &[u64], more: Option<&str>| {
        let mut tree = current();
        let parent = child_or_new(&mut tree.root, "reserved-memory");
        set(parent, "#address-cells", 2u32);
        set(parent, "#size-cells", 2u32);
        let node = child_or_new(parent, "initrd@48000000");
        set(node, "reg", reg.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>());
        more.into_iter().for_each(|name| set(node, name, 1u32));
        let out = edited(&tree, &changes());
        Tree::read(&out).unwrap().find("/reserved-memory/initrd").is_some()
    };
    let initrd = [0x4800_0000, 0x1234];
    assert!(!kept(&initrd, None));
    assert!(!kept(&[0x4800_0000, 0x2000], None), "its pages");
    for more in ["no-map", "phandle", "compatible", "reusable"] {
        assert!(kept(&initrd, Some(more)), "{more}");
    }
    assert!(kept(&[0x4800_0000, 0x2001], None) && kept(&[0x4700_0000, 0x1000], None));
    assert!(kept(&[0x4800_0000, 0x1234, 0x4000_0000, 0x1000], None));
    assert!(kept(&[0x4800_0000], None) && kept(&[], None), "odd ones stay");
}

#[test]
fn handover_and_quarantine_are_reserved_and_old_ones_are_not() {
    let mut tree = current();
    let reserved = child_or_new(&mut tree.root, "reserved-memory");
    set(reserved, "#address-cells", 1u32);
    set(reserved, "#size-cells", 1u32);
    set(reserved, "ranges", Vec::<u8>::new());
    set(child_or_new(reserved, "firmware@40000000"), "reg", [0x4000_0000u32, 0x1000]);
    set(child_or_new(reserved, "baton-handover@1"), "reg", [1u32, 1]);
    let out = edited(&tree, &changes());
    let tree = Tree::read(&out).unwrap();
    let nodes: Vec<_> = tree.find("/reserved-memory").unwrap().children().collect();
    let names: Vec<_> = nodes.iter().map(|n| n.name()).collect();
    let ours = ["baton-handover@4d000000", "baton-quarantine@4e000000"];
    assert_eq!(names, [&["firmware@40000000"], &ours[..]].concat());
    let window = reg(nodes[2]).unwrap().next().unwrap();
    assert_eq!((window.address, window.size), (0x4e00_0000, 0x20_0000));
}

#[test]
fn of_two_quarantines_at_one_place_the_longer_is_reserved() {
    let quarantine = [Range::new(0x1000, 0x9000), Range::new(0x1000, 0x2000)];
    let out = edited(&current(), &Changes { quarantine: &quarantine, ..Changes::default() });
    let tree = Tree::read(&out).unwrap();
    let node = tree.find("/reserved-memory/baton-quarantine@1000").unwrap();
    assert_eq!(reg(node).unwrap().next().unwrap().size, 0x8000);
}

#[test]
fn a_tree_of_one_node_gets_chosen_and_reserved_memory() {
    let out = edited(&DeviceTree::new(), &changes());
    let tree = Tree::read(&out).unwrap();
    assert!(tree.find("/chosen").unwrap().has("bootargs"));
    let reserved = tree.find("/reserved-memory").unwrap();
    assert_eq!(reserved.u32("#address-cells"), Some(2));
    assert!(reserved.has("ranges"));
    let window = reg(reserved.child("baton-handover").unwrap()).unwrap().next().unwrap();
    assert_eq!((window.address, window.size), (0x4d00_0000, 0x1_0000));
}

#[test]
fn what_cannot_be_written_is_refused_and_changes_nothing() {
    let mut small = current();
    let reserved = child_or_new(&mut small.root, "reserved-memory");
    set(reserved, "#address-cells", 1u32);
    let dtb = small.to_dtb();
    let refused = |changes: &Changes<'_>| {
        let mut out = vec![1, 2, 3];
        let error = next_tree(&dtb, changes, &mut out).unwrap_err();
        assert_eq!(out, [1, 2, 3]);
        error
    };
    let high = Range::new(1 << 40, (1 << 40) + 1);
    let error = refused(&Changes { handover: Some(high), ..changes() });
    assert_eq!(error, EditError::Range { what: "a handover", range: high });
    let long = "x".repeat(MAX_BOOTARGS + 1);
    assert_eq!(
        refused(&Changes { bootargs: long.as_bytes(), ..changes() }),
        EditError::Bootargs(2049)
    );
    assert_eq!(refused(&Changes { bootargs: b"a\0b", ..changes() }), EditError::Bootargs(3));
    let empty = Range::new(5, 5);
    let error = refused(&Changes { initrd: Some(empty), ..changes() });
    assert_eq!(error, EditError::Range { what: "an initrd", range: empty });
    let error = next_tree(&dtb[..50], &changes(), &mut Vec::new()).unwrap_err();
    let cut = FdtError::Truncated { need: dtb.len(), have: 50 };
    assert_eq!(error, EditError::Current(cut));
}

#[test]
fn a_thousand_edits_do_not_grow_the_tree() {
    let mut tree = edited(&current(), &changes());
    let first = tree.clone();
    for turn in 0..1000u64 {
        let at = 0x4d00_0000 + turn % 16 * 0x10_0000;
        let handover = Some(Range::new(at, at + 0x1_0000));
        let mut out = Vec::new();
        next_tree(&tree, &Changes { handover, ..changes() }, &mut out).unwrap();
        assert_eq!(out.len(), first.len(), "turn {turn}");
        tree = out;
    }
    let mut last = Vec::new();
    next_tree(&tree, &changes(), &mut last).unwrap();
    assert_eq!(last, first);
}

#[test]
fn the_header_keeps_the_boot_cpu() {
    let mut dtb = current().to_dtb();
    dtb[28..32].copy_from_slice(&5u32.to_be_bytes());
    let mut out = Vec::new();
    next_tree(&dtb, &changes(), &mut out).unwrap();
    assert_eq!(out[28..32], 5u32.to_be_bytes());
}

/// Nodes with random names, properties and children; `chosen` and `reserved-memory` included.
fn random_node(depth: u32) -> BoxedStrategy<DeviceTreeNode> {
    let name = prop_oneof!["[a-d]", "[a-d]@[0-9]{1,2}", Just("reserved-memory".into())];
    let property_name = prop_oneof!["[a-e]{1,3}", "linux,initrd-(start|end)", "linux,kho-[a-c]"];
    let value = proptest::collection::vec(any::<u8>(), 0..20);
    let properties = proptest::collection::vec((property_name, value), 0..6);
    let leaf = (name, properties).prop_map(|(name, properties)| {
        let mut node = DeviceTreeNode::new_unchecked(name);
        properties.into_iter().for_each(|(name, value)| set(&mut node, &name, value));
        node
    });
    leaf.prop_recursive(depth, 24, 4, |inner| {
        (inner.clone(), proptest::collection::vec(inner, 0..4)).prop_map(|(mut node, children)| {
            children.into_iter().for_each(|child| node.add_child(child));
            node
        })
    })
    .boxed()
}

/// Every node outside `/chosen`, and every property of `/chosen` that an edit must not touch.
fn untouched(dtb: &[u8]) -> Vec<(std::string::String, Vec<u8>)> {
    let tree = Tree::read(dtb).unwrap();
    let mut all = Vec::new();
    for node in tree.nodes().filter(|n| !n.path().contains("/baton-")) {
        for (name, value) in node.properties() {
            let path = node.path();
            let kept = name == "stdout-path" || name.starts_with("linux,uefi-");
            if path != "/chosen" || (kept && name != "linux,uefi-secure-boot") {
                all.push((std::format!("{path}:{name}"), value.to_vec()));
            }
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_that_is_not_ours_survives_the_edit(node in random_node(4), keep in any::<u64>()) {
        let mut tree = current();
        tree.root.add_child(node);
        set(child_or_new(&mut tree.root, "chosen"), "linux,uefi-mmap-start", keep);
        let reserved = child_or_new(&mut tree.root, "reserved-memory");
        set(reserved, "#address-cells", 2u32);
        set(reserved, "#size-cells", 2u32);
        let dtb = tree.to_dtb();
        let out = edited(&tree, &changes());
        prop_assert_eq!(untouched(&out), untouched(&dtb));
        let mut again = Vec::new();
        prop_assert_eq!(next_tree(&out, &changes(), &mut again), Ok(out.len()));
        prop_assert_eq!(again, out);
    }
}
