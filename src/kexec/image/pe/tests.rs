use alloc::{string::ToString, vec, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::{kexec::Header, machine::Granules};

const PE: usize = 64;
const TABLE: usize = PE + 24 + 160;

/// An Image with an EFI stub, as Linux makes it: `sections` are (size, start), `certificates` too.
fn kernel(bytes: usize, sections: &[(u32, u32)], certificates: (u32, u32)) -> Vec<u8> {
    let mut file = vec![0x11; bytes];
    file[..TABLE + 40 * sections.len()].fill(0);
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"MZ\x40\xfa");
    put(16, &(1_u64 << 20).to_le_bytes());
    put(56, b"ARM\x64");
    put(60, &(PE as u32).to_le_bytes());
    put(PE, b"PE\0\0\x64\xaa");
    put(PE + 6, &(sections.len() as u16).to_le_bytes());
    put(PE + 20, &160_u16.to_le_bytes());
    put(PE + 24, &PE32_PLUS.to_le_bytes());
    put(PE + 24 + 108, &6_u32.to_le_bytes());
    put(PE + 24 + 144, &certificates.1.to_le_bytes());
    put(PE + 24 + 148, &certificates.0.to_le_bytes());
    for (i, (size, start)) in sections.iter().enumerate() {
        put(TABLE + 40 * i + 16, &size.to_le_bytes());
        put(TABLE + 40 * i + 20, &start.to_le_bytes());
    }
    file
}

fn signed() -> Vec<u8> {
    kernel(0x3200, &[(0x1000, 0x1000), (0x1000, 0x2000)], (0x200, 0x3000))
}

fn parse(file: &[u8]) -> Result<Header, ImageError> {
    Header::parse(file, Granules::FOUR_K, 1 << 30)
}

#[test]
fn the_part_that_states_most_is_named() {
    assert!(parse(&signed()).is_ok());
    let error = |file: &[u8]| parse(file).unwrap_err().to_string();
    let text = error(&signed()[..0x3100]);
    assert!(text.contains("12544 bytes, its PE certificate table promises 12800; copy it again"));
    let unsigned = kernel(8192, &[(0x10_0000, 0x1_0000)], (0, 0));
    let wanted = "the file has 8192 bytes, its PE section table promises 1114112; copy it again";
    assert_eq!(error(&unsigned), wanted);
    assert!(error(&signed()[..TABLE + 79]).contains("PE header promises 328"));
    assert!(error(&signed()[..70]).contains("PE header promises 88"));
}

#[test]
fn every_cut_is_refused() {
    let file = signed();
    assert!((0..file.len()).all(|bytes| parse(&file[..bytes]).is_err()));
}

#[test]
fn what_is_appended_is_refused_and_padding_is_not() {
    let more = [&signed()[..], b"\0\0more"].concat();
    assert!(matches!(parse(&more), Err(ImageError::Appended { promised: 0x3200, .. })));
    assert!(parse(&[&signed()[..], &[0; 4096]].concat()).is_ok());
}

#[test]
fn what_is_odd_and_promises_nothing_is_taken() {
    let none = kernel(0x3000, &[], (0, 0));
    let no_contents = kernel(0x3000, &[(0, u32::MAX), (u32::MAX, 0)], (0, 0));
    let mut bss = kernel(0x3000, &[(0x2000, 0x1000), (u32::MAX, u32::MAX)], (0, 0));
    bss[TABLE + 40 + 36] = UNINITIALISED as u8;
    let mut no_signature = signed();
    no_signature[PE] = b'Q';
    let mut no_offset = signed();
    no_offset[60] = 0;
    let mut few_directories = signed();
    few_directories[PE + 24 + 108] = 4;
    few_directories.truncate(0x3000);
    let mut symbols = [&signed()[..], &[0x22; 36], &[8, 0, 0, 0, 0x33, 0x33, 0x33, 0]].concat();
    symbols[PE + 12..PE + 16].copy_from_slice(&0x3200_u32.to_le_bytes());
    symbols[PE + 16] = 2;
    for file in [none, no_contents, bss, no_signature, no_offset, few_directories, symbols] {
        assert!(parse(&file).is_ok(), "{:?}", parse(&file));
    }
}

#[test]
fn the_largest_numbers_are_refused_without_overflow() {
    let huge = kernel(0x3000, &[(u32::MAX, u32::MAX)], (u32::MAX, u32::MAX));
    let promised = 2 * u64::from(u32::MAX);
    assert!(matches!(parse(&huge), Err(ImageError::Cut { promised: p, .. }) if p == promised));
    let mut sections = signed();
    sections[PE + 6..PE + 8].fill(0xff);
    assert!(parse(&sections).unwrap_err().to_string().contains("PE header promises 2621648"));
    let mut offset = signed();
    offset[60..64].fill(0xff);
    assert!(matches!(parse(&offset), Err(ImageError::Cut { promised: 0x1_0000_0017, .. })));
    let mut symbols = signed();
    symbols[PE + 12..PE + 20].fill(0xff);
    assert!(parse(&symbols).unwrap_err().to_string().contains("PE symbol table"));
}

proptest! {
    #[test]
    fn damaged_headers_do_not_panic(
        damage in prop::collection::vec((0..TABLE + 80, any::<u8>()), 1..20),
        bytes in 0..0x3200_usize,
    ) {
        let mut file = signed();
        damage.into_iter().for_each(|(at, byte)| file[at] = byte);
        let _ = check(&file);
        let _ = check(&file[..bytes]);
    }
}
