//! The memory of configuration tables. Some lie in memory that the map calls free, and the next Linux
//! reads them there.
//!
//! A table that is not known here is taken to be no longer than the page in which it begins.

use super::{Efi, Guid, guid, read};
use crate::config::PAGE;
use crate::memory::Range;

/// EFI_MEMORY_ATTRIBUTES_TABLE.
const MEMATTR: Guid =
    guid(0xdcfa911d, 0x26eb, 0x469f, [0xa2, 0x20, 0x38, 0xb7, 0xdc, 0x46, 0x12, 0x20]);
/// EFI_SYSTEM_RESOURCE_TABLE.
const ESRT: Guid =
    guid(0xb122a263, 0x3661, 0x4f68, [0x99, 0x29, 0x78, 0xf8, 0xb0, 0xd6, 0x21, 0x80]);
/// LINUX_EFI_RANDOM_SEED.
pub(super) const RANDOM_SEED: Guid =
    guid(0x1ce1e5bc, 0x7ceb, 0x42f2, [0x81, 0xe5, 0x8a, 0xad, 0xf1, 0x80, 0xf5, 0x7b]);
/// LINUX_EFI_TPM_EVENT_LOG.
const TPM_LOG: Guid =
    guid(0xb7799cb0, 0xeca2, 0x4943, [0x96, 0x67, 0x1f, 0xae, 0x07, 0xb7, 0x47, 0xfa]);
/// EFI_TCG2_FINAL_EVENTS_TABLE.
const TPM_FINAL: Guid =
    guid(0x1e2ed096, 0x30e2, 0x4254, [0xbd, 0x89, 0x86, 0x3b, 0xbe, 0xf8, 0x23, 0x25]);
/// LINUX_EFI_MOK_VARIABLE_TABLE.
const MOK: Guid =
    guid(0xc451ed2b, 0x9694, 0x45d3, [0xba, 0xba, 0xed, 0x9f, 0x89, 0x88, 0xa3, 0x89]);

/// Bytes of a table that does not say how many it has.
const UNSAID: u64 = 64 << 10;

/// Most bytes of one table; those of a table whose header cannot be read.
const MOST: u64 = 1 << 20;

impl Efi<'_> {
    /// Calls `f` with the pages of each table that lies in RAM.
    pub(super) fn each_target(&self, f: &mut dyn FnMut(Range)) {
        for (guid, at) in self.tables() {
            let end = self.map.entries().find(|e| e.is_ram() && e.range.contains(at));
            let Some(end) = end.map(|entry| entry.range.end) else { continue };
            let last = at.saturating_add(self.length(guid, at).max(1));
            Range::new(at, last.min(end)).grow_to(PAGE).into_iter().for_each(&mut *f);
        }
    }

    /// Bytes of the table.
    fn length(&self, guid: Guid, at: u64) -> u64 {
        let head = self.bytes(at, 16).unwrap_or_default();
        let word = |offset| u64::from(read::u32(head, offset).unwrap_or(u32::MAX));
        let length = match guid {
            MEMATTR => 16 + word(4) * word(8),
            ESRT => 16 + word(0) * 40,
            RANDOM_SEED => 4 + word(0),
            TPM_LOG => 16 + word(0),
            TPM_FINAL => UNSAID,
            MOK => MOST,
            _ => 1,
        };
        length.min(MOST)
    }
}
