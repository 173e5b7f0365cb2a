use object::elf::Machine;

use super::*;

const BASE: u64 = 0x4020_0000;

/// A little-endian ELF64 with the given machine and segments (address, bytes, bss bytes).
pub(super) fn elf(machine: Machine, segments: &[(u64, &[u8], u64)]) -> Vec<u8> {
    let table = 64 + 56 * segments.len();
    let mut out = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for half in [2, machine.0] {
        out.extend(half.to_le_bytes());
    }
    out.extend(1u32.to_le_bytes());
    for word in [BASE, 64, 0] {
        out.extend(word.to_le_bytes());
    }
    out.extend(0u32.to_le_bytes());
    for half in [64, 56, segments.len() as u16, 0, 0, 0] {
        out.extend(half.to_le_bytes());
    }
    let mut offset = table as u64;
    for (at, bytes, bss) in segments {
        out.extend(PT_LOAD.0.to_le_bytes());
        out.extend(5u32.to_le_bytes());
        // The virtual address differs on purpose: only the physical one counts.
        let size = bytes.len() as u64;
        for word in [offset, at + 0xffff_0000_0000_0000, *at, size, size + bss, 4096] {
            out.extend(word.to_le_bytes());
        }
        offset += size;
    }
    segments.iter().for_each(|(_, bytes, _)| out.extend_from_slice(bytes));
    out
}

pub(super) fn header(image_size: u64) -> Vec<u8> {
    let mut header = vec![0; HEADER];
    header[IMAGE_SIZE_AT..IMAGE_SIZE_AT + 8].copy_from_slice(&image_size.to_le_bytes());
    header[MAGIC_AT..MAGIC_AT + 4].copy_from_slice(MAGIC);
    header
}

fn refusal(result: Result<Vec<u8>>) -> String {
    format!("{:#}", result.expect_err("must be refused"))
}

#[test]
fn segments_land_by_physical_address_and_bss_takes_no_bytes() {
    let head = header(0x3000);
    let segments: &[(u64, &[u8], u64)] = &[(BASE + 0x80, b"data", 0x1000), (BASE, &head, 0)];
    let flat = from_elf(&elf(EM_AARCH64, segments), None).unwrap();
    assert_eq!(flat.len(), 0x84);
    assert_eq!(
        (&flat[..64], &flat[64..0x80], &flat[0x80..]),
        (&head[..], &[0; 64][..], &b"data"[..])
    );
    assert_eq!(image_size(&flat), 0x3000);
}

#[test]
fn the_mark_of_a_baton_is_completed_and_nothing_else_is_changed() {
    let mut head = header(0x3000);
    head[32..40].copy_from_slice(b"batonimg");
    let flat =
        from_elf(&elf(EM_AARCH64, &[(BASE, &head, 0), (BASE + 64, b"code", 0)]), None).unwrap();
    let mark = BatonMark::of(&flat).unwrap();
    assert_eq!((flat.len(), mark.bytes), (68, 68));
    assert_ne!(mark.crc, 0);
    head[40..52].copy_from_slice(&flat[40..52]);
    assert_eq!((&flat[..64], &flat[64..]), (&head[..], &b"code"[..]));
}

#[test]
fn other_machines_and_other_files_are_refused() {
    let head = header(0x1000);
    assert!(refusal(from_elf(&elf(Machine(62), &[(BASE, &head, 0)]), None)).contains("machine 62"));
    assert!(refusal(from_elf(b"#!/bin/sh", None)).contains("ELF"));
    assert!(refusal(from_elf(&elf(EM_AARCH64, &[]), None)).contains("nothing to load"));
}

#[test]
fn a_file_cut_short_is_refused() {
    let mut whole = elf(EM_AARCH64, &[(BASE, &header(0x1000), 0)]);
    whole.truncate(whole.len() - 1);
    assert!(refusal(from_elf(&whole, None)).contains("cut short"));
}

#[test]
fn overlaps_and_gaps_are_refused() {
    let head = header(0x1000);
    let overlap: &[(u64, &[u8], u64)] = &[(BASE, &head, 0), (BASE + 63, b"x", 0)];
    assert!(refusal(from_elf(&elf(EM_AARCH64, overlap), None)).contains("overlaps"));
    let gap: &[(u64, &[u8], u64)] = &[(BASE, &head, 0), (BASE + LARGEST, b"x", 0)];
    assert!(refusal(from_elf(&elf(EM_AARCH64, gap), None)).contains("too far"));
}

#[test]
fn a_wrong_header_is_named() {
    let small = format!("{:#}", check(&header(63)).unwrap_err());
    assert!(small.contains("image_size is 63"), "{small}");
    let mut magic = header(0x1000);
    magic[MAGIC_AT] = b'a';
    assert!(format!("{:#}", check(&magic).unwrap_err()).contains("magic"));
    assert!(check(&magic[..40]).is_err());
}
