//! Kernel images.

use baton::config::{IMAGE_ALIGN, PAGE};
use baton::kexec::image::{ADDRESSABLE, HEADER_BYTES, PageSize};
use baton::kexec::{BatonMark, Header};
use baton::machine::Granules;

use super::check_message;

/// A kernel file, for small and large machines and with all page sizes and one.
pub fn image(file: &[u8]) -> bool {
    let all = Granules { k4: true, k16: true, k64: true };
    let mut taken = false;
    for memory in [1 << 20, 1 << 30, !(PAGE - 1)] {
        for granules in [Granules::FOUR_K, all] {
            match Header::parse(file, granules, memory) {
                Ok(header) => {
                    check(&header, file, memory);
                    check_sources(&header, file);
                    assert!(
                        granules == all
                            || !matches!(header.page_size, PageSize::K16 | PageSize::K64)
                    );
                    taken = true;
                }
                Err(error) => check_message(error),
            }
        }
        match Header::raw(file, memory) {
            Ok(header) => check(&header, file, memory),
            Err(error) => check_message(error),
        }
    }
    taken
}

/// What a loader can rely on.
fn check(header: &Header, file: &[u8], memory: u64) {
    assert!(header.text_offset < IMAGE_ALIGN && header.text_offset.is_multiple_of(PAGE));
    assert!(header.image_size >= file.len() as u64 && header.image_size >= PAGE);
    assert!(header.image_size.is_multiple_of(PAGE));
    assert!(header.image_size <= memory.min(ADDRESSABLE), "{header:?}");
}

/// That it is what the file says, read once more.
fn check_sources(header: &Header, file: &[u8]) {
    let word = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
    assert!(file.len() >= HEADER_BYTES && &file[56..60] == b"ARM\x64");
    assert_eq!(header.text_offset, word(8));
    assert_eq!(header.image_size, word(16).next_multiple_of(PAGE));
    // A baton is taken at the length that it states, and at no other.
    assert!(BatonMark::of(file).is_none_or(|mark| mark.bytes == file.len() as u64));
    assert_eq!((header.anywhere, word(24) & 1), (word(24) & 8 != 0, 0));
}
