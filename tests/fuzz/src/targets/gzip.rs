//! gzip files.

use baton::kexec::gzip::{GzipError, is_gzip, unpack};
use miniz_oxide::inflate::{
    TINFLStatus,
    core::{
        DecompressorOxide, decompress,
        inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF as WHOLE_OUTPUT,
    },
};

use super::check_message;
use crate::peak;

/// The most that may come out. Small, so that a bomb needs few bytes.
const LIMIT: usize = 64 << 10;

/// What unpacking may take beside the contents: the state of the decompressor.
const STATE: usize = 128 << 10;

/// Any file.
pub fn gzip(file: &[u8]) -> bool {
    let (result, peak) = peak::of(|| unpack(file, LIMIT));
    // Contents that grow exist twice while they move.
    assert!(peak <= 2 * (LIMIT + 1) + STATE, "{peak} bytes for at most {LIMIT}");
    match &result {
        Ok((contents, used)) => check(file, contents, *used),
        Err(error) => check_message(error),
    }
    for limit in [0, 1000] {
        let small = unpack(file, limit);
        assert!(
            small.as_ref().is_ok_and(|(contents, _)| contents.len() <= limit) || small.is_err()
        );
    }
    result.is_ok()
}

fn check(file: &[u8], contents: &[u8], used: usize) {
    assert!(contents.len() <= LIMIT && used <= file.len());
    assert!(is_gzip(file) && !is_gzip(&file[used..]));
    let same = unpack(&file[..used], contents.len());
    assert_eq!(same, Ok((contents.to_vec(), used)), "at a limit of just that");
    if let Some(limit) = contents.len().checked_sub(1) {
        assert_eq!(unpack(file, limit), Err(GzipError::TooLarge { limit }));
    }
    assert!(unpack(&file[..used - 1], LIMIT).is_err());
}

/// Any deflate data, with the header and trailer that it should have: what comes out is what the
/// decompressor alone makes of it, in one piece, and a wrong trailer is noticed.
pub fn deflate(data: &[u8]) -> bool {
    let mut contents = vec![0; LIMIT + 1];
    let mut state = Box::<DecompressorOxide>::default();
    let (status, read, wrote) = decompress(&mut state, data, &mut contents, 0, WHOLE_OUTPUT);
    contents.truncate(wrote);
    let done = status == TINFLStatus::Done && wrote <= LIMIT;
    let deflated = &data[..read];
    let mut file = member(deflated, &contents);
    file.extend(b"x");
    match unpack(&file, LIMIT) {
        Ok(result) => assert_eq!((result, done), ((contents, file.len() - 1), true)),
        Err(error) => assert!(!done, "{error}"),
    }
    for at in file.len() - 9..file.len() - 1 {
        let mut wrong = file.clone();
        wrong[at] ^= 0x10;
        assert!(unpack(&wrong, LIMIT).is_err());
    }
    done
}

/// A gzip member (RFC 1952) around deflate data.
fn member(deflated: &[u8], contents: &[u8]) -> Vec<u8> {
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let length = contents.len() as u32;
    [&header[..], deflated, &crc32(contents).to_le_bytes(), &length.to_le_bytes()].concat()
}

/// Bit by bit, unlike the one that is tested.
fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ 0xedb8_8320 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), bit))
}
