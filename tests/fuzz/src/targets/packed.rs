//! Packed kernels: gzip, zstd, and the container of compressed EFI programs.

use baton::kexec::packed::{Packing, packing, unpack};
use baton::kexec::zboot;

use super::check_message;
use crate::peak;

/// The most that may come out.
const LIMIT: usize = 64 << 10;
/// What unpacking may take in all, whatever window a frame asks for: the decoders' buffers go by
/// what is stated to come out.
const MEMORY: usize = 8 << 20;

/// Any file.
pub fn packed(file: &[u8]) -> bool {
    if let Ok(zboot) = zboot::read(file) {
        assert!(zboot.payload.end <= file.len() && !zboot.payload.is_empty());
        assert!(zboot.compression.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
    let how = match packing(file) {
        Ok(how) => how,
        Err(error) => {
            check_message(error);
            return false;
        }
    };
    let (result, peak) = peak::of(|| unpack(file, how, LIMIT));
    assert!(peak <= MEMORY, "{peak} bytes for at most {LIMIT}");
    match result {
        Ok(contents) if how == Packing::Flat => {
            assert_eq!(&contents[..], file);
            false
        }
        Ok(contents) => {
            assert!(contents.len() <= LIMIT);
            assert_eq!(unpack(file, how, contents.len()).as_deref(), Ok(&contents[..]));
            true
        }
        Err(error) => {
            check_message(error);
            false
        }
    }
}
