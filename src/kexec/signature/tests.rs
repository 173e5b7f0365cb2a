extern crate std;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use ed25519_compact::{KeyPair, Seed};
use proptest::prelude::*;

use super::*;
use crate::kexec::cpio::CpioError;

fn pair(seed: u8) -> KeyPair {
    KeyPair::from_seed(Seed::new([seed; 32]))
}

fn key(seed: u8) -> Key {
    Key::new(*pair(seed).pk)
}

fn sign(seed: u8, asked: &Asked<'_>) -> Signature {
    let statement = Statement::new(key(seed).id(), asked);
    let signature = *pair(seed).sk.sign(statement.message(), None);
    Signature { statement, signature }
}

const ASKED: Asked<'static> = Asked {
    kind: Kind::Image,
    image: b"an image",
    initrd: Some(b"an initrd"),
    dtb: Some(b"a tree"),
    append: "maxcpus=2 kexec.sig=enforce",
};

/// One entry of a newc archive.
fn entry(name: &str, mode: u32, contents: &[u8]) -> Vec<u8> {
    let fields = [1, mode, 0, 0, 1, 0, contents.len() as u32, 0, 0, 0, 0, name.len() as u32 + 1, 0];
    let header: String = fields.iter().map(|field| format!("{field:08x}")).collect();
    let mut bytes = format!("070701{header}{name}\0").into_bytes();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(contents);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn archive(name: &str, mode: u32) -> Vec<u8> {
    [entry(name, mode, b"x"), entry("TRAILER!!!", 0, b"")].concat()
}

const REGULAR: u32 = 0o100_644;

#[test]
fn what_was_signed_is_good_and_reads_back() {
    let signature = sign(1, &ASKED);
    let text = signature.to_string();
    assert_eq!(parse(text.as_bytes()), Ok(signature.clone()));
    assert_eq!(signature.verify(&key(1), &ASKED), Ok(()));
    assert_eq!(text.lines().next(), Some("baton-signature 1"));
    let none = Asked { initrd: None, dtb: None, append: "", ..ASKED };
    let signature = sign(1, &none);
    assert_eq!(parse(signature.to_string().as_bytes()).unwrap().verify(&key(1), &none), Ok(()));
    assert!(signature.to_string().contains("\ninitrd none\ndtb none\nappend \nsignature "));
}

#[test]
fn the_longest_command_line_fits() {
    let append = "ä".repeat(crate::config::MAX_BOOTARGS / 2);
    let asked = Asked { append: &append, ..ASKED };
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
        (Asked { append: "maxcpus=2 ", ..ASKED }, "the command line differs: \"maxcpus=2 kexec"),
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
}

#[test]
fn signatures_may_follow_the_signed_bytes_of_an_initrd_and_nothing_else() {
    let signature = sign(1, &ASKED);
    let after = |rest: &[u8]| {
        let whole = [ASKED.initrd.unwrap(), rest].concat();
        signature.verify(&key(1), &Asked { initrd: Some(&whole), ..ASKED })
    };
    let good = archive("dir/a.sig", REGULAR);
    for rest in [&[0; 7][..], &good, &[&[0; 3], &good[..], &[0; 512], &good].concat()] {
        assert_eq!(after(rest), Ok(()));
    }
    let name = |name: &str| Err(SignatureError::Rest(Rest::Entry { name: name.into() }));
    assert_eq!(after(&archive("init", REGULAR)), name("init"));
    assert_eq!(after(&archive("a.sig", 0o120_777)), name("a.sig"));
    assert_eq!(after(&archive("a.sig", 0o020_644)), name("a.sig"));
    assert_eq!(after(&archive("d.sig", 0o040_755)), name("d.sig"));
    assert_eq!(after(&[&good[..], &archive("b.sigh", REGULAR)].concat()), name("b.sigh"));
    for rest in [&good[..good.len() - 20], b"\x1f\x8b\x08 packed", &[&good[..], b"x"].concat()] {
        let why = after(rest).unwrap_err();
        assert!(matches!(why, SignatureError::Rest(Rest::Archive { .. })), "{why}");
    }
    let magic = SignatureError::Rest(Rest::Archive { at: 9, error: CpioError::Magic });
    assert_eq!(after(b"no archive"), Err(magic));
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
    assert_eq!(with(0, "baton-signature 2"), SignatureError::Version { found: 2 });
    assert_eq!(with(0, "baton-signature 01"), SignatureError::Line { line: "baton-signature" });
    assert_eq!(with(0, "-----BEGIN"), SignatureError::NotASignature);
    let upper = lines[3].to_uppercase().replace("IMAGE", "image");
    let cases = [
        (1, "key 00112233445566"),
        (1, "keys 0011223344556677"),
        (2, "type elf"),
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
    let more = text.clone() + "\n";
    assert_eq!(parse(more.as_bytes()), Err(SignatureError::Trailing));
    assert_eq!(parse(b"baton-signature 1\n\xff"), Err(SignatureError::NotText { at: 18 }));
    assert_eq!(parse(&[b'a'; 5000]), Err(SignatureError::TooLong { bytes: 5000 }));
    let windows = text.replace('\n', "\r\n");
    assert_eq!(parse(windows.as_bytes()), Err(SignatureError::Line { line: "baton-signature" }));
}

#[test]
fn every_cut_is_noticed() {
    let text = sign(1, &ASKED).to_string();
    for end in 0..text.len() {
        let why = parse(&text.as_bytes()[..end]).unwrap_err();
        assert!(matches!(why, SignatureError::Truncated { .. }), "{end}: {why}");
    }
}

#[test]
fn every_changed_bit_is_noticed() {
    let text = sign(1, &ASKED).to_string().into_bytes();
    for (at, bit) in (0..text.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut changed = text.clone();
        changed[at] ^= 1 << bit;
        let good = parse(&changed).is_ok_and(|read| read.verify(&key(1), &ASKED).is_ok());
        assert!(!good, "byte {at}, bit {bit}");
    }
}

#[test]
fn no_two_statements_have_the_same_message() {
    let one = Statement::new(key(1).id(), &Asked { dtb: None, ..ASKED });
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
