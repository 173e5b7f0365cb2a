use std::vec;
use std::vec::Vec;

use super::*;

fn structure(kind: u8, length: u8, fill: &[(usize, &[u8])], strings: &[&str]) -> Vec<u8> {
    let mut bytes = vec![0; usize::from(length)];
    (bytes[0], bytes[1]) = (kind, length);
    for (at, value) in fill {
        bytes[*at..at + value.len()].copy_from_slice(value);
    }
    for string in strings {
        bytes.extend(string.as_bytes());
        bytes.push(0);
    }
    bytes.extend(if strings.is_empty() { &[0, 0][..] } else { &[0] });
    bytes
}

fn processor(id: u32, version: &str) -> Vec<u8> {
    structure(4, 48, &[(ID, &id.to_le_bytes()), (VERSION, &[2])], &["CPU 1", version])
}

fn needs(processors: &[Vec<u8>]) -> bool {
    let mut all = structure(0, 24, &[], &["EDK II"]);
    all.extend(structure(1, 27, &[], &[]));
    processors.iter().for_each(|one| all.extend(one));
    all.extend(structure(127, 4, &[], &[]));
    needs_virtual_addresses(&all)
}

#[test]
fn altra_is_known_by_its_soc_or_its_name_and_emag_by_its_name() {
    assert!(needs(&[processor(0x0a16_0001, "x")]) && needs(&[processor(0x0a16_0aa2, "x")]));
    assert!(needs(&[processor(0, "Ampere(TM) Altra(TM) Processor")]));
    assert!(needs(&[processor(0, "eMAG 8180")]));
}

#[test]
fn other_machines_and_tables_without_a_processor_are_not() {
    assert!(!needs(&[processor(0x410f_d0c1, "virt-7.2")]));
    assert!(!needs(&[processor(0x0a16_0003, "Altra")]));
    assert!(!needs(&[processor(1, "virt"), processor(0x0a16_0001, "x")]), "the first one counts");
    assert!(!needs(&[]) && !needs_virtual_addresses(&[]));
    let behind = [structure(127, 4, &[], &[]), processor(0x0a16_0001, "x")].concat();
    assert!(!needs_virtual_addresses(&behind), "what is behind the end is anything");
}

#[test]
fn structures_that_are_cut_off_or_short_end_the_search() {
    let whole = processor(0x0a16_0001, "x");
    for cut in 0..whole.len() {
        assert!(!needs_virtual_addresses(&whole[..cut]), "{cut}");
    }
    assert!(!needs_virtual_addresses(&structure(4, 0x0b, &[], &[])), "no SoC in there");
    assert!(!needs_virtual_addresses(&[4, 0, 0, 0, 0, 0]), "a length of nothing");
}

#[test]
fn the_entry_point_says_where_and_how_many() {
    let mut entry = [0; ENTRY];
    entry[..5].copy_from_slice(b"_SM3_");
    entry[12..16].copy_from_slice(&0x300u32.to_le_bytes());
    entry[16..24].copy_from_slice(&0x1_2345_6000u64.to_le_bytes());
    assert_eq!(structures(&entry), Some((0x1_2345_6000, 0x300)));
    entry[15] = 0xff;
    assert_eq!(structures(&entry), Some((0x1_2345_6000, MOST as usize)));
    assert_eq!(structures(&entry[..23]), None);
    entry[3] = b'_';
    assert_eq!(structures(&entry), None);
}
