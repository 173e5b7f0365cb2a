use object::LittleEndian as LE;
use object::elf::EM_AARCH64;
use object::pe::{IMAGE_SCN_MEM_EXECUTE, IMAGE_SCN_MEM_WRITE};
use object::read::pe::{ImageNtHeaders, ImageOptionalHeader, PeFile64};

use super::super::tests::{elf, header};
use super::super::{IMAGE_SIZE_AT, from_elf};
use super::*;

const BASE: u64 = 0x4020_0000;
const RELATIVE: u64 = 1027;

/// A kernel of 5000 bytes, as the linker makes it.
fn kernel(size: u64) -> Vec<u8> {
    let mut file = header(size);
    file[..4].copy_from_slice(&[0x4d, 0x5a, 0x40, 0xfa]);
    file.resize(5000, 0);
    file[600..].fill(0x11);
    file
}

/// A stub: a page of code, and one of data with a relocation of the given type.
fn stub(mark: &[u8; 8], relocation: u64) -> Vec<u8> {
    let (mut code, data) = (vec![0x22; PAGE], vec![0x33; PAGE]);
    code[..8].copy_from_slice(mark);
    code[8..16].fill(0);
    let mut elf = elf(EM_AARCH64, &[(0, &code, 0), (PAGE as u64, &data, 0)]);
    elf[24..32].copy_from_slice(&16u64.to_le_bytes()); // the entry
    let rela = elf.len() as u64;
    elf.extend([PAGE as u64, relocation, 0].iter().flat_map(|word| word.to_le_bytes()));
    let names = elf.len() as u64;
    elf.extend(b"\0.rela.dyn\0\0\0\0\0");
    let table = elf.len() as u64;
    elf[40..48].copy_from_slice(&table.to_le_bytes());
    elf[58..64].copy_from_slice(&[64, 0, 3, 0, 2, 0]); // size, number of sections, their names
    elf.resize(elf.len() + 64, 0); // the first section is none
    let mut section = |name: u32, kind: u32, at: u64, offset: u64, size: u64, entry: u64| {
        elf.extend([name, kind].iter().flat_map(|word| word.to_le_bytes()));
        elf.extend(
            [2, at, offset, size, 0, 8, entry].iter().flat_map(|word: &u64| word.to_le_bytes()),
        );
    };
    section(1, 4, 0x1800, rela, 24, 24);
    section(0, 3, 0, names, 16, 0);
    elf
}

fn joined(kernel: &[u8], stub: &[u8]) -> Result<Vec<u8>> {
    from_elf(&elf(EM_AARCH64, &[(BASE, kernel, 0)]), Some(stub))
}

fn refusal(kernel: &[u8], stub: &[u8]) -> String {
    format!("{:#}", joined(kernel, stub).expect_err("must be refused"))
}

#[test]
fn the_file_is_a_kernel_first_and_the_stub_knows_where_it_is() {
    let kernel = kernel(0x4_0000);
    let file = joined(&kernel, &stub(MARK, RELATIVE)).unwrap();
    assert_eq!(file.len(), 4 * PAGE);
    assert_eq!(file[512..5000], kernel[512..]);
    assert_eq!(file[..60], kernel[..60]);
    assert!(file[5000..2 * PAGE].iter().all(|byte| *byte == 0));
    assert_eq!(file[2 * PAGE..2 * PAGE + 8], MARK[..]);
    assert_eq!(file[2 * PAGE + 8..2 * PAGE + 16], (2 * PAGE as u64).to_le_bytes());
    assert!(file[2 * PAGE + 16..3 * PAGE].iter().all(|byte| *byte == 0x22));
    assert_eq!(file[3 * PAGE..], [0x33; PAGE]);
    assert!(crate::image::is_from(&file, &elf(EM_AARCH64, &[(BASE, &kernel, 0)])).unwrap());
    let other = [&kernel[..4999], &[0x12]].concat();
    assert!(!crate::image::is_from(&file, &elf(EM_AARCH64, &[(BASE, &other, 0)])).unwrap());
}

/// By the reader of another hand.
#[test]
fn the_file_is_a_pe_file_that_firmware_and_signers_take() {
    let file = joined(&kernel(0x4_0000), &stub(MARK, RELATIVE)).unwrap();
    let pe = PeFile64::parse(&*file).unwrap();
    let optional = pe.nt_headers().optional_header();
    assert_eq!(pe.nt_headers().file_header().machine.get(LE).0, 0xaa64);
    assert_eq!(optional.subsystem().0, 10);
    assert_eq!(optional.dll_characteristics().0 & 0x100, 0x100, "NX_COMPAT");
    assert_eq!(optional.address_of_entry_point(), 2 * PAGE as u32 + 16);
    assert_eq!(optional.size_of_image() as usize, file.len());
    assert_eq!((optional.size_of_headers(), optional.section_alignment()), (4096, 4096));
    assert_eq!((optional.major_image_version(), optional.number_of_rva_and_sizes()), (3, 6));
    assert_eq!(file.len() % 0x200, 0);
    let mut at = 4096;
    for section in pe.section_table().iter() {
        let [virtual_at, size, raw_at, raw] = [
            &section.virtual_address,
            &section.virtual_size,
            &section.pointer_to_raw_data,
            &section.size_of_raw_data,
        ]
        .map(|field| field.get(LE));
        assert_eq!((virtual_at, raw_at, raw), (at, at, size), "no gap, and as in the file");
        let flags = section.characteristics.get(LE);
        let is = |flag: object::pe::SectionFlags| flags.0 & flag.0 != 0;
        assert!(!(is(IMAGE_SCN_MEM_WRITE) && is(IMAGE_SCN_MEM_EXECUTE)));
        let has_entry = (virtual_at..virtual_at + size).contains(&(2 * PAGE as u32 + 16));
        assert_eq!(is(IMAGE_SCN_MEM_EXECUTE), has_entry);
        at += size;
    }
    assert_eq!(at as usize, file.len());
}

#[test]
fn the_same_input_makes_the_same_file() {
    let make = || joined(&kernel(0x4_0000), &stub(MARK, RELATIVE)).unwrap();
    assert_eq!(make(), make());
}

#[test]
fn a_kernel_without_room_for_a_pe_file_is_refused() {
    let stub = stub(MARK, RELATIVE);
    let sound = kernel(0x4_0000);
    let mut other = sound.clone();
    other[0] = 0;
    assert!(refusal(&other, &stub).contains("no header for UEFI"));
    let mut other = sound.clone();
    other[100] = 1;
    assert!(refusal(&other, &stub).contains("have to be zero"));
    let mut small = sound;
    small[IMAGE_SIZE_AT..IMAGE_SIZE_AT + 8].copy_from_slice(&0x1_3fff_u64.to_le_bytes());
    assert!(refusal(&small, &stub).contains("81919 bytes of memory"), "{}", refusal(&small, &stub));
}

#[test]
fn what_is_no_stub_is_refused_by_what_it_is() {
    let kernel = kernel(0x4_0000);
    assert!(refusal(&kernel, b"#!/bin/sh").contains("the UEFI stub: not a 64-bit ELF"));
    assert!(refusal(&kernel, &stub(b"batonimg", RELATIVE)).contains("does not begin with"));
    assert!(refusal(&kernel, &stub(MARK, 257)).contains("a relocation of type"));
    let one = elf(EM_AARCH64, &[(0, &[0; PAGE], 0)]);
    assert!(refusal(&kernel, &one).contains("1 segments"));
    let mut outside = stub(MARK, RELATIVE);
    outside[24..32].copy_from_slice(&(PAGE as u64).to_le_bytes());
    assert!(refusal(&kernel, &outside).contains("its entry 0x1000"));
}
