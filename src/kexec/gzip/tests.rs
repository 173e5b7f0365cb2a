extern crate std;

use alloc::{vec, vec::Vec};

use miniz_oxide::deflate::compress_to_vec;
use proptest::prelude::*;

use super::*;

/// One member with the given header flags; their fields are filled with something.
pub(crate) fn member(contents: &[u8], flags: u8) -> Vec<u8> {
    let mut file = vec![0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 3];
    if flags & FEXTRA != 0 {
        file.extend_from_slice(b"\x03\x00abc");
    }
    if flags & FNAME != 0 {
        file.extend_from_slice(b"files.cpio\0");
    }
    if flags & FCOMMENT != 0 {
        file.extend_from_slice(b"a comment\0");
    }
    if flags & FHCRC != 0 {
        file.extend_from_slice(&(crc32(&file) as u16).to_le_bytes());
    }
    file.extend(compress_to_vec(contents, 6));
    file.extend_from_slice(&crc32(contents).to_le_bytes());
    file.extend_from_slice(&(contents.len() as u32).to_le_bytes());
    file
}

#[test]
fn the_crc_has_its_published_check_value() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}

#[test]
fn a_file_made_by_gzip_itself_is_read() {
    // printf 'hello, baton\n' | gzip -9n
    let file = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\xd7\x51\x48\x4a\x2c\
        \xc9\xcf\xe3\x02\x00\x15\x50\xcd\xc5\x0d\x00\x00\x00";
    assert_eq!(unpack(file, 100).unwrap(), (b"hello, baton\n".to_vec(), file.len()));
}

#[test]
fn several_members_make_one_file_and_the_rest_is_left_alone() {
    let mut file = member(b"one ", FNAME);
    file.extend(member(b"", 0));
    file.extend(member(b"two", FHCRC | FEXTRA | FNAME | FCOMMENT));
    let members = file.len();
    file.extend_from_slice(b"\0\0\0");
    assert_eq!(unpack(&file, 100).unwrap(), (b"one two".to_vec(), members));
}

#[test]
fn a_bomb_ends_at_the_limit_and_contents_of_just_that_size_do_not() {
    let contents = vec![0; 3 << 20];
    let mut bomb = member(&contents, 0);
    assert_eq!(unpack(&bomb, contents.len()).unwrap().0, contents);
    let limit = contents.len() - 1;
    assert_eq!(unpack(&bomb, limit), Err(GzipError::TooLarge { limit }));
    assert_eq!(unpack(&bomb, 0), Err(GzipError::TooLarge { limit: 0 }));
    // The size field states a small size.
    let at = bomb.len() - 4;
    bomb[at..].copy_from_slice(&5u32.to_le_bytes());
    assert_eq!(unpack(&bomb, limit), Err(GzipError::TooLarge { limit }));
    assert_eq!(unpack(&bomb, usize::MAX), Err(GzipError::Length));
    // The size field states a huge size.
    bomb[at..].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(unpack(&bomb, limit), Err(GzipError::TooLarge { limit }));
}

#[test]
fn every_cut_is_noticed() {
    let file = member(b"some contents, some more", FHCRC | FEXTRA | FNAME | FCOMMENT);
    for len in 0..file.len() {
        assert_eq!(unpack(&file[..len], 1000), Err(GzipError::Truncated), "{len} bytes");
    }
}

proptest! {
    #[test]
    fn one_wrong_byte_is_noticed_or_harmless(
        contents in proptest::collection::vec(any::<u8>(), 0..300),
        at in any::<proptest::sample::Index>(),
        flip in 1..=255u8,
    ) {
        let mut file = member(&contents, FHCRC | FNAME);
        let at = at.index(file.len());
        file[at] ^= flip;
        // Some bits of deflate data are padding; nothing else may change unnoticed.
        if let Ok((unpacked, _)) = unpack(&file, 1000) {
            prop_assert_eq!(unpacked, contents);
        }
    }

    #[test]
    fn no_input_makes_it_panic(mut file in proptest::collection::vec(any::<u8>(), 0..200)) {
        let start = [0x1f, 0x8b, 8];
        let len = start.len().min(file.len());
        file[..len].copy_from_slice(&start[..len]);
        let _ = unpack(&file, 4096);
    }
}
