//! What is changed in UEFI's tables for the kernels that follow, as Linux changes them at its own kexec.
//!
//! - LINUX_EFI_INITRD_MEDIA names the initrd of the first Linux, whose memory has long been used again. A
//!   Linux that is given no initrd believes the table: so the table says that there is none.
//! - LINUX_EFI_RANDOM_SEED is read once, by the next Linux: so it holds new numbers, made from those that
//!   were there.
//! - LINUX_EFI_MEMRESERVE gets an element for memory that no kernel may use again. The tree reserves
//!   such memory for the next kernel alone; if that is a Linux, a kexec of that Linux makes a tree that
//!   has nothing of it.
//!
//! Here is decided what to write, and the boot CPU writes (`machine::Facts::amend`).

use alloc::vec;
use alloc::vec::Vec;

use super::efi::{Efi, Envelope};
use super::read;
use crate::config::PAGE;
use crate::fdt::Tree;
use crate::memory::{Physical, Range};

/// Bytes of a seed that Linux reads, in front of which stands how many there are.
const SEED: usize = 32;

/// Ranges of an element: as many as a page has room for beside its head.
const RANGES: usize = (PAGE as usize - 16) / 16;

/// Some bytes to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Amendment {
    /// The table.
    pub what: &'static str,
    /// Physical address.
    pub at: u64,
    /// What has to be there.
    pub bytes: Vec<u8>,
}

/// An element for a page of memory, and what has to be written then so that the list has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Element {
    /// The contents of the page.
    pub page: Vec<u8>,
    /// The word that leads to the page.
    pub link: Amendment,
}

/// UEFI's tables, if a tree points there and they can be read.
fn tables<'p>(tree: &Tree<'_>, physical: &'p dyn Physical) -> Option<Efi<'p>> {
    let envelope = tree.find("/chosen").and_then(Envelope::of)?.ok()?;
    Efi::open(&envelope, physical).ok()
}

/// What has to be written when a kernel is loaded; `stir` makes new numbers from old ones.
pub fn for_next(
    tree: &Tree<'_>,
    physical: &dyn Physical,
    stir: impl Fn(&[u8]) -> [u8; SEED],
) -> Vec<Amendment> {
    let Some(efi) = tables(tree, physical) else { return Vec::new() };
    [no_initrd(&efi), new_seed(&efi, stir)].into_iter().flatten().collect()
}

fn no_initrd(efi: &Efi<'_>) -> Option<Amendment> {
    let at = efi.initrd_table()?;
    let stale = efi.bytes(at, 16)?.iter().any(|byte| *byte != 0);
    stale.then(|| Amendment { what: "LINUX_EFI_INITRD_MEDIA", at, bytes: vec![0; 16] })
}

fn new_seed(efi: &Efi<'_>, stir: impl Fn(&[u8]) -> [u8; SEED]) -> Option<Amendment> {
    let at = efi.seed_table()?;
    let size = read::u32(efi.bytes(at, 4)?, 0)? as usize;
    let kept = size.min(SEED);
    let old = efi.bytes(at.checked_add(4)?, kept).filter(|old| !old.is_empty())?;
    let bytes = [&(kept as u32).to_le_bytes()[..], &stir(old)[..kept]].concat();
    Some(Amendment { what: "LINUX_EFI_RANDOM_SEED", at, bytes })
}

/// An element that reserves `ranges` for good, in the page at `page`. `None` if there is nothing to do:
/// no table of UEFI, or all is reserved so already.
///
/// # Errors
/// Why the list cannot be added to.
pub fn reserve(
    tree: &Tree<'_>,
    physical: &dyn Physical,
    ranges: &[Range],
    page: u64,
) -> Result<Option<Element>, &'static str> {
    let Some(efi) = tables(tree, physical) else { return Ok(None) };
    let Some(root) = efi.memreserve_table() else {
        return Err("the firmware's tables have no list of reserved memory");
    };
    let mut known = Vec::new();
    let read = efi.each_memreserve(&mut |range| known.push(range));
    let head = efi.bytes(root, 16).filter(|_| read.is_ok());
    let head = head.ok_or("the list of reserved memory cannot be read")?;
    let new = |range: &&Range| !known.iter().any(|known: &Range| known.covers(range));
    let ranges: Vec<Range> = ranges.iter().filter(new).copied().collect();
    match ranges.len() {
        0 => Ok(None),
        count if count > RANGES => Err("there are more ranges than a page has room for"),
        _ => Ok(Some(element(&ranges, page, root, head))),
    }
}

/// Linux `struct linux_efi_memreserve`: capacity and count, the next element, ranges.
fn element(ranges: &[Range], page: u64, root: u64, head: &[u8]) -> Element {
    let mut bytes = Vec::with_capacity(PAGE as usize);
    bytes.extend((RANGES as u32).to_le_bytes());
    bytes.extend((ranges.len() as u32).to_le_bytes());
    bytes.extend(&head[8..16]); // before what was first
    for range in ranges {
        bytes.extend([range.start, range.size()].iter().flat_map(|word| word.to_le_bytes()));
    }
    bytes.resize(PAGE as usize, 0);
    let link = page.to_le_bytes().to_vec();
    Element {
        page: bytes,
        link: Amendment { what: "LINUX_EFI_MEMRESERVE", at: root + 8, bytes: link },
    }
}
