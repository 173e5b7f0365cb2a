//! Initrds: cpio archives, plain and gzip.

use baton::kexec::signature::{MAX_BYTES, only_signatures};
use baton::kexec::{Files, cpio};

use super::check_message;
use crate::peak;

/// The most that may come out of the gzip parts.
const LIMIT: usize = 64 << 10;

/// What reading may take for each byte of the archives, for the index and for contents that move
/// while they grow; and beside that, for the state of the decompressor.
const PER_BYTE: usize = 3;
const STATE: usize = 128 << 10;

/// Any initrd.
pub fn initrd(data: &[u8]) -> bool {
    let (opened, peak) = peak::of(|| Files::open(data, LIMIT));
    let allowed = PER_BYTE * (data.len() + LIMIT) + STATE;
    assert!(peak <= allowed, "{peak} bytes for {} and at most {LIMIT} unpacked", data.len());
    check_archive(data);
    match opened {
        Ok(files) => {
            check(&files, data);
            true
        }
        Err(error) => {
            check_message(error);
            false
        }
    }
}

fn check(files: &Files<'_>, data: &[u8]) {
    files.faults().for_each(check_message);
    let listed: Vec<(&[u8], usize)> = files.iter().collect();
    assert!(listed.is_sorted_by(|a, b| a.0 < b.0), "paths are in order and none is there twice");
    let memory = data.as_ptr_range();
    for (path, bytes) in listed {
        let Ok(path) = str::from_utf8(path) else { continue };
        let contents = files.get(path).expect("what is listed is there");
        assert_eq!(contents.len(), bytes);
        let place = contents.as_ptr_range();
        let plain = place.start >= memory.start && place.end <= memory.end;
        assert!(plain || bytes <= LIMIT, "{path}: neither in the initrd nor unpacked");
        for prefix in ["/", "./", ".//./"] {
            assert_eq!(files.get(&format!("{prefix}{path}")), Some(contents));
        }
    }
    assert_eq!(files.get("no/such\0file"), None);
}

/// The archive reader alone: all places lie in the data, entry after entry.
fn check_archive(data: &[u8]) {
    let archive = cpio::read(data, 0);
    let end = archive.end.unwrap_or_else(|(at, error)| {
        check_message(error);
        at
    });
    assert!(end <= data.len());
    for file in archive.files {
        assert!(file.name.start < file.name.end && file.name.end < end);
        assert!(!data[file.name].contains(&0));
        match file.contents {
            Ok(contents) => assert!(contents.start <= contents.end && contents.end <= end),
            Err(odd) => check_message(odd),
        }
    }
    archive.odd.iter().for_each(|(at, odd)| {
        assert!(*at < end);
        check_message(odd);
    });
    check_rest(data);
}

/// What may follow the signed bytes of an initrd is files that can't do harm, as the reader of files
/// sees them too.
fn check_rest(data: &[u8]) {
    match only_signatures(data, 0) {
        Ok(()) => {
            let files = Files::open(data, 0);
            let listed = files.iter().flat_map(|files| files.iter());
            listed.for_each(|(path, bytes)| {
                assert!(path.ends_with(b".sig") && (1..=MAX_BYTES).contains(&bytes));
            });
            assert!(!data.trim_ascii_end().ends_with(b"#BOOTCONFIG"));
        }
        Err(why) => check_message(why),
    }
}
