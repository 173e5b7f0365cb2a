//! The next kernel's tree on a machine that ACPI describes: Linux takes a tree for a machine's description
//! if anything but `/chosen` is at its root, and kernels of Debian look for UEFI by one property more.
#![cfg(not(loom))]

use baton::fdt::edit::{Changes, HANDOVER, next_tree};
use baton::fdt::{Properties as _, Tree, describes_machine};
use baton::memory::Range;

/// Trees of Linux guests that kexec-tools has handed over.
const RECORDED: [&str; 3] = ["v4el2", "v80", "v4svam"];
const HANDED: Range = Range::new(0x5d00_0000, 0x5d01_0000);
const PARKED: &[Range] =
    &[Range::new(0x4e00_0000, 0x4e20_0000), Range::new(0x5000_0000, 0x5000_1000)];

fn recorded(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/data/acpi/{name}.dtb", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap()
}

fn changes() -> Changes<'static> {
    Changes {
        bootargs: b"quiet",
        initrd: Some(Range::new(0x5c00_0000, 0x5c10_0000)),
        handover: Some(HANDED),
        rng_seed: Some([7; 32]),
        kaslr_seed: Some(9),
        quarantine: PARKED,
        old_tree: None,
        results: None,
    }
}

fn edited(tree: &[u8], changes: &Changes<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    next_tree(tree, changes, &mut out).unwrap();
    out
}

fn reservations(tree: &[u8]) -> Vec<(u64, u64)> {
    let mut all: Vec<_> = Tree::read(tree).unwrap().reservations().collect();
    all.sort_unstable();
    all
}

fn of(ranges: &[Range]) -> Vec<(u64, u64)> {
    let mut all: Vec<_> = ranges.iter().map(|range| (range.start, range.size())).collect();
    all.sort_unstable();
    all
}

/// What `/chosen` says of UEFI.
fn of_uefi(tree: &Tree<'_>) -> Vec<(String, Vec<u8>)> {
    let all = tree.find("/chosen").unwrap().properties();
    let mut all: Vec<(String, Vec<u8>)> = all
        .filter(|(name, _)| name.starts_with("linux,uefi-"))
        .map(|(name, value)| (name.to_string(), value.to_vec()))
        .collect();
    all.sort();
    all
}

#[test]
fn the_tree_stays_one_that_describes_no_machine_and_leads_to_uefi() {
    for name in RECORDED {
        let old = recorded(name);
        let new = edited(&old, &changes());
        let (old, new) = (Tree::read(&old).unwrap(), Tree::read(&new).unwrap());
        assert!(!describes_machine(&new), "{name}");
        assert_eq!(new.root().children().count(), 1, "{name}: nothing but /chosen");
        assert_eq!(of_uefi(&new), of_uefi(&old), "{name}");
        assert_eq!(of_uefi(&new).len(), 6, "{name}: with linux,uefi-secure-boot");
        let chosen = new.find("/chosen").unwrap();
        for wanted in ["bootargs", "linux,initrd-start", "linux,initrd-end", "rng-seed", HANDOVER] {
            assert!(chosen.has(wanted), "{name}: {wanted}");
        }
    }
}

#[test]
fn what_is_reserved_is_in_the_reservation_block() {
    for name in RECORDED {
        let old = recorded(name);
        let before = reservations(&old);
        let mut wanted = [before, of(&[HANDED]), of(PARKED)].concat();
        wanted.sort_unstable();
        assert_eq!(reservations(&edited(&old, &changes())), wanted, "{name}");
    }
}

#[test]
fn a_handover_is_reserved_until_the_next_and_parked_cpus_for_good() {
    let first = edited(&recorded("v4el2"), &changes());
    let handed = Range::new(0x6000_0000, 0x6001_0000);
    let next = Changes { handover: Some(handed), quarantine: &[], ..changes() };
    let second = edited(&first, &next);
    let before = reservations(&recorded("v4el2"));
    let mut wanted = [before, of(&[handed]), of(PARKED)].concat();
    wanted.sort_unstable();
    assert_eq!(reservations(&second), wanted);
}

/// Mainline's stub does not know the property; the next kernel may be Debian's.
#[test]
fn secure_boot_is_always_told_and_what_was_told_stays() {
    let told = |tree: &[u8]| {
        let out = edited(tree, &changes());
        let tree = Tree::read(&out).unwrap();
        tree.find("/chosen").unwrap().number("linux,uefi-secure-boot")
    };
    let tree = recorded("v4el2");
    let name = b"linux,uefi-secure-boot";
    let at = tree.windows(name.len()).position(|found| found == name).unwrap();
    let mut mainline = tree.clone();
    mainline[at] = b'x';
    assert_eq!(told(&mainline), Some(2), "there is none");
    let read = Tree::read(&tree).unwrap();
    let was = read.find("/chosen").unwrap().number("linux,uefi-secure-boot");
    assert!(was.is_some());
    assert_eq!(told(&tree), was);
}

#[test]
fn a_thousand_kernels_in_turn_do_not_make_the_tree_grow() {
    let mut tree = edited(&recorded("v80"), &changes());
    let size = tree.len();
    for generation in 0..1000u64 {
        let at = 0x6000_0000 + (generation % 7) * 0x1_0000;
        let handover = Some(Range::new(at, at + 0x1_0000));
        tree = edited(&tree, &Changes { handover, ..changes() });
    }
    assert_eq!((tree.len(), reservations(&tree).len()), (size, 3));
}
