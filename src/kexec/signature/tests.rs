extern crate std;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use ed25519_compact::{KeyPair, Seed};
use proptest::prelude::*;

use super::*;

pub(super) fn pair(seed: u8) -> KeyPair {
    KeyPair::from_seed(Seed::new([seed; 32]))
}

pub(super) fn key(seed: u8) -> Key {
    Key::new(*pair(seed).pk)
}

pub(super) fn sign(seed: u8, asked: &Asked<'_>) -> Signature {
    let statement = Statement::new(key(seed).id(), asked).unwrap();
    let signature = *pair(seed).sk.sign(statement.message(), None);
    Signature { statement, signature }
}

pub(super) const ASKED: Asked<'static> = Asked {
    kind: Kind::Image,
    place: None,
    image: b"an image",
    initrd: Some(b"an initrd"),
    dtb: Some(b"a tree"),
    append: b"maxcpus=2 kexec.sig=enforce",
};

#[test]
fn what_was_signed_is_good_and_reads_back() {
    let signature = sign(1, &ASKED);
    let text = signature.to_string();
    assert_eq!(parse(text.as_bytes()), Ok(signature.clone()));
    assert_eq!(signature.verify(&key(1), &ASKED), Ok(()));
    assert_eq!(text.lines().next(), Some("baton-signature 1"));
    let none = Asked { initrd: None, dtb: None, append: b"", ..ASKED };
    let signature = sign(1, &none);
    assert_eq!(parse(signature.to_string().as_bytes()).unwrap().verify(&key(1), &none), Ok(()));
    assert!(signature.to_string().contains("\ninitrd none\ndtb none\nappend \nsignature "));
}

#[test]
fn the_longest_command_line_fits() {
    let append = "ä".repeat(crate::config::MAX_BOOTARGS / 2);
    let asked = Asked { append: append.as_bytes(), ..ASKED };
    let text = sign(1, &asked).to_string();
    assert!(text.len() <= MAX_BYTES, "{}", text.len());
    assert_eq!(parse(text.as_bytes()).unwrap().verify(&key(1), &asked), Ok(()));
}

#[test]
fn the_part_that_differs_is_named() {
    let signature = sign(1, &ASKED);
    let why = |asked| signature.verify(&key(1), &asked).unwrap_err().to_string();
    let cases = [
        (Asked { image: b"An image", ..ASKED }, "the image differs: 8 "),
        (Asked { kind: Kind::Raw, ..ASKED }, "type image is signed and this is raw"),
        (Asked { initrd: Some(b"an Initrd"), ..ASKED }, "the initrd differs: 9 "),
        (Asked { initrd: Some(b"an init"), ..ASKED }, "the initrd differs: 9 "),
        (Asked { initrd: None, ..ASKED }, "is signed and this is none"),
        (Asked { dtb: None, ..ASKED }, "the tree of --dtb differs"),
        (Asked { dtb: Some(b"a  tree"), ..ASKED }, "the tree of --dtb differs"),
        (Asked { append: b"maxcpus=2 ", ..ASKED }, "the command line differs: \"maxcpus=2 kexec"),
    ];
    for (asked, wanted) in cases {
        assert!(why(asked).contains(wanted), "{wanted}: {}", why(asked));
    }
    let bare = sign(1, &Asked { initrd: None, dtb: None, ..ASKED });
    let with = Asked { dtb: None, ..ASKED };
    assert!(bare.verify(&key(1), &with).unwrap_err().to_string().contains("the initrd differs"));
    let with = Asked { initrd: None, ..ASKED };
    assert!(bare.verify(&key(1), &with).unwrap_err().to_string().contains("--dtb differs: none"));
}

#[test]
fn another_key_is_named_and_a_borrowed_name_does_not_help() {
    let mut signature = sign(2, &ASKED);
    let unknown = SignatureError::UnknownKey { key: key(2).id(), known: key(1).id() };
    assert_eq!(signature.verify(&key(1), &ASKED), Err(unknown));
    signature.statement.key = key(1).id();
    assert_eq!(signature.verify(&key(1), &ASKED), Err(SignatureError::Forged { key: key(1).id() }));
}

#[test]
fn no_field_can_be_changed_under_the_signature() {
    let forged = |change: fn(&mut Statement)| {
        let mut signature = sign(1, &ASKED);
        change(&mut signature.statement);
        signature.verify(&key(1), &ASKED) == Err(SignatureError::Forged { key: key(1).id() })
    };
    assert!(forged(|s| s.kind = Kind::Raw));
    assert!(forged(|s| s.image = Sum::of(b"other")));
    assert!(forged(|s| s.image.bytes += 1));
    assert!(forged(|s| s.initrd = None));
    assert!(forged(|s| s.dtb = None));
    assert!(forged(|s| core::mem::swap(&mut s.dtb, &mut s.initrd)));
    assert!(forged(|s| s.append.push(' ')));
    let mut raw = sign(1, &RAW);
    raw.statement.place = Some(Place::Any);
    assert_eq!(raw.verify(&key(1), &RAW), Err(SignatureError::Forged { key: key(1).id() }));
}

#[test]
fn what_is_malformed_is_named() {
    let text = sign(1, &ASKED).to_string();
    let lines: Vec<&str> = text.lines().collect();
    let with = |at: usize, line: &str| {
        let mut lines = lines.clone();
        lines[at] = line;
        parse((lines.join("\n") + "\n").as_bytes()).unwrap_err()
    };
    assert_eq!(with(0, "baton-signature 3"), SignatureError::Version { found: 3 });
    assert_eq!(with(0, "baton-signature 01"), SignatureError::Line { line: "baton-signature" });
    assert_eq!(with(0, "-----BEGIN"), SignatureError::NotASignature);
    let upper = lines[3].to_uppercase().replace("IMAGE", "image");
    let cases = [
        (1, "key 00112233445566"),
        (1, "keys 0011223344556677"),
        (2, "type elf"),
        (2, "type image "),
        (3, "image none"),
        (3, "image +8 00"),
        (3, upper.as_str()),
        (4, "initrd"),
        (5, "dtb 6"),
        (6, "append"),
        (6, "append a\tb"),
        (7, "signature 00"),
    ];
    for (at, line) in cases {
        let wanted = ["", "key", "type", "image", "initrd", "dtb", "append", "signature"][at];
        assert_eq!(with(at, line), SignatureError::Line { line: wanted }, "{line}");
    }
    assert_eq!(with(0, "baton-signature 2"), SignatureError::Line { line: "type" });
    assert_eq!(with(2, "type raw"), SignatureError::NoPlace);
    let more = text.clone() + "\n";
    assert_eq!(parse(more.as_bytes()), Err(SignatureError::Trailing));
    assert_eq!(parse(b"baton-signature 1\n\xff"), Err(SignatureError::NotText { at: 18 }));
    assert_eq!(parse(&[b'a'; 5000]), Err(SignatureError::TooLong { bytes: 5000 }));
    let windows = text.replace('\n', "\r\n");
    assert_eq!(parse(windows.as_bytes()), Err(SignatureError::Line { line: "baton-signature" }));
}

const RAW: Asked<'static> = Asked { kind: Kind::Raw, place: Some(Place::At(0x4020_0000)), ..ASKED };

#[test]
fn a_flat_binary_is_signed_for_its_place() {
    let signature = sign(1, &RAW);
    let text = signature.to_string();
    assert!(text.starts_with("baton-signature 2\nkey "), "{text}");
    assert!(text.contains("\ntype raw\nat 0x40200000\nimage "), "{text}");
    assert_eq!(parse(text.as_bytes()), Ok(signature.clone()));
    assert_eq!(signature.verify(&key(1), &RAW), Ok(()));
    assert_eq!(signature.verify(&key(1), &Asked { place: None, ..RAW }), Ok(()));
    assert_eq!(signature.statement.base(), Some(0x4020_0000));
    let elsewhere = Asked { place: Some(Place::At(0x4040_0000)), ..RAW };
    let why = signature.verify(&key(1), &elsewhere).unwrap_err().to_string();
    assert!(why.ends_with("--at 0x40200000 is signed and this is 0x40400000"), "{why}");
    let any = sign(1, &Asked { place: Some(Place::Any), ..RAW });
    assert_eq!(parse(any.to_string().as_bytes()), Ok(any.clone()));
    assert_eq!(any.verify(&key(1), &elsewhere), Ok(()));
    assert_ne!(any.statement.message(), signature.statement.message());
    let homeless = Statement::new(key(1).id(), &Asked { place: None, ..RAW });
    assert_eq!(homeless, Err(SignatureError::NoPlace));
    for at in ["at", "at 40200000", "at 0x040200000", "at 0X40200000", "at 0x", "at all"] {
        let other = text.replace("at 0x40200000", at);
        assert_eq!(parse(other.as_bytes()), Err(SignatureError::Line { line: "at" }), "{at}");
    }
}

/// The place is not read from a file of version 1: a field of the message would be missing.
#[test]
fn an_image_has_no_place_and_its_signatures_are_those_of_version_1() {
    let placed = sign(1, &Asked { place: Some(Place::At(0)), ..ASKED });
    assert_eq!(placed, sign(1, &ASKED));
    let message = placed.statement.message();
    let fields = [&DOMAIN[..], &key(1).id().0, b"image"];
    let begin: Vec<u8> = fields
        .iter()
        .flat_map(|field| [&(field.len() as u64).to_le_bytes()[..], field].concat())
        .collect();
    assert_eq!(message[..begin.len()], begin);
    let old_raw = placed.to_string().replace("type image", "type raw");
    let why = parse(old_raw.as_bytes()).unwrap_err();
    assert_eq!(why, SignatureError::NoPlace);
    assert!(why.to_string().contains("sign it again with --at"), "{why}");
}

const DOMAIN: &[u8; 24] = b"baton kexec signature v1";

#[test]
fn a_command_line_that_is_no_plain_line_is_not_signed_and_never_matches() {
    let signature = sign(1, &ASKED);
    let cases: [(&[u8], &str); 3] = [
        (b"maxcpus=2\nsignature 00", "has a control character at byte 9"),
        (b"a\tb", "has a control character at byte 1"),
        (b"caf\xe9", "is no UTF-8 at byte 3"),
    ];
    for (append, wanted) in cases {
        let asked = Asked { append, ..ASKED };
        let why = Statement::new(key(1).id(), &asked).unwrap_err().to_string();
        assert!(why.contains(wanted) && why.ends_with("give --append plain text"), "{why}");
        assert_eq!(signature.verify(&key(1), &asked).unwrap_err().to_string(), why);
    }
}

/// The digest of the whole comes from the reading that was compared.
#[test]
fn an_initrd_is_read_once() {
    let signature = sign(1, &ASKED);
    let whole = [ASKED.initrd.unwrap(), &[0; 7]].concat();
    let statement = &signature.statement;
    assert_eq!(statement.initrd(Some(&whole)), Ok(Some(crate::kexec::Digest::of(&whole))));
    let long = [ASKED.initrd.unwrap(), &alloc::vec![0; 300 << 10]].concat();
    let why = statement.initrd(Some(&long)).unwrap_err().to_string();
    assert!(why.contains("307200 bytes follow, and 262144 may"), "{why}");
}

#[test]
fn every_cut_is_noticed() {
    for text in [&ASKED, &RAW].map(|asked| sign(1, asked).to_string()) {
        for end in 0..text.len() {
            let why = parse(&text.as_bytes()[..end]).unwrap_err();
            assert!(matches!(why, SignatureError::Truncated { .. }), "{end}: {why}");
        }
    }
}

#[test]
fn every_changed_bit_is_noticed() {
    for asked in [&ASKED, &RAW] {
        let text = sign(1, asked).to_string().into_bytes();
        for (at, bit) in (0..text.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut changed = text.clone();
            changed[at] ^= 1 << bit;
            let good = parse(&changed).is_ok_and(|read| read.verify(&key(1), asked).is_ok());
            assert!(!good, "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn no_two_statements_have_the_same_message() {
    let one = Statement::new(key(1).id(), &Asked { dtb: None, ..ASKED }).unwrap();
    let other = Statement { initrd: None, dtb: one.initrd, ..one.clone() };
    assert_ne!(one.message(), other.message());
    assert!(one.message().starts_with(&[24, 0, 0, 0, 0, 0, 0, 0, b'b', b'a', b't', b'o', b'n']));
}

#[test]
fn the_test_key_is_known_as_such_and_its_halves_belong_together() {
    let text = |name: &str| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/test-key-do-not-trust.");
        std::fs::read_to_string(format!("{path}{name}")).unwrap()
    };
    let public = keyfile::read(&text("public"), keyfile::PUBLIC).unwrap();
    let secret = keyfile::read(&text("secret"), keyfile::SECRET).unwrap();
    assert!(Key::new(public).is_test() && !key(1).is_test());
    assert_eq!(*KeyPair::from_seed(Seed::new(secret)).pk, public);
    let other = keyfile::read(&text("secret"), keyfile::PUBLIC);
    assert_eq!(other, Err(keyfile::KeyFileError::Other { kind: keyfile::PUBLIC }));
}

#[test]
fn a_key_file_has_one_key() {
    use keyfile::{KeyFileError, PUBLIC, read};
    let digits = "0123456789abcdef".repeat(4);
    let good = format!("# mine\n\n{PUBLIC} {digits}\n");
    assert_eq!(read(&good, PUBLIC).unwrap()[..3], [0x01, 0x23, 0x45]);
    assert_eq!(read("# nothing\n", PUBLIC), Err(KeyFileError::Missing { kind: PUBLIC }));
    assert_eq!(read("ssh-ed25519 AAAA", PUBLIC), Err(KeyFileError::Missing { kind: PUBLIC }));
    assert_eq!(read(&format!("{good}{good}"), PUBLIC), Err(KeyFileError::Several));
    for bad in [&digits[1..], &digits.to_uppercase(), &format!("{digits}0"), "ä", ""] {
        assert_eq!(read(&format!("{PUBLIC} {bad}"), PUBLIC), Err(KeyFileError::Digits), "{bad}");
    }
}

#[test]
fn a_key_that_is_no_point_believes_nothing() {
    for bytes in [[0; 32], [1; 32], [0xff; 32]] {
        let weak = Key::new(bytes);
        let mut signature = sign(1, &ASKED);
        signature.statement.key = weak.id();
        assert_eq!(signature.verify(&weak, &ASKED), Err(SignatureError::Forged { key: weak.id() }));
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&bytes).map_err(|why| why.to_string());
    }

    #[test]
    fn what_is_read_displays_as_it_was(
        lines in proptest::collection::vec(0..10usize, 0..12),
        noise in "[ -~\n]{0,40}",
        at in 0..600usize,
    ) {
        let text = sign(1, &ASKED).to_string();
        let pool: Vec<&str> = text.split_inclusive('\n').chain(["initrd none\n", "append \n"]).collect();
        let mut mixed: String = lines.iter().map(|&line| pool[line]).collect();
        let mut whole = text.clone();
        let at = at.min(whole.len());
        whole.insert_str(at, &noise);
        mixed.push_str(&noise);
        for candidate in [mixed, whole] {
            if let Ok(read) = parse(candidate.as_bytes()) {
                prop_assert_eq!(read.to_string(), candidate);
            }
        }
    }
}
