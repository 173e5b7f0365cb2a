//! UEFI's memory map: where the runtime services are to be.
//!
//! Kernels that follow believe the virtual address of each entry for the runtime services. On most
//! machines that is the physical one, and firmware is never told. On those that have to be told, the
//! addresses are those that Linux's stub gives: from 512 MiB on, in the order of the map.

use crate::u64_at;

#[cfg(test)]
mod tests;

const PAGE: u64 = 4096;
const VIRTUAL: usize = 16;
const RUNTIME: u64 = 1 << 63;
/// Bytes of an entry that are used here.
const ENTRY: usize = 40;

/// The first virtual address, and what the addresses are multiples of: kernels with pages of 64 KiB map
/// them too, and large ranges are mapped by 2 MiB.
const FIRST: u64 = 512 << 20;
const STEP: u64 = 64 << 10;
const LARGE: u64 = 2 << 20;

/// Entries that a map may grow by while boot services are being left.
pub const SLACK: usize = 32;

/// What the entries for the runtime services are to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Where they are.
    Physical,
    /// From [`FIRST`] on, for firmware that has to be told.
    Low,
    /// Nowhere: firmware was told, and refused.
    Nowhere,
}

/// Writes the virtual address of each entry for the runtime services, and copies these entries to
/// `runtime`, one after the other; returns the number of bytes there. Entries that do not fit are not
/// copied.
pub fn place(map: &mut [u8], stride: usize, place: Place, runtime: &mut [u8]) -> usize {
    let mut next = FIRST;
    let mut copied = 0;
    for entry in map.chunks_exact_mut(stride.max(ENTRY)) {
        let Some((at, size)) = runtime_entry(entry) else { continue };
        let address = match place {
            Place::Physical => at,
            Place::Nowhere => u64::MAX,
            Place::Low => low(at, size, &mut next),
        };
        entry[VIRTUAL..VIRTUAL + 8].copy_from_slice(&address.to_le_bytes());
        if let Some(room) = runtime.get_mut(copied..copied + entry.len()) {
            room.copy_from_slice(entry);
            copied += entry.len();
        }
    }
    copied
}

/// Physical address and bytes of an entry for the runtime services.
fn runtime_entry(entry: &[u8]) -> Option<(u64, u64)> {
    let (at, pages) = (u64_at(entry, 8)?, u64_at(entry, 24)?);
    (u64_at(entry, 32)? & RUNTIME != 0).then(|| (at, pages.saturating_mul(PAGE)))
}

/// The next virtual address; the same offset into 64 KiB as the physical one.
fn low(at: u64, size: u64, next: &mut u64) -> u64 {
    let begin = at & !(STEP - 1);
    let size = size.saturating_add(at - begin);
    let step = if at.is_multiple_of(LARGE) && size >= LARGE { LARGE } else { STEP };
    let base = next.checked_next_multiple_of(step).unwrap_or(*next);
    *next = base.saturating_add(size);
    base.saturating_add(at - begin)
}
