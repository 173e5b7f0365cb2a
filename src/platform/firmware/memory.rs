//! RAM as UEFI's memory map has it, and what of the RAM is not free.

use alloc::format;
use alloc::vec::Vec;

use super::FirmwareError;
use super::efi::{Efi, Entry, VERSION};
use crate::config::PAGE;
use crate::memory::{Range, join};
use crate::platform::dt::{LimitError, Limits, Memory};
use crate::platform::{PlatformError, Reserved, Warnings, warn};

/// The RAM, and what of it may be used: what the map calls free in one place and taken in another is
/// taken; `limits` are those of `/chosen`.
///
/// # Errors
/// [`PlatformError`] if nothing may be used.
pub fn memory(
    efi: &Efi<'_>,
    limits: Option<&Limits>,
    warnings: &mut Warnings,
) -> Result<Memory, PlatformError> {
    if efi.map.version != VERSION {
        // As Linux: fields that are known have stayed where they are, whatever the version.
        let why = format!("entries of version {}, read as version {VERSION}", efi.map.version);
        warn(warnings, "UEFI memory map", why);
    }
    for entry in efi.map.entries().filter(Entry::is_impossible) {
        let why = "it begins in a page, or ends where no address is";
        warn(warnings, "UEFI memory map", format!("{} left out: {why}", entry.range));
    }
    let banks = join(efi.map.ram().collect());
    let closed = join(efi.map.closed().map(outward).collect());
    let free: Vec<Range> = banks.iter().flat_map(|bank| without(*bank, &closed)).collect();
    let usable: Vec<Range> = match limits {
        Some(limits) => free.iter().flat_map(|range| limits.parts(*range)).collect(),
        None => free.clone(),
    };
    match (free.is_empty(), usable.is_empty()) {
        (true, _) => Err(FirmwareError::NoMemory.into()),
        (false, true) => Err(PlatformError::Usable(LimitError::Nothing)),
        _ => {
            let ram = efi.map.entries().filter(Entry::is_memory).map(|entry| entry.range);
            Ok(Memory { ram: join(ram.collect()), usable })
        }
    }
}

/// Whole pages around a range; to the end of the address space if there are no whole ones.
fn outward(range: Range) -> Range {
    range.grow_to(PAGE).unwrap_or(Range::new(range.start & !(PAGE - 1), u64::MAX))
}

/// A range without parts that are sorted and joined.
fn without(range: Range, parts: &[Range]) -> Vec<Range> {
    let mut left = Vec::new();
    let mut at = range.start;
    for part in parts.iter().filter(|part| part.overlaps(&range)) {
        left.push(Range::new(at, part.start));
        at = at.max(part.end);
    }
    left.push(Range::new(at, range.end));
    left.retain(|range| !range.is_empty());
    left
}

/// What lies in RAM and must not be used, so that the next kernel finds it there.
///
/// # Errors
/// [`FirmwareError`] if what an earlier kernel has reserved for good cannot be read.
pub fn reserved(efi: &Efi<'_>, usable: &[Range]) -> Result<Vec<Reserved>, FirmwareError> {
    let mut all: Vec<Reserved> = Vec::new();
    efi.each_taken(&mut |what, range| {
        let pages = outward(range);
        if usable.iter().any(|bank| bank.overlaps(&pages)) {
            all.push(Reserved { range: pages, name: what.name().into(), no_map: false });
        }
    })?;
    Ok(all)
}
