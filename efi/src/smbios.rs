//! Machines whose firmware crashes in its clock unless it has been given virtual addresses, by SMBIOS.
//!
//! These are Ampere's eMAG, Altra and Altra Max (Linux `drivers/firmware/efi/libstub/arm64.c`,
//! `system_needs_vamap`). The processor's structure says which machine this is (SMBIOS 3, 7.5).

use crate::{u16_at, u32_at, u64_at};

#[cfg(test)]
mod tests;

/// Bytes of the structures that are read at most.
pub const MOST: u32 = 1 << 20;

/// Bytes of the entry point.
pub const ENTRY: usize = 24;

const PROCESSOR: u8 = 4;
const END: u8 = 127;
const ID: usize = 8;
const VERSION: usize = 16;

/// SoC ids of Altra and Altra Max, in the bits that count.
const SOC_BITS: u32 = 0xffff_000f;
const SOCS: [u32; 2] = [0x0a16_0001, 0x0a16_0002];
const VERSIONS: [&[u8]; 2] = [b"Ampere(TM) Altra(TM) Processor", b"eMAG"];

/// Where the structures lie and how many bytes they have at most, by the entry point of SMBIOS 3.
pub fn structures(entry: &[u8]) -> Option<(u64, usize)> {
    let size = u32_at(entry, 12)?.min(MOST);
    (entry.starts_with(b"_SM3_") && size > 0).then_some((u64_at(entry, 16)?, size as usize))
}

/// True if the structures name a machine whose firmware needs virtual addresses. The first processor
/// decides, as in Linux.
pub fn needs_virtual_addresses(structures: &[u8]) -> bool {
    let mut rest = structures;
    while let Some((structure, behind)) = next(rest) {
        match structure.kind {
            PROCESSOR => return structure.is_ampere(),
            END => return false, // the size is often larger
            _ => rest = behind,
        }
    }
    false
}

/// One structure: its own bytes, and its strings.
struct Structure<'s> {
    kind: u8,
    bytes: &'s [u8],
    strings: &'s [u8],
}

/// The first structure, and what is behind its strings, which end with two NULs.
fn next(bytes: &[u8]) -> Option<(Structure<'_>, &[u8])> {
    let (kind, length) = (*bytes.first()?, usize::from(*bytes.get(1)?));
    u16_at(bytes, 2)?; // the handle
    let strings = bytes.get(length.max(4)..)?;
    let end = strings.windows(2).position(|pair| pair == [0, 0])?;
    let structure = Structure { kind, bytes: &bytes[..length.max(4)], strings: &strings[..end] };
    Some((structure, &strings[end + 2..]))
}

impl Structure<'_> {
    fn is_ampere(&self) -> bool {
        let soc = u32_at(self.bytes, ID).map(|id| id & SOC_BITS);
        if soc.is_some_and(|soc| SOCS.contains(&soc)) {
            return true;
        }
        let version = self.bytes.get(VERSION).and_then(|number| self.string(*number));
        version.is_some_and(|text| VERSIONS.iter().any(|begin| text.starts_with(begin)))
    }

    /// A string by its number, which counts from 1.
    fn string(&self, number: u8) -> Option<&[u8]> {
        self.strings.split(|byte| *byte == 0).nth(usize::from(number).checked_sub(1)?)
    }
}
