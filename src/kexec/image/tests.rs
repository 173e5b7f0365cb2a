use crate::config::PAGE;
use alloc::{string::ToString, vec, vec::Vec};

use super::*;

const MEMORY: u64 = 1 << 30;

fn file(text_offset: u64, image_size: u64, flags: u64) -> Vec<u8> {
    let mut file = vec![0; 4096];
    file[..4].copy_from_slice(&0x1400_0010_u32.to_le_bytes());
    file[8..16].copy_from_slice(&text_offset.to_le_bytes());
    file[16..24].copy_from_slice(&image_size.to_le_bytes());
    file[24..32].copy_from_slice(&flags.to_le_bytes());
    file[56..60].copy_from_slice(b"ARM\x64");
    file
}

fn parse(file: &[u8]) -> Result<Header, ImageError> {
    Header::parse(file, Granules::FOUR_K, MEMORY)
}

#[test]
fn a_good_header_is_read_and_its_size_rounded_up_to_pages() {
    let header = parse(&file(0x8_0000, 0x12_3456, 0b1010)).unwrap();
    let wanted = Header {
        text_offset: 0x8_0000,
        image_size: 0x12_4000,
        page_size: PageSize::K4,
        anywhere: true,
    };
    assert_eq!(header, wanted);
    assert!(!parse(&file(0, 4096, 0)).unwrap().anywhere);
}

#[test]
fn files_of_other_kinds_are_named() {
    for (start, word) in [
        (&b"\x7fELF\x02"[..], "ELF"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"MZ\0\0zimg", "compressed EFI kernel"),
        (b"MZ\x90\0", "PE file"),
        (b"\xd0\x0d\xfe\xed", "device tree"),
        (b"070701", "--initrd"),
    ] {
        let mut bytes = vec![0; 128];
        bytes[..start.len()].copy_from_slice(start);
        let error = parse(&bytes).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert!(matches!(error, ImageError::Foreign(_)));
    }
    assert_eq!(parse(&[0x1f; 128]), Err(ImageError::NoMagic));
}

#[test]
fn a_pe_file_with_the_arm64_header_is_an_image() {
    let mut image = file(0, 0x10000, 0b1010);
    image[..2].copy_from_slice(b"MZ");
    assert!(parse(&image).is_ok());
}

#[test]
fn every_length_below_the_header_is_too_short() {
    let image = file(0, 0x10000, 0b1010);
    for bytes in 0..HEADER_BYTES {
        assert_eq!(parse(&image[..bytes]), Err(ImageError::TooShort { bytes }));
    }
    assert!(parse(&image[..HEADER_BYTES]).is_ok());
}

#[test]
fn a_kernel_that_these_cpus_cannot_run_is_refused() {
    assert_eq!(parse(&file(0, 0x10000, 0b1011)), Err(ImageError::BigEndian));
    assert_eq!(parse(&file(0, 0x10000, 0b0100)), Err(ImageError::PageSize(PageSize::K16)));
    assert_eq!(parse(&file(0, 0x10000, 0b0110)), Err(ImageError::PageSize(PageSize::K64)));
    let all = Granules { k4: true, k16: true, k64: true };
    assert!(Header::parse(&file(0, 0x10000, 0b0110), all, MEMORY).is_ok());
    let none = Granules { k4: false, ..Granules::FOUR_K };
    assert!(Header::parse(&file(0, 0x10000, 0b0010), none, MEMORY).is_err());
    assert!(Header::parse(&file(0, 0x10000, 0), none, MEMORY).is_ok());
}

#[test]
fn sizes_and_offsets_that_cannot_be_met_are_refused() {
    assert_eq!(parse(&file(0x8_0000, 0, 0b1010)), Err(ImageError::NoSize));
    let short = ImageError::SizeBelowFile { image_size: 4095, file: 4096 };
    assert_eq!(parse(&file(0, 4095, 0b1010)), Err(short));
    for offset in [2 << 20, 0x800, u64::MAX] {
        assert_eq!(parse(&file(offset, 4096, 0b1010)), Err(ImageError::TextOffset(offset)));
    }
    for image_size in [MEMORY + 1, u64::MAX] {
        let too_large = ImageError::TooLarge { image_size, memory: MEMORY };
        assert_eq!(parse(&file(0, image_size, 0b1010)), Err(too_large));
    }
    let huge = Header::parse(&file(0, u64::MAX, 0b1010), Granules::FOUR_K, u64::MAX);
    assert!(matches!(huge, Err(ImageError::TooLarge { .. })));
}

#[test]
fn a_raw_binary_begins_where_test_suites_expect_it_and_has_room_behind() {
    let header = Header::raw(&[1; 5000], MEMORY).unwrap();
    assert_eq!((header.text_offset, header.image_size), (0x8_0000, (2 << 20) + 2 * PAGE));
    assert_eq!(Header::raw(&[], MEMORY), Err(ImageError::TooShort { bytes: 0 }));
    assert!(matches!(Header::raw(&[1; 5000], 1 << 20), Err(ImageError::TooLarge { .. })));
}
