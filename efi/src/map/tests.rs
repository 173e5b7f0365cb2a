use std::vec;
use std::vec::Vec;

use super::*;

const STRIDE: usize = 48;

fn map(entries: &[(u64, u64, bool)]) -> Vec<u8> {
    let mut map = Vec::new();
    for (at, pages, runtime) in entries {
        let attribute = if *runtime { RUNTIME | 8 } else { 8 };
        let kind = if *runtime { 6u64 } else { 7 };
        let words = [kind, *at, 0xdead, *pages, attribute, 0];
        map.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }
    map
}

fn addresses(map: &[u8]) -> Vec<u64> {
    map.chunks_exact(STRIDE).map(|entry| u64_at(entry, VIRTUAL).unwrap()).collect()
}

#[test]
fn runtime_services_stay_where_they_are_and_other_entries_are_not_touched() {
    let mut bytes =
        map(&[(0x4000_0000, 16, false), (0xbfd9_0000, 16, true), (0x900_0000, 1, true)]);
    let mut runtime = vec![0; bytes.len()];
    let copied = place(&mut bytes, STRIDE, Place::Physical, &mut runtime);
    assert_eq!(addresses(&bytes), [0xdead, 0xbfd9_0000, 0x900_0000]);
    assert_eq!(runtime[..copied], bytes[STRIDE..]);
    place(&mut bytes, STRIDE, Place::Nowhere, &mut []);
    assert_eq!(addresses(&bytes), [0xdead, u64::MAX, u64::MAX]);
}

/// As Linux's stub does: seen in the map that a Linux 5.10 had left on QEMU.
#[test]
fn virtual_addresses_are_given_from_512_mib_in_steps_that_all_page_sizes_can_map() {
    let entries = [
        (0xbfd9_0000, 0x70, true),
        (0x4000_1000, 1, true),
        (0x20_0000, 0x200, true),
        (0x400_0000, 1, true),
    ];
    let mut bytes = map(&entries);
    let copied = place(&mut bytes, STRIDE, Place::Low, &mut []);
    assert_eq!(copied, 0, "no room");
    let wanted = [0x2000_0000, 0x2007_1000, 0x2020_0000, 0x2040_0000];
    assert_eq!(addresses(&bytes), wanted);
    for ((at, ..), virt) in entries.iter().zip(wanted) {
        assert_eq!(at % STEP, virt % STEP, "{at:#x}");
    }
}

#[test]
fn entries_that_make_no_sense_end_nothing() {
    let mut bytes = map(&[(u64::MAX, u64::MAX, true), (0x1000, u64::MAX, true), (0x1000, 1, true)]);
    place(&mut bytes, STRIDE, Place::Low, &mut []);
    assert_eq!(addresses(&bytes)[0] % STEP, u64::MAX % STEP);
    assert_eq!(place(&mut bytes, 0, Place::Low, &mut []), 0);
    assert_eq!(place(&mut [], STRIDE, Place::Physical, &mut []), 0);
}
