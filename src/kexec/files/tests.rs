extern crate std;

use alloc::{format, string::String, string::ToString, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::kexec::gzip::GzipError;
use crate::kexec::gzip::tests::member;

const LIMIT: usize = 1 << 20;

struct Fields {
    ino: u32,
    mode: u32,
    nlink: u32,
}

const PLAIN_FILE: Fields = Fields { ino: 7, mode: 0o100_644, nlink: 1 };

fn entry(name: &str, contents: &[u8], fields: &Fields) -> Vec<u8> {
    let Fields { ino, mode, nlink } = fields;
    let (size, name_size) = (contents.len(), name.len() + 1);
    let header = format!(
        "070701{ino:08X}{mode:08X}{0:08X}{0:08X}{nlink:08X}{0:08X}{size:08x}{0:08X}{0:08X}\
         {0:08X}{0:08X}{name_size:08X}{0:08X}{name}\0",
        0
    );
    let mut bytes = header.into_bytes();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend_from_slice(contents);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn trailer() -> Vec<u8> {
    entry("TRAILER!!!", b"", &Fields { ino: 0, mode: 0, nlink: 1 })
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = entry(".", b"", &Fields { ino: 1, mode: 0o040_755, nlink: 2 });
    files.iter().for_each(|(name, contents)| bytes.extend(entry(name, contents, &PLAIN_FILE)));
    bytes.extend(trailer());
    bytes
}

fn names(files: &Files<'_>) -> Vec<(String, usize)> {
    files.iter().map(|(name, size)| (Shown(name).to_string(), size)).collect()
}

#[test]
fn files_are_found_with_and_without_a_leading_slash() {
    let initrd = archive(&[("boot/Image", b"kernel"), ("./empty", b""), ("/abs", b"12345")]);
    let files = Files::open(&initrd, 0).unwrap();
    for path in ["boot/Image", "/boot/Image", "./boot/Image", ".//./boot/Image"] {
        assert_eq!(files.get(path), Some(&b"kernel"[..]));
    }
    assert_eq!((files.get("empty"), files.get("/abs")), (Some(&b""[..]), Some(&b"12345"[..])));
    for path in ["Image", "boot", "", "/", ".", "boot/Image/"] {
        assert_eq!(files.get(path), None, "{path}");
    }
    let wanted = [("abs", 5), ("boot/Image", 6), ("empty", 0)];
    assert_eq!(names(&files), wanted.map(|(name, size)| (name.to_string(), size)));
}

#[test]
fn a_plain_archive_is_not_copied() {
    let initrd = archive(&[("a", b"contents")]);
    let files = Files::open(&initrd, 0).unwrap();
    assert!(initrd.as_ptr_range().contains(&files.get("a").unwrap().as_ptr()));
}

#[test]
fn a_gzip_archive_is_unpacked_up_to_the_limit() {
    let plain = archive(&[("a", &[7; 5000])]);
    let packed = member(&plain, 0);
    assert_eq!(Files::open(&packed, plain.len()).unwrap().get("a"), Some(&[7; 5000][..]));
    let limit = plain.len() - 1;
    let refused = Files::open(&packed, limit).unwrap_err();
    assert_eq!(refused, FilesError::Gzip { at: 0, error: GzipError::TooLarge { limit } });
    // One archive cut in two members.
    let mut packed = member(&plain[..1000], 0);
    packed.extend(member(&plain[1000..], 0));
    assert!(Files::open(&packed, LIMIT).unwrap().get("a").is_some());
}

#[test]
fn later_archives_win_whatever_lies_between() {
    let mut initrd = archive(&[("a", b"old"), ("b", b"early")]);
    initrd.resize(initrd.len().next_multiple_of(512), 0);
    initrd.extend(archive(&[("./a", b"new"), ("c", b"x"), ("c", b"xy")]));
    initrd.extend([0; 8]);
    initrd.extend(member(&archive(&[("d", b"packed")]), 0));
    initrd.extend([0; 3]);
    let files = Files::open(&initrd, LIMIT).unwrap();
    assert_eq!(files.iter().count(), 4);
    for (path, contents) in [("a", "new"), ("b", "early"), ("c", "xy"), ("d", "packed")] {
        assert_eq!(files.get(path), Some(contents.as_bytes()));
    }
}

#[test]
fn all_names_of_a_hard_linked_file_have_its_contents() {
    let linked = Fields { ino: 9, nlink: 2, ..PLAIN_FILE };
    let mut initrd = entry("first", b"", &linked);
    initrd.extend(entry("other", b"", &PLAIN_FILE));
    initrd.extend(entry("second", b"shared", &linked));
    initrd.extend(trailer());
    let files = Files::open(&initrd, 0).unwrap();
    assert_eq!((files.get("first"), files.get("other")), (Some(&b"shared"[..]), Some(&b""[..])));
}

#[test]
fn symbolic_links_stand_for_files_unless_they_go_in_a_circle() {
    let symlink = Fields { ino: 3, mode: 0o120_777, nlink: 1 };
    let mut initrd = entry("boot/Image-1", b"kernel", &PLAIN_FILE);
    let links = [
        ("boot/Image", "Image-1"),
        ("vmlinuz", "./boot/Image"),
        ("bin/x", "../../vmlinuz"),
        ("abs/y", "/boot//Image-1"),
        ("loop", "loop"),
        ("gone", "nowhere"),
        ("dir", "boot"),
    ];
    for (name, to) in links {
        initrd.extend(entry(name, to.as_bytes(), &symlink));
    }
    initrd.extend(trailer());
    let files = Files::open(&initrd, 0).unwrap();
    for path in ["boot/Image", "/vmlinuz", "bin/x", "abs/y"] {
        assert_eq!(files.get(path), Some(&b"kernel"[..]), "{path}");
    }
    for path in ["loop", "gone", "dir", "dir/Image"] {
        assert_eq!(files.get(path), None, "{path}");
    }
    assert_eq!(files.iter().count(), 5);
}

#[test]
fn every_cut_of_an_archive_is_noticed() {
    let initrd = archive(&[("a", b"contents"), ("b", b"x")]);
    for len in 1..initrd.len() {
        let opened = Files::open(&initrd[..len], 0);
        // The trailer's own padding carries nothing.
        let padding = len + 3 >= initrd.len() && initrd[len..].iter().all(|b| *b == 0);
        let noticed = opened.as_ref().is_err() || opened.as_ref().unwrap().damage().is_some();
        assert!(noticed || padding, "{len} of {} bytes", initrd.len());
        for file in opened.iter().flat_map(|files| files.iter()) {
            assert!([(&b"a"[..], 8), (b"b", 1)].contains(&file), "only whole files are there");
        }
    }
}

fn error_of(initrd: &[u8]) -> String {
    match Files::open(initrd, LIMIT) {
        Ok(files) => files.damage().unwrap().to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn broken_archives_get_a_place_and_a_reason() {
    assert_eq!(Files::open(&[], 0).unwrap_err(), FilesError::Empty);
    assert_eq!(Files::open(&[0; 99], 0).unwrap_err(), FilesError::Empty);
    assert!(error_of(b"\x28\xb5\x2f\xfd....").contains("zstd"));
    assert!(error_of(&[b"070707".as_slice(), &[b'0'; 200]].concat()).contains("odc"));
    assert!(error_of(b"#!/bin/sh").contains("no newc cpio entry"));
    let mut long = archive(&[("a", b"contents")]);
    let size = entry(".", b"", &PLAIN_FILE).len() + 6 + 6 * 8;
    long[size..size + 8].copy_from_slice(b"FFFFFFFF");
    assert!(error_of(&long).contains("initrd at byte 112: \"a\": the entry needs 4294967"));
    long[size..size + 8].copy_from_slice(b"+0000008");
    assert!(error_of(&long).contains("header field 6"));
    let mut junk = archive(&[("a", b"x")]);
    junk.extend_from_slice(b"trailing junk");
    assert!(error_of(&junk).contains("no newc cpio entry"));
    assert!(error_of(&member(&junk, 0)).starts_with("unpacked initrd at byte"));
}

fn named(name: &[u8]) -> Vec<u8> {
    let mut bytes = entry(&"n".repeat(name.len()), b"", &PLAIN_FILE);
    bytes[110..110 + name.len()].copy_from_slice(name);
    bytes.extend(trailer());
    bytes
}

#[test]
fn an_entry_without_a_name_costs_that_entry() {
    let mut open = named(b"abc");
    open[113] = b'd';
    let mut nameless = named(b"a");
    nameless[6 + 11 * 8..6 + 12 * 8].copy_from_slice(b"00000000");
    for (broken, shown) in [(named(b"a\0b"), "a"), (open, "abcd"), (nameless, "")] {
        let initrd = [archive(&[("good", b"x")]), broken].concat();
        let files = Files::open(&initrd, 0).unwrap();
        assert_eq!((files.get("good"), files.damage()), (Some(&b"x"[..]), None));
        let faults: Vec<String> = files.faults().collect();
        assert!(faults[0].starts_with(&format!("entry \"{shown}\" at byte ")), "{faults:?}");
        assert!(faults[0].contains("the name is empty or has a zero inside or none at its end"));
    }
}

#[test]
fn a_name_that_is_no_utf_8_is_shown_escaped_and_costs_nothing() {
    let initrd = [archive(&[("baton.Image", b"kernel")]), named(b"caf\xe9.txt")].concat();
    let files = Files::open(&initrd, 0).unwrap();
    assert_eq!(names(&files), [("baton.Image".into(), 6), ("caf\\xe9.txt".into(), 0)]);
    assert_eq!((files.get("baton.Image"), files.faults().count()), (Some(&b"kernel"[..]), 0));
}

#[test]
fn a_mode_of_no_type_costs_that_entry_and_other_types_are_no_files() {
    let mut initrd = Vec::new();
    for (name, mode) in [("odd", 0o150_644), ("huge", 0x10_81a4), ("none", 0o644)] {
        initrd.extend(entry(name, b"x", &Fields { mode, ..PLAIN_FILE }));
    }
    for (name, mode) in [("fifo", 0o010_644), ("socket", 0o140_644), ("tty", 0o020_644)] {
        initrd.extend(entry(name, b"", &Fields { mode, ..PLAIN_FILE }));
    }
    initrd.extend(archive(&[("good", b"x")]));
    let files = Files::open(&initrd, 0).unwrap();
    assert_eq!(names(&files), [("good".into(), 1)]);
    let faults: Vec<String> = files.faults().collect();
    assert_eq!(faults.len(), 3);
    let wanted = "entry \"odd\" at byte 0: the mode 0o150644 is of no known type of file; left out";
    assert_eq!(faults[0], wanted);
}

/// An entry of the format with checksums.
fn summed(name: &str, contents: &[u8], sum: u32) -> Vec<u8> {
    let mut bytes = entry(name, contents, &PLAIN_FILE);
    bytes[..6].copy_from_slice(b"070702");
    bytes[102..110].copy_from_slice(format!("{sum:08x}").as_bytes());
    bytes
}

#[test]
fn a_wrong_checksum_costs_that_file_and_an_older_one_does_not_return() {
    let sum = b"abc".iter().map(|&byte| u32::from(byte)).sum();
    let mut initrd = archive(&[("bad", b"old")]);
    initrd.extend(summed("good", b"abc", sum));
    initrd.extend(summed("bad", b"abc", sum + 1));
    initrd.extend(archive(&[("other", b"x")]));
    let files = Files::open(&initrd, 0).unwrap();
    assert_eq!(names(&files), [("good".into(), 3), ("other".into(), 1)]);
    let wanted = "bad: the checksum in the header is 0x127 and that of the contents 0x126";
    let why = files.find("bad").unwrap_err().to_string();
    assert_eq!(why, format!("{wanted}; make the archive again"));
    assert_eq!(files.faults().next(), Some(format!("file {wanted}; left out")));
}

#[test]
fn what_precedes_damage_is_there_and_the_damage_is_told() {
    let first = archive(&[("early", b"x")]);
    let mut cut = [first.clone(), archive(&[("late", &[7; 100])])].concat();
    cut.truncate(cut.len() - 180);
    let zstd = [&first[..], b"\x28\xb5\x2f\xfd...."].concat();
    let gzip = [&first[..], &member(&first, 0)[..30]].concat();
    let cases = [(cut, "\"late\": the entry needs"), (zstd, "zstd file"), (gzip, "gzip data ends")];
    for (initrd, wanted) in cases {
        let files = Files::open(&initrd, LIMIT).unwrap();
        assert_eq!(files.get("early"), Some(&b"x"[..]));
        let told = files.faults().last().unwrap();
        assert!(told.contains(wanted), "{told}");
        let missing = files.find("late").unwrap_err().to_string();
        assert!(missing.starts_with("late: no such file up to where the initrd is damaged: "));
        assert!(missing.contains(wanted), "{missing}");
    }
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(
        files in proptest::collection::btree_map(
            "[a-z]{1,5}(/[a-z.]{1,9}){0,2}",
            proptest::collection::vec(any::<u8>(), 0..50),
            0..8,
        ),
        packed: bool,
    ) {
        let list: Vec<(&str, &[u8])> =
            files.iter().map(|(name, contents)| (name.as_str(), contents.as_slice())).collect();
        let plain = archive(&list);
        let initrd = if packed { member(&plain, 8) } else { plain };
        let opened = Files::open(&initrd, LIMIT).unwrap();
        prop_assert_eq!(opened.iter().count(), files.len());
        for (name, contents) in &files {
            prop_assert_eq!(opened.get(name), Some(contents.as_slice()));
        }
    }

    #[test]
    fn no_damage_makes_it_panic(
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        len in any::<proptest::sample::Index>(),
        digits: bool,
    ) {
        let mut initrd = archive(&[("a", b"contents"), ("b/c", &[1; 40])]);
        for (at, byte) in damage {
            let at = at.index(initrd.len());
            initrd[at] = if digits { b"0123456789abcdefF"[usize::from(byte) % 17] } else { byte };
        }
        for initrd in [&initrd[..], &initrd[..len.index(initrd.len())]] {
            if let Ok(files) = Files::open(initrd, LIMIT) {
                files.iter().for_each(|(path, size)| {
                    assert_eq!(files.lookup(path).map(<[u8]>::len), Ok(size));
                });
            }
        }
    }

    #[test]
    fn random_bytes_are_refused(mut bytes in proptest::collection::vec(any::<u8>(), 1..300)) {
        bytes[0] = b'0';
        prop_assert!(Files::open(&bytes, LIMIT).is_err());
        prop_assert!(Files::open(&[0x1f, 0x8b, 8], LIMIT).is_err());
    }
}
