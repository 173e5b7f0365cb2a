extern crate std;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::super::tests::{ASKED, key, sign};
use super::super::{Asked, SignatureError};
use super::*;
use crate::kexec::cpio::CpioError;

/// The fields of a header, by number: inode, mode, uid, gid, links, time, size, device (2), special
/// device (2), bytes of the name, sum.
type Fields = [u32; 13];

/// One entry of a newc archive, after `change` has had its header.
fn changed(name: &str, contents: &[u8], change: impl FnOnce(&mut Fields)) -> Vec<u8> {
    let (size, name_size) = (contents.len() as u32, name.len() as u32 + 1);
    let mut fields = [1, 0o100_644, 1000, 1000, 1, 99, size, 8, 3, 0, 0, name_size, 0];
    change(&mut fields);
    let header: String = fields.iter().map(|field| format!("{field:08x}")).collect();
    let mut bytes = format!("070701{header}{name}\0").into_bytes();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(contents);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn trailer() -> Vec<u8> {
    changed("TRAILER!!!", b"", |fields| *fields = [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 11, 0])
}

fn signature() -> Vec<u8> {
    sign(1, &ASKED).to_string().into_bytes()
}

fn archive(name: &str, change: impl FnOnce(&mut Fields)) -> Vec<u8> {
    [changed(name, &signature(), change), trailer()].concat()
}

fn good() -> Vec<u8> {
    archive("dir/a.sig", |_| ())
}

/// What is said of a rest behind eight signed bytes.
fn said(rest: &[u8]) -> String {
    only_signatures(rest, 8).map_or_else(|why| why.to_string(), |()| "good".into())
}

#[test]
fn signatures_may_follow_the_signed_bytes() {
    let more = archive("b.sig", |_| ());
    let padded = [&[0; 4], &good()[..], &[0; 512], &more, &[0; 7]].concat();
    for rest in [Vec::new(), [0; 7].to_vec(), good(), padded] {
        assert_eq!(said(&rest), "good");
    }
    for mode in [0o100_444, 0o100_600, 0o100_666] {
        assert_eq!(said(&archive("a.sig", |fields| fields[1] = mode)), "good");
    }
}

#[test]
fn an_entry_that_is_no_plain_signature_file_is_named() {
    let mode = |mode: u32| move |fields: &mut Fields| fields[1] = mode;
    let field = |number: usize, value: u32| move |fields: &mut Fields| fields[number] = value;
    let of = |name: &str| archive(name, |_| ());
    let not = |contents: &[u8]| [changed("a.sig", contents, |_| ()), trailer()].concat();
    let cases: Vec<(Vec<u8>, &str)> = Vec::from([
        (of("init"), "init at byte 8: its name does not end in .sig"),
        (of("a.sigh"), "a.sigh at byte 8: its name does not end in .sig"),
        (of("/a.sig"), "its path is absolute or has . or .. in it"),
        (of("../a.sig"), "its path is absolute or has . or .. in it"),
        (of("./a.sig"), "its path is absolute or has . or .. in it"),
        (of("d//a.sig"), "its path is absolute or has . or .. in it"),
        (archive("a.sig", mode(0o120_777)), "it is no regular file"),
        (archive("a.sig", mode(0o020_644)), "it is no regular file"),
        (archive("a.sig", mode(0o040_755)), "it is no regular file"),
        (archive("a.sig", mode(0o110_0644)), "it is no regular file"),
        (archive("a.sig", mode(0o100_755)), "it may be run"),
        (archive("a.sig", mode(0o104_644)), "it may be run"),
        (archive("a.sig", mode(0o101_644)), "it may be run"),
        (archive("a.sig", field(4, 2)), "it has several names"),
        (archive("a.sig", field(4, 0)), "it has several names"),
        (archive("a.sig", field(9, 1)), "it names a device or a checksum"),
        (archive("a.sig", field(10, 1)), "it names a device or a checksum"),
        (archive("a.sig", field(12, 1)), "it names a device or a checksum"),
        (not(b"#!/bin/sh"), "it does not read as a signature"),
        (not(b""), "it does not read as a signature"),
        (not(&[b'a'; MAX_BYTES + 1]), "it is larger than a signature"),
        ([good(), good()].concat(), "it is there twice"),
        ([&good()[..], &of("b.sigh")].concat(), "b.sigh"),
    ]);
    for (rest, wanted) in cases {
        let said = said(&rest);
        assert!(said.contains(wanted), "{wanted}: {said}");
        assert!(said.starts_with("only an archive of signatures may follow"), "{said}");
    }
}

/// A bootconfig has its magic at the very end of an initrd: Linux looks there, and 3 bytes around.
const BOOTCONFIG: &[u8] = b"kernel.panic = 1\0\0\0\0\x14\0\0\0\x99\x05\0\0#BOOTCONFIG\n";

#[test]
fn no_byte_hides_behind_or_between() {
    let body = changed("TRAILER!!!", b"#BOOTCONFIG\n", |fields| fields[1] = 0);
    let entry = changed("a.sig", &signature(), |_| ());
    assert!(said(&[&entry[..], &body].concat()).contains("the trailer has contents"));
    for padding in [0, 3] {
        let config = [BOOTCONFIG, &[0; 3][..padding]].concat();
        for rest in [config.clone(), [&good()[..], &config].concat()] {
            assert!(said(&rest).contains("no newc cpio entry"), "{}", said(&rest));
        }
    }
    // One byte of each padding: "ab.sig" ends at byte 117 of its entry.
    let appends: [&[u8]; 2] = [b"", b"x"];
    let texts = appends.map(|append| sign(1, &Asked { append, ..ASKED }).to_string());
    let odd = texts.iter().find(|text| text.len() % 4 != 0).unwrap();
    let padded = changed("ab.sig", odd.as_bytes(), |_| ());
    for number in [118, padded.len() - 1] {
        let mut spoilt = [&padded[..], &trailer()].concat();
        assert_eq!((said(&spoilt).as_str(), spoilt[number]), ("good", 0), "this is padding");
        spoilt[number] = b'x';
        let said = said(&spoilt);
        assert!(said.contains("its padding is missing or not zero"), "{said}");
    }
    let good = good();
    assert!(said(&good[..good.len() - 1]).contains("cut short"), "{}", said(&good));
    assert!(said(&good[..good.len() - 20]).contains("cut short"));
    assert!(said(&entry).contains("ends without its trailer"), "{}", said(&entry));
    assert!(said(b"\x1f\x8b\x08 packed").contains("no newc cpio entry"));
    assert!(
        said(&[&[0; 2], &good[..]].concat()).contains("at byte 10: an archive begins at a mul")
    );
    let mut summed = good.clone();
    summed[5] = b'2';
    assert!(said(&summed).contains("it has a checksum"), "{}", said(&summed));
    assert_eq!(
        only_signatures(b"junk", 8),
        Err(Rest::Archive { at: 8, error: CpioError::Truncated { need: 110, left: 4 } })
    );
}

#[test]
fn the_rest_of_a_signed_initrd_is_looked_at() {
    let initrd = b"an initrd or";
    let asked = Asked { initrd: Some(initrd), ..ASKED };
    let signature = sign(1, &asked);
    let after = |rest: &[u8]| {
        let whole = [initrd, rest].concat();
        signature.verify(&key(1), &Asked { initrd: Some(&whole), ..ASKED })
    };
    assert_eq!(after(&good()), Ok(()));
    let program = archive("a.sig", |fields| fields[1] = 0o100_755);
    assert!(matches!(after(&program), Err(SignatureError::Rest(Rest::Entry { at: 12, .. }))));
}
