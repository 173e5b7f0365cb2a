use alloc::{string::ToString, vec, vec::Vec};

use proptest::prelude::*;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;
use crate::kexec::gzip::tests::member;

const LIMIT: usize = 1 << 20;

fn zstd(contents: &[u8]) -> Vec<u8> {
    compress_to_vec(contents, CompressionLevel::Fastest)
}

/// The container in the layout that Linux builds.
fn zboot(name: &str, payload: &[u8], behind: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 0x200];
    file[..8].copy_from_slice(b"MZ\0\0zimg");
    file[8..12].copy_from_slice(&0x200u32.to_le_bytes());
    file[12..16].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    file[24..24 + name.len()].copy_from_slice(name.as_bytes());
    file.extend_from_slice(payload);
    file.extend_from_slice(behind);
    file
}

fn zboot_zstd(contents: &[u8]) -> Vec<u8> {
    zboot("zstd22", &zstd(contents), &(contents.len() as u32).to_le_bytes())
}

fn whole(file: &[u8]) -> Result<Vec<u8>, PackedError> {
    unpack(file, packing(file)?, LIMIT).map(Cow::into_owned)
}

fn kernel() -> Vec<u8> {
    (0..200_000u32).flat_map(|i| (i / 7).to_le_bytes()).take(300_000).collect()
}

#[test]
fn every_packing_gives_the_kernel_back() {
    let kernel = kernel();
    let gz = member(&kernel, 0);
    let cases = [
        (kernel.clone(), Packing::Flat),
        (gz.clone(), Packing::Gzip),
        (zboot("gzip", &gz, &[]), Packing::ZbootGzip),
        (zboot_zstd(&kernel), Packing::ZbootZstd),
    ];
    for (file, how) in cases {
        assert_eq!(packing(&file), Ok(how));
        assert!(whole(&file) == Ok(kernel.clone()), "{}", how.name());
    }
}

/// `head -c 300000 /dev/zero | zstd -19`, which states the size in the frame when its input is a
/// file.
#[test]
fn a_frame_of_the_real_zstd_that_states_its_size_needs_nobody_else_to() {
    let frame = b"\x28\xb5\x2f\xfd\xa4\xe0\x93\x04\x00\x4c\x00\x00\x08\x00\x01\x00\xfc\xff\x39\x10\
        \x02\x02\x00\x10\x00\x03\x9f\x04\x00\x2d\x28\xde\x26";
    match zstd::unpack(frame, LIMIT, None) {
        Ok(zeros) => assert!(zeros.len() == 300_000 && zeros.iter().all(|byte| *byte == 0)),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn what_is_not_unpacked_is_named() {
    let text = |file: &[u8]| whole(file).unwrap_err().to_string();
    assert!(text(&zboot("lzma", b"x", &[])).contains("packed by lzma, gzip and zstd are unpacked"));
    assert!(text(&zboot("rot13", b"x", &[])).contains("packed by something unknown"));
    assert!(text(&zboot("", b"x", &[])).contains("name of its compression is damaged"));
    assert!(text(&zboot("gzip", b"not gzip at all", &[])).contains("gzip"));
    assert!(text(&zboot_zstd(&kernel())[..0x1000]).contains("the file has 4096"));
}

#[test]
fn a_size_that_lies_is_found_out() {
    let (kernel, mut file) = (kernel(), zboot_zstd(&kernel()));
    let at = file.len() - 4;
    file[at..].copy_from_slice(&(kernel.len() as u32 - 1).to_le_bytes());
    let bytes = kernel.len() - 1;
    assert_eq!(whole(&file), Err(PackedError::Zstd(ZstdError::Length { bytes })));
    file[at..].copy_from_slice(&(1u32 << 30).to_le_bytes());
    let too_large = ZstdError::TooLarge { bytes: 1 << 30, limit: LIMIT };
    assert_eq!(whole(&file), Err(PackedError::Zstd(too_large)));
    assert_eq!(whole(&file[..at]), Err(PackedError::Zboot(ZbootError::NoSize)));
    assert_eq!(whole(&file[..at + 3]), Err(PackedError::Zboot(ZbootError::NoSize)));
}

/// A frame of one raw block that states its size, as `zstd FILE` makes of few bytes.
fn frame(contents: &[u8]) -> Vec<u8> {
    let bytes = contents.len() as u32;
    let mut frame = b"\x28\xb5\x2f\xfd\xa0".to_vec(); // a single segment, four bytes of size
    frame.extend(bytes.to_le_bytes());
    frame.extend(&(bytes << 3 | 1).to_le_bytes()[..3]); // the last block, raw
    frame.extend(contents);
    frame
}

const SKIPPED: &[u8] = b"\x50\x2a\x4d\x18\x04\0\0\0abcd";

#[test]
fn all_frames_are_unpacked_and_what_is_skippable_is_skipped() {
    let (one, two) = (frame(&[1; 4096]), frame(&[2; 5000]));
    let wanted = [vec![1; 4096], vec![2; 5000]].concat();
    for parts in [
        &[&one[..], &two][..],
        &[&one, &frame(&[]), &two],
        &[SKIPPED, &one, SKIPPED, &two, SKIPPED],
    ] {
        let file = parts.concat();
        assert_eq!(packing(&file), Ok(Packing::Zstd));
        assert!(whole(&file) == Ok(wanted.clone()));
        let less = zstd::unpack(&file, wanted.len() - 1, None);
        assert!(matches!(less, Err(ZstdError::TooLarge { .. })), "the limit is for all frames");
    }
    let both = zboot("zstd", &[one, two].concat(), &9096_u32.to_le_bytes());
    assert!(whole(&both) == Ok(wanted));
    assert_ne!(packing(SKIPPED), Ok(Packing::Zstd));
}

#[test]
fn what_follows_the_frames_is_refused_with_its_place() {
    let file = frame(&[1; 4096]);
    for more in [&b"x"[..], b"\0", b"\0\0\0\0", b"\x28\xb5\x2f", b"a longer text"] {
        let trailing = ZstdError::Trailing { at: file.len(), bytes: more.len() };
        let long = [&file[..], more].concat();
        assert_eq!(whole(&long), Err(PackedError::Zstd(trailing)));
    }
    let behind = zboot("zstd", &[&file[..], b"x"].concat(), &4096_u32.to_le_bytes());
    assert!(matches!(whole(&behind), Err(PackedError::Zstd(ZstdError::Trailing { .. }))));
}

#[test]
fn every_cut_of_zstd_is_refused_but_between_frames() {
    let (one, two) = (frame(&[1; 400]), frame(&[2; 500]));
    let file = [&one[..], SKIPPED, &two].concat();
    let between = [one.len(), one.len() + SKIPPED.len()];
    for bytes in (1..file.len()).filter(|bytes| !between.contains(bytes)) {
        let cut = &file[..bytes];
        assert!(whole(cut).is_err() || packing(cut) == Ok(Packing::Flat), "{bytes}");
    }
    // With a container the size of all is known, and so is each cut.
    for payload in [&file[..one.len()], &file[..one.len() + SKIPPED.len()]] {
        assert!(whole(&zboot("zstd", payload, &900_u32.to_le_bytes())).is_err());
    }
    // Raw, run-length and compressed blocks, with a checksum.
    let packed = zstd(&kernel()[..3000]);
    let cut = |bytes: usize| zstd::unpack(&packed[..bytes], LIMIT, Some(3000));
    assert!((4..packed.len()).all(|bytes| cut(bytes).is_err()) && cut(packed.len()).is_ok());
}

#[test]
fn what_follows_gzip_is_refused_but_padding() {
    let gz = member(b"a kernel", 0);
    assert_eq!(whole(&[&gz[..], &gz].concat()), Ok(b"a kernela kernel".to_vec()));
    assert_eq!(whole(&[&gz[..], &[0; 512]].concat()), Ok(b"a kernel".to_vec()));
    for more in [&b"x"[..], b"\x1f", b"\0\0\0more"] {
        let trailing = GzipError::Trailing { at: gz.len(), bytes: more.len() };
        assert_eq!(whole(&[&gz[..], more].concat()), Err(PackedError::Gzip(trailing)));
        let inside = zboot("gzip", &[&gz[..], more].concat(), &[]);
        assert_eq!(whole(&inside), Err(PackedError::Gzip(trailing)));
    }
    assert!((3..gz.len()).all(|bytes| whole(&gz[..bytes]).is_err()));
}

#[test]
fn a_container_that_its_pe_headers_show_to_be_cut_is_refused() {
    let gz = member(&kernel(), 0);
    let mut file = zboot("gzip", &gz, &[0; 16]);
    file[60..64].copy_from_slice(&64_u32.to_le_bytes());
    file[64..68].copy_from_slice(b"PE\0\0");
    file[70] = 1;
    let (start, end) = (0x200, file.len() as u32);
    file[88 + 16..88 + 20].copy_from_slice(&(end - start).to_le_bytes());
    file[88 + 20..88 + 24].copy_from_slice(&start.to_le_bytes());
    assert!(whole(&file) == Ok(kernel()));
    let cut = whole(&file[..file.len() - 1]).unwrap_err().to_string();
    assert!(cut.contains("its PE section table promises"), "{cut}");
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let zeros = vec![0; 8 << 20];
    assert!(matches!(whole(&member(&zeros, 0)), Err(PackedError::Gzip(_))));
    let mut bomb = zboot_zstd(&zeros);
    let at = bomb.len() - 4;
    bomb[at..].copy_from_slice(&4096u32.to_le_bytes());
    assert_eq!(whole(&bomb), Err(PackedError::Zstd(ZstdError::Length { bytes: 4096 })));
}

proptest! {
    #[test]
    fn no_damage_panics_or_passes_for_the_kernel(
        which in 0..3usize, at: prop::sample::Index, xor in 1u8.., cut: prop::sample::Index,
    ) {
        let kernel = kernel();
        let gz = member(&kernel, 0);
        let mut file = match which {
            0 => gz,
            1 => zboot("gzip", &gz, &[]),
            _ => zboot_zstd(&kernel),
        };
        let _ = whole(&file[..cut.index(file.len())]);
        let at = at.index(file.len());
        file[at] ^= xor;
        // Unused bytes of the container may have any value; gzip has a checksum, and ruzstd's
        // encoder writes one.
        if let Ok(unpacked) = whole(&file) {
            prop_assert!(unpacked == kernel || packing(&file) == Ok(Packing::Flat));
        }
    }
}
