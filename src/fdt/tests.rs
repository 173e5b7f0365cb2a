extern crate std;
use std::vec::Vec;

use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};

use super::*;

/// A node per name, each inside the one before.
fn nested(names: &[&str]) -> DeviceTreeNode {
    let (first, rest) = names.split_first().unwrap();
    let mut node = DeviceTreeNode::new_unchecked(*first);
    if !rest.is_empty() {
        node.add_child(nested(rest));
    }
    node
}

fn tree_of(child: DeviceTreeNode) -> Vec<u8> {
    let mut tree = DeviceTree::new();
    tree.root.add_property(DeviceTreeProperty::new_unchecked("model", "test"));
    tree.root.add_child(child);
    tree.to_dtb()
}

fn put(dtb: &mut [u8], at: usize, word: u32) {
    dtb[at..at + 4].copy_from_slice(&word.to_be_bytes());
}

/// Where the structure block starts.
fn structs(dtb: &[u8]) -> usize {
    u32::from_be_bytes(*dtb[8..].first_chunk().unwrap()) as usize
}

#[test]
fn the_size_is_known_from_the_first_forty_bytes() {
    let dtb = tree_of(nested(&["a"]));
    assert_eq!(total_size(&dtb[..40]), Ok(dtb.len()));
    assert_eq!(total_size(&dtb[..39]), Err(FdtError::NoHeader(39)));
    let mut large = dtb.clone();
    put(&mut large, 4, 0x20_0001);
    assert_eq!(total_size(&large), Err(FdtError::Size(0x20_0001)));
    let mut old = dtb;
    put(&mut old, 20, 16);
    assert_eq!(total_size(&old), Err(FdtError::Version { version: 16, compatible: 16 }));
}

#[test]
fn blocks_outside_the_tree_are_refused() {
    let dtb = tree_of(nested(&["a"]));
    let read = |at: usize, word: u32| {
        let mut broken = dtb.clone();
        put(&mut broken, at, word);
        Tree::read(&broken).unwrap_err()
    };
    assert_eq!(read(8, u32::MAX), FdtError::Block("structure"));
    assert_eq!(read(36, u32::MAX), FdtError::Block("structure"));
    assert_eq!(read(8, structs(&dtb) as u32 + 1), FdtError::Block("structure"));
    assert_eq!(read(12, 0), FdtError::Block("strings"));
    assert_eq!(read(16, 36), FdtError::Block("memory reservation"));
    assert_eq!(read(16, dtb.len() as u32 & !7), FdtError::Reservations);
}

#[test]
fn each_fault_of_the_structure_is_named_with_its_place() {
    let dtb = tree_of(nested(&["a"]));
    let start = structs(&dtb);
    let read = |at: usize, word: u32| {
        let mut broken = dtb.clone();
        put(&mut broken, start + at, word);
        match Tree::read(&broken).unwrap_err() {
            FdtError::Structure { at, why } => (at, why),
            other => panic!("{other}"),
        }
    };
    // BEGIN "" | PROP len name "test\0" | BEGIN "a" | END_NODE | END_NODE | END
    assert_eq!(read(0, 3), (0, Fault::Order));
    assert_eq!(read(8, 7), (8, Fault::Token(7)));
    assert_eq!(read(12, 0xffff_fff0), (20, Fault::Ends));
    assert_eq!(read(16, 0x1000), (12, Fault::Name));
    assert_eq!(read(32, 0), (32, Fault::Name));
    assert_eq!(read(36, 9), (36, Fault::Order));
    assert_eq!(read(44, 2), (48, Fault::Tail));
}

#[test]
fn sixty_four_levels_can_be_read_and_one_more_is_refused() {
    let dtb = tree_of(nested(&["n"; 64]));
    let tree = Tree::read(&dtb).unwrap();
    let deepest = tree.nodes().last().unwrap();
    assert_eq!(deepest.path(), "/n".repeat(64));
    assert_eq!(tree.find(&deepest.path()), Some(deepest));
    let error = Tree::read(&tree_of(nested(&["n"; 65]))).unwrap_err();
    assert!(matches!(error, FdtError::Structure { why: Fault::Depth, .. }), "{error}");
}

#[test]
fn room_behind_the_last_block_is_cut_off() {
    let dtb = tree_of(nested(&["a"]));
    let mut roomy = dtb.clone();
    roomy.resize(0x10_0000, 0);
    put(&mut roomy, 4, 0x10_0000);
    assert_eq!(used_size(&roomy), Ok(dtb.len()));
    assert_eq!(compact(&roomy).unwrap(), dtb);
}

#[test]
fn a_name_without_unit_address_finds_the_first() {
    let mut parent = DeviceTreeNode::new_unchecked("soc");
    for name in ["uart@1", "uart@2"] {
        parent.add_child(DeviceTreeNode::new_unchecked(name));
    }
    let dtb = tree_of(parent);
    let tree = Tree::read(&dtb).unwrap();
    assert_eq!(tree.find("/soc/uart").unwrap().name(), "uart@1");
    assert_eq!(tree.find("/soc/uart@2").unwrap().path(), "/soc/uart@2");
    assert_eq!(tree.find("/soc/uart@3"), None);
    assert_eq!(tree.find("soc"), None);
}
