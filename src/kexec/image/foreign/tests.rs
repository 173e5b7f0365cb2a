extern crate std;

use alloc::{string::String, string::ToString, vec, vec::Vec};

use super::*;
use crate::{kexec::Header, machine::Granules};

const MEMORY: u64 = 1 << 30;

/// A file with `bytes` at `at`, of code elsewhere.
fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file: Vec<u8> = 0xd503_3fdf_u32.to_le_bytes().repeat(9000);
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

fn as_image(file: &[u8]) -> String {
    Header::parse(file, Granules::FOUR_K, MEMORY).unwrap_err().to_string()
}

fn as_raw(file: &[u8]) -> String {
    Header::raw(file, MEMORY).unwrap_err().to_string()
}

/// Refused for both kinds of kernel, with the same name.
fn refused(file: &[u8], word: &str) {
    assert!(as_image(file).contains(word), "{word}: {}", as_image(file));
    assert!(as_raw(file).contains(word), "{word}: {}", as_raw(file));
    assert!(!as_image(file).contains("or --type raw"), "{}", as_image(file));
}

#[test]
fn every_magic_of_the_table_is_named_for_both_kinds() {
    for magic in &MAGICS[1..] {
        let file = with(magic.at, magic.bytes);
        assert_eq!(Foreign::recognise(&file), Some(magic.is));
        refused(&file, &magic.is.to_string());
    }
}

#[test]
fn an_image_given_as_a_flat_binary_is_sent_back() {
    let raw = as_raw(&with(56, b"ARM\x64"));
    assert_eq!(raw, "no flat binary: this is an arm64 Image; leave --type raw out");
}

#[test]
fn a_magic_that_is_not_whole_is_code() {
    for magic in MAGICS.iter().filter(|magic| magic.bytes.len() > 2) {
        let file = with(magic.at, &magic.bytes[..magic.bytes.len() - 1]);
        let found = Foreign::recognise(&file);
        // Of two magics that begin alike, the other may be meant.
        assert!(found.is_none_or(|found| found != magic.is), "{found:?}");
    }
    // gzip's and a cpio's two bytes begin instructions, too.
    for word in [0x1234_8b1f_u32, 0xd400_71c7, 0xd400_c771, 0xb900_005d] {
        let file = with(0, &word.to_le_bytes());
        assert_eq!(Foreign::recognise(&file), None, "{word:#x}");
        assert!(Header::raw(&file, MEMORY).is_ok());
    }
}

#[test]
fn kernels_that_are_pe_files_as_well_are_named_by_their_machine() {
    let mut file = with(0, b"MZ");
    file[0x202..0x206].copy_from_slice(b"HdrS");
    refused(&file, "bzImage of x86");
    let mut file = with(0, b"MZ");
    file[56..60].copy_from_slice(b"RSC\x05");
    refused(&file, "RISC-V");
}

#[test]
fn formats_with_a_weak_magic_are_known_by_more_fields() {
    let mut lzma = with(0, b"\x5d\0\0\x80\0");
    lzma[5..13].fill(0xff);
    refused(&lzma, "lzma");
    lzma[5..13].copy_from_slice(&30_000_000_u64.to_le_bytes());
    refused(&lzma, "lzma");
    refused(&with(0, b"\x5e\x2a\x4d\x18"), "zstd or lz4");
    let mut cpio = with(0, b"\xc7\x71");
    cpio[20..22].copy_from_slice(&6_u16.to_le_bytes());
    cpio[26..32].copy_from_slice(b"Image\0");
    refused(&cpio, "cpio");
    cpio[..2].copy_from_slice(b"\x71\xc7");
    cpio[20..22].copy_from_slice(&6_u16.to_be_bytes());
    refused(&cpio, "cpio");
    cpio[31] = b'.';
    assert_eq!(Foreign::recognise(&cpio), None);
    let mut ext = with(1024 + 56, b"\x53\xef");
    assert_eq!(Foreign::recognise(&ext), None);
    ext[1024 + 24..1024 + 28].copy_from_slice(&2_u32.to_le_bytes());
    ext[1024 + 76..1024 + 80].copy_from_slice(&1_u32.to_le_bytes());
    refused(&ext, "ext4");
}

#[test]
fn texts_are_named() {
    let page = "<!DOCTYPE html><title>404 Not Found</title>";
    refused(page.as_bytes(), "HTML or XML page; a server sent it");
    refused(b"\xef\xbb\xbf\r\n <?xml version='1.0'?>", "HTML or XML page");
    refused(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "Git LFS");
    refused(b"baton-signature 1\nkey 607fee6f9c974d10\n", "it belongs to --sig");
    refused(b":020000040000FA\n", "Intel HEX");
    refused(b"S00600004844521B\n", "S-records");
    refused(b"#!/bin/sh\nexit\n", "script");
    refused(b"404", "a text");
    refused("Fehler: Datei nicht gefunden. Größe: 0".as_bytes(), "a text");
    // A character that the first KiB cuts, and anything behind.
    let long = ["x".repeat(1023).as_bytes(), "ß".as_bytes(), &[0; 100]].concat();
    refused(&long, "a text");
}

#[test]
fn a_hole_is_no_instruction() {
    refused(&[0; 4096], "no instruction");
    refused(&[0xff; 4096], "no instruction");
    refused(&with(0, &[0xde, 0xad, 0, 0]), "no instruction");
}

#[test]
fn code_is_a_flat_binary_and_the_hint_says_what_that_is() {
    // nop; b; adr; mrs; msr daifset; ldr; stp.
    for word in [
        0xd503_201f_u32,
        0x1400_0010,
        0x1000_0164,
        0xd53b_e040,
        0xd503_4fdf,
        0x5800_0040,
        0xa9bf_7bfd,
    ] {
        let code: Vec<u8> = word.to_le_bytes().repeat(20);
        assert_eq!(Foreign::recognise(&code), None, "{word:#x}");
        assert!(Header::raw(&code, MEMORY).is_ok());
        let hint = as_image(&code);
        assert!(hint.contains("--type raw if this is a flat binary for this machine"), "{hint}");
    }
    for bytes in 0..64 {
        let _ = Foreign::recognise(&vec![0xc7; bytes]);
    }
}
