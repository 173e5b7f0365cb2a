use std::vec;
use std::vec::Vec;

use baton::fdt::{Properties as _, Tree};
use proptest::prelude::*;

use super::*;

const CHOSEN: Chosen<'static> = Chosen {
    bootargs: b"run=help",
    initrd: Some((0x4800_0000, 0x4800_1234)),
    seeds: Some(Seeds { rng: [7; 32], kaslr: 0x1234_5678_9abc_def0 }),
    secure_boot: 2,
    system_table: 0xbffd_0018,
    map: 0xb81a_c000,
};

fn made(old: Option<&[u8]>, chosen: &Chosen<'_>) -> Result<Vec<u8>, TreeError> {
    let mut out = vec![0xa5; old.map_or(0, <[u8]>::len) + ROOM + chosen.bootargs.len()];
    let written = match old {
        Some(old) => from_firmware(old, chosen, &mut out)?,
        None => alone(chosen, &mut out)?,
    };
    written.set_map(&mut out, [0x630, 48, 1]);
    out.truncate(written.len);
    Ok(out)
}

/// A tree of a firmware, by the other writer that the project has.
fn firmware(chosen: Option<&[(&str, &[u8])]>) -> Vec<u8> {
    let mut writer_names = Vec::new();
    let mut tokens: Vec<u8> = Vec::new();
    let word = |tokens: &mut Vec<u8>, word: u32| tokens.extend(word.to_be_bytes());
    let mut property = |tokens: &mut Vec<u8>, name: &str, value: &[u8]| {
        word(tokens, 3);
        word(tokens, value.len() as u32);
        word(tokens, writer_names.len() as u32);
        writer_names.extend(name.bytes().chain([0]));
        tokens.extend(value);
        tokens.resize(tokens.len().next_multiple_of(4), 0);
    };
    word(&mut tokens, 1);
    word(&mut tokens, 0);
    property(&mut tokens, "#address-cells", &2u32.to_be_bytes());
    word(&mut tokens, 4);
    for (node, name) in [(&b"memory@40000000\0"[..], "reg"), (b"chosen\0\0", "")] {
        if node.starts_with(b"chosen") && chosen.is_none() {
            continue;
        }
        word(&mut tokens, 1);
        tokens.extend(node);
        match chosen {
            Some(list) if name.is_empty() => {
                list.iter().for_each(|(name, value)| property(&mut tokens, name, value));
            }
            _ => {
                property(&mut tokens, name, &[0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0])
            }
        }
        word(&mut tokens, 2);
    }
    word(&mut tokens, 2);
    word(&mut tokens, 9);
    let mut tree = Vec::new();
    let (structure, strings) = (40 + 32, 40 + 32 + tokens.len());
    let total = strings + writer_names.len();
    let header =
        [0xd00d_feed, total, structure, strings, 40, 17, 16, 3, writer_names.len(), tokens.len()];
    header.iter().for_each(|field| word(&mut tree, *field as u32));
    let reserved = [0x4000_0000u64, 0x1000, 0, 0];
    tree.extend(reserved.iter().flat_map(|word| word.to_be_bytes()));
    tree.extend(tokens);
    tree.extend(writer_names);
    tree
}

fn bytes<'t>(tree: &'t Tree<'t>, name: &str) -> Option<&'t [u8]> {
    tree.find("/chosen").unwrap().properties().find(|(found, _)| *found == name).map(|(_, v)| v)
}

fn number(tree: &Tree<'_>, name: &str) -> Option<u64> {
    tree.find("/chosen").unwrap().number(name)
}

#[test]
fn without_a_tree_of_the_firmware_the_tree_is_what_linux_takes_for_acpi() {
    let made = made(None, &CHOSEN).unwrap();
    let tree = Tree::read(&made).unwrap();
    assert!(!baton::fdt::describes_machine(&tree));
    assert_eq!(tree.root().number("#address-cells"), Some(2));
    assert_eq!(tree.root().number("#size-cells"), Some(2));
    assert_eq!(bytes(&tree, "bootargs"), Some(&b"run=help\0"[..]));
    assert_eq!(bytes(&tree, "rng-seed"), Some(&[7; 32][..]));
    let numbers = [
        ("linux,initrd-start", 0x4800_0000),
        ("linux,initrd-end", 0x4800_1234),
        ("kaslr-seed", 0x1234_5678_9abc_def0),
        ("linux,uefi-secure-boot", 2),
        ("linux,uefi-system-table", 0xbffd_0018),
        ("linux,uefi-mmap-start", 0xb81a_c000),
        ("linux,uefi-mmap-size", 0x630),
        ("linux,uefi-mmap-desc-size", 48),
        ("linux,uefi-mmap-desc-ver", 1),
    ];
    for (name, wanted) in numbers {
        assert_eq!(number(&tree, name), Some(wanted), "{name}");
    }
    let widths: Vec<usize> =
        numbers.iter().map(|(name, _)| bytes(&tree, name).unwrap().len()).collect();
    assert_eq!(widths, [8, 8, 8, 4, 8, 8, 4, 4, 4], "as Linux reads them");
}

#[test]
fn what_there_is_none_of_is_not_in_the_tree() {
    let chosen = Chosen { bootargs: b"", initrd: None, seeds: None, ..CHOSEN };
    let made = made(None, &chosen).unwrap();
    let tree = Tree::read(&made).unwrap();
    for name in ["bootargs", "linux,initrd-start", "linux,initrd-end", "rng-seed", "kaslr-seed"] {
        assert_eq!(bytes(&tree, name), None, "{name}");
    }
}

#[test]
fn the_firmwares_tree_stays_but_for_what_described_another_boot() {
    let seed = [9u8; 8];
    let list: &[(&str, &[u8])] = &[
        ("bootargs", b"old\0"),
        ("stdout-path", b"/pl011@9000000\0"),
        ("kaslr-seed", &seed),
        ("linux,initrd-start", &seed),
        ("linux,uefi-mmap-start", &seed),
        ("u-boot,version", b"2023\0"),
    ];
    let old = firmware(Some(list));
    let made_tree = made(Some(&old), &CHOSEN).unwrap();
    let tree = Tree::read(&made_tree).unwrap();
    assert!(baton::fdt::describes_machine(&tree));
    assert_eq!(bytes(&tree, "stdout-path"), Some(&b"/pl011@9000000\0"[..]));
    assert_eq!(bytes(&tree, "u-boot,version"), Some(&b"2023\0"[..]));
    assert_eq!(bytes(&tree, "bootargs"), Some(&b"run=help\0"[..]));
    assert_eq!(number(&tree, "linux,uefi-mmap-start"), Some(0xb81a_c000));
    assert_eq!(number(&tree, "kaslr-seed"), Some(0x1234_5678_9abc_def0));
    let names = tree.find("/chosen").unwrap().properties().map(|(name, _)| name);
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "no property twice");
    assert_eq!(tree.reservations().count(), 0, "UEFI's map has them");
    assert_eq!(made_tree[28..32], [0, 0, 0, 3], "the boot CPU");
    assert_eq!(tree.find("/memory@40000000").unwrap().properties().count(), 1);
}

#[test]
fn without_new_ones_seeds_command_line_and_initrd_of_the_firmwares_tree_stay() {
    let list: &[(&str, &[u8])] =
        &[("bootargs", b"old\0"), ("kaslr-seed", &[9; 8]), ("linux,initrd-start", &[9; 8])];
    let chosen = Chosen { bootargs: b"", initrd: None, seeds: None, ..CHOSEN };
    let made = made(Some(&firmware(Some(list))), &chosen).unwrap();
    let tree = Tree::read(&made).unwrap();
    assert_eq!(bytes(&tree, "bootargs"), Some(&b"old\0"[..]));
    assert_eq!(bytes(&tree, "kaslr-seed"), Some(&[9; 8][..]));
    assert_eq!(bytes(&tree, "linux,initrd-start"), Some(&[9; 8][..]));
}

/// GRUB 2.06 has its initrd in a tree that is nothing else.
#[test]
fn what_the_firmwares_tree_had_is_told() {
    let told = |old: Option<&[u8]>, chosen: &Chosen<'_>| {
        let mut out = vec![0; 8192];
        let written = match old {
            Some(old) => from_firmware(old, chosen, &mut out).unwrap(),
            None => alone(chosen, &mut out).unwrap(),
        };
        (written.describes_machine, written.kept_initrd)
    };
    let none = Chosen { initrd: None, ..CHOSEN };
    let grub = made(None, &CHOSEN).unwrap();
    assert_eq!(told(Some(&grub), &none), (false, true));
    assert_eq!(told(Some(&grub), &CHOSEN), (false, false), "a newer one");
    let machine = firmware(Some(&[("linux,initrd-start", &[9; 8])]));
    assert_eq!(told(Some(&machine), &none), (true, true));
    assert_eq!(told(Some(&firmware(None)), &none), (true, false));
    assert_eq!(told(None, &CHOSEN), (false, false));
}

#[test]
fn a_tree_without_chosen_gets_one() {
    let made = made(Some(&firmware(None)), &CHOSEN).unwrap();
    let tree = Tree::read(&made).unwrap();
    assert_eq!(number(&tree, "linux,uefi-system-table"), Some(0xbffd_0018));
    assert_eq!(tree.root().children().count(), 2);
}

#[test]
fn a_tree_that_is_broken_is_refused_by_what_is_wrong() {
    let old = firmware(Some(&[]));
    let patched = |at: usize, word: u32| {
        let mut tree = old.clone();
        tree[at..at + 4].copy_from_slice(&word.to_be_bytes());
        made(Some(&tree), &CHOSEN).unwrap_err()
    };
    assert_eq!(patched(0, 0), TreeError::Header("magic number"));
    assert_eq!(patched(4, old.len() as u32 + 1), TreeError::Header("size"));
    assert_eq!(patched(20, 16), TreeError::Header("version"));
    assert_eq!(patched(36, 0x7fff_ffff), TreeError::Block("structure"));
    assert_eq!(patched(12, 4), TreeError::Block("strings"));
    assert_eq!(patched(72, 5), TreeError::Token(0));
    assert_eq!(patched(72, 2), TreeError::Token(0));
    assert_eq!(patched(84, 0x7fff_ffff), TreeError::Token(8));
}

#[test]
fn room_that_is_too_small_is_an_error_at_every_size() {
    let whole = made(None, &CHOSEN).unwrap().len();
    for size in 0..whole {
        assert_eq!(alone(&CHOSEN, &mut vec![0; size]), Err(TreeError::TooLarge), "{size}");
    }
    assert!(alone(&CHOSEN, &mut vec![0; whole]).is_ok());
}

proptest! {
    /// Foreign bytes: an error, or a tree that the kernel's reader takes.
    #[test]
    fn changed_trees_are_refused_or_well_formed(
        changes in prop::collection::vec((0usize..400, any::<u8>()), 1..8)
    ) {
        let mut old = firmware(Some(&[("bootargs", b"old\0"), ("stdout-path", b"x\0")]));
        let len = old.len();
        changes.iter().for_each(|(at, byte)| old[at % len] = *byte);
        if let (Ok(made), Ok(_)) = (made(Some(&old), &CHOSEN), Tree::read(&old)) {
            prop_assert!(Tree::read(&made).is_ok());
        }
    }
}
