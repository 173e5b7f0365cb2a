use alloc::{string::ToString, vec, vec::Vec};

use super::*;
use crate::{kexec::Header, machine::Granules};

fn parse(file: &[u8]) -> Result<Header, ImageError> {
    Header::parse(file, Granules::FOUR_K, 1 << 30)
}

/// An image of 5,000 bytes as the linker makes it: with the magic, and nothing behind.
fn linked() -> Vec<u8> {
    let mut file = vec![0; 5000];
    file[16..24].copy_from_slice(&0x10_0000_u64.to_le_bytes());
    file[32..40].copy_from_slice(MAGIC);
    file[56..60].copy_from_slice(b"ARM\x64");
    for (at, byte) in file.iter_mut().enumerate().skip(HEADER_BYTES) {
        *byte = at as u8;
    }
    file
}

fn whole() -> Vec<u8> {
    let mut file = linked();
    assert!(BatonMark::complete(&mut file));
    file
}

#[test]
fn a_whole_image_is_taken_and_known_for_a_baton() {
    let file = whole();
    assert!(parse(&file).is_ok());
    assert_eq!(BatonMark::of(&file).map(|mark| mark.bytes), Some(5000));
    assert_eq!(BatonMark::of(&[0; 5000]), None);
    assert_eq!(BatonMark::of(&file[..39]), None);
}

#[test]
fn every_cut_is_refused_with_both_lengths() {
    let file = whole();
    for bytes in HEADER_BYTES..file.len() {
        let cut = ImageError::Cut { file: bytes as u64, promised: 5000, by: "header" };
        assert_eq!(parse(&file[..bytes]), Err(cut));
    }
    let error = parse(&file[..100]).unwrap_err().to_string();
    assert_eq!(error, "the file has 100 bytes, its header promises 5000; copy it again");
}

#[test]
fn what_is_appended_is_refused_zeros_too() {
    for more in [&b"\0"[..], b"\0\0\0\0\0\0\0\0", b"more"] {
        let file = [&whole()[..], more].concat();
        assert!(matches!(parse(&file), Err(ImageError::Appended { promised: 5000, .. })));
    }
}

#[test]
fn a_hole_and_a_changed_byte_are_refused() {
    let file = whole();
    let mut hole = file.clone();
    hole[2000..].fill(0);
    assert_eq!(parse(&hole), Err(ImageError::Crc));
    for at in [HEADER_BYTES, 2500, 4999] {
        let mut changed = file.clone();
        changed[at] ^= 1;
        assert_eq!(parse(&changed), Err(ImageError::Crc), "{at}");
    }
}

/// What objcopy makes of the ELF, without the host tool.
#[test]
fn an_image_whose_mark_was_not_completed_is_refused() {
    assert!(matches!(parse(&linked()), Err(ImageError::Appended { promised: 0, .. })));
}

#[test]
fn only_what_has_the_magic_is_completed() {
    let mut other = vec![7; 5000];
    assert!(!BatonMark::complete(&mut other));
    assert_eq!(other, vec![7; 5000]);
    assert!(!BatonMark::complete(&mut linked()[..60]));
}

/// The same with a PE header at 64, as an image that UEFI starts has one.
fn for_uefi() -> Vec<u8> {
    let mut file = linked();
    file[..2].copy_from_slice(b"MZ");
    file[60] = 64;
    file[64..400].fill(0);
    file[64..68].copy_from_slice(b"PE\0\0");
    file[84] = 160; // bytes of the optional header
    file[88..90].copy_from_slice(&0x20b_u16.to_le_bytes());
    file[196] = 6; // directories
    assert!(BatonMark::complete(&mut file));
    file
}

/// As sbsign does: a checksum, where the certificates are, and the certificates.
fn signed() -> Vec<u8> {
    let mut file = for_uefi();
    file[152..156].copy_from_slice(&0x1234_5678_u32.to_le_bytes());
    file[232..236].copy_from_slice(&5000_u32.to_le_bytes());
    file[236..240].copy_from_slice(&1480_u32.to_le_bytes());
    file.resize(6480, 7);
    file
}

#[test]
fn a_signature_for_uefi_changes_nothing_in_what_the_mark_says() {
    assert!(parse(&for_uefi()).is_ok());
    assert!(parse(&signed()).is_ok());
    for at in [151, 156, 240, 4999] {
        let mut changed = signed();
        changed[at] ^= 1;
        assert!(parse(&changed).is_err(), "{at}");
    }
}

#[test]
fn behind_a_signed_image_nothing_else_may_stand() {
    let mut more = signed();
    more.push(0);
    assert!(matches!(parse(&more), Err(ImageError::Appended { promised: 6480, .. })));
    let mut gap = signed();
    gap[232..236].copy_from_slice(&5008_u32.to_le_bytes());
    gap[236..240].copy_from_slice(&1472_u32.to_le_bytes());
    assert!(matches!(parse(&gap), Err(ImageError::Appended { promised: 5000, .. })));
    assert!(matches!(parse(&signed()[..6479]), Err(ImageError::Cut { promised: 6480, .. })));
    assert!(matches!(parse(&signed()[..4999]), Err(ImageError::Cut { promised: 5000, .. })));
    let unsigned = [&for_uefi()[..], &[7; 1480]].concat();
    let appended = ImageError::Appended { file: 6480, promised: 5000, by: "header" };
    assert_eq!(parse(&unsigned), Err(appended), "no header says that it is signed");
}
