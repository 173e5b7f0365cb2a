//! What the device tree asks this payload to do. Nothing but the command line has such words, so the
//! tree is not taken apart.

use crate::mmio::read;

/// True if the blob at `dtb` has `words` in it.
pub fn asks_for(dtb: u64, words: &[u8]) -> bool {
    let size = read(dtb + 4).swap_bytes().min(2 << 20) as usize;
    // SAFETY: the boot protocol's device tree, of the size that it says itself.
    let bytes = unsafe { core::slice::from_raw_parts(dtb as *const u8, size) };
    bytes.windows(words.len()).any(|window| window == words)
}
