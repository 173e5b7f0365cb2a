//! What firmware has left in memory, read through a window of its own behind the tree's, page by page
//! and read-only. Only pages that are asked for are mapped, so that nothing beside them can be read
//! by speculation either: memory next to firmware's tables may be secure. A page stays mapped where it
//! is once it has been asked for.
//!
//! The window is no part of the linear map: RAM in it is mapped there once more, with the same memory
//! type, when it is known what is RAM. Its tables come from the pool, since the first reading comes
//! before there is a heap.

use core::arch::asm;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::fill::{ADDRESS, filled};
use super::{Kind, Pages};
use crate::aarch64::{cache, layout, ram};
use crate::config::{IMAGE_ALIGN, PAGE, PHYSICAL_END};
use crate::memory::{Physical, Range};
use aarch64_paging::descriptor::El1Attributes;

/// The first entry of the image's level 2 table that is the window's, far behind the tree's, and how
/// many.
const FIRST: usize = 256;
pub(super) const BLOCKS: usize = 8;

/// Pages of one entry.
const PAGES: usize = (IMAGE_ALIGN / PAGE) as usize;

/// The page of the window through which is written: the last one.
const WRITTEN: usize = BLOCKS * PAGES - 1;

/// Pages of the window that are mapped. Only the boot CPU maps more.
static MAPPED: AtomicUsize = AtomicUsize::new(0);

/// Firmware's memory. Boot CPU only.
#[derive(Clone, Copy)]
pub struct Firmware;

/// The one value.
pub static FIRMWARE: Firmware = Firmware;

impl Physical for Firmware {
    fn bytes(&self, at: u64, len: usize) -> Option<&[u8]> {
        let range = Range::sized(at, len as u64).filter(|range| range.end <= PHYSICAL_END)?;
        let pages = range.grow_to(PAGE)?;
        let count = (pages.size() / PAGE) as usize;
        let first = found(pages.start, count).or_else(|| map(pages.start, count))?;
        let window = layout::KERNEL_BASE + (FIRST as u64) * IMAGE_ALIGN;
        let address = window + first as u64 * PAGE + (at - pages.start);
        // SAFETY: the pages are mapped, read-only, for good. Whoever asks for them has seen, in
        // UEFI's memory map, that they are memory; nothing writes there while tables are read.
        Some(unsafe { ram::window(address, len) })
    }
}

impl Firmware {
    /// Writes bytes and cleans them, through a page that is mapped for as long as that takes.
    pub fn amend(self, at: u64, bytes: &[u8]) -> bool {
        let range = Range::sized(at, bytes.len() as u64);
        let Some(range) = range.filter(|range| range.end <= PHYSICAL_END) else { return false };
        let mut done = 0;
        while done < bytes.len() {
            let at = range.start + done as u64;
            let (page, offset) = (at & !(PAGE - 1), at % PAGE);
            let count = (bytes.len() - done).min((PAGE - offset) as usize);
            write(page, offset, &bytes[done..done + count]);
            done += count;
        }
        true
    }
}

/// Writes within one page. The entry is valid only here: TLBI drops it everywhere, so that the next use
/// is again of an entry that was invalid.
fn write(page: u64, offset: u64, bytes: &[u8]) {
    let kind = (Kind::Ram.attributes() | El1Attributes::TABLE_OR_PAGE).bits() as u64;
    let address = layout::KERNEL_BASE + (FIRST as u64) * IMAGE_ALIGN + WRITTEN as u64 * PAGE;
    // SAFETY: the entry is this function's, and only the boot CPU is here. The page is memory, as the
    // caller has read in firmware's map; if it is in the linear map too, then with the same attributes.
    unsafe {
        let entry = entry(WRITTEN);
        entry.write_volatile(page | kind);
        filled();
        ptr::copy_nonoverlapping(bytes.as_ptr(), (address + offset) as *mut u8, bytes.len());
        cache::clean_to_poc(address + offset, bytes.len() as u64);
        entry.write_volatile(0);
        asm!("dsb ishst", "tlbi vaae1is, {}", "dsb ish", "isb", in(reg) (address << 8) >> 20);
    }
}

/// The entry of a page of the window; the level 3 tables are made as they are needed.
fn entry(page: usize) -> *mut u64 {
    let level2 = layout::ttbr1_l2() as *mut u64;
    let link = (El1Attributes::VALID | El1Attributes::TABLE_OR_PAGE).bits() as u64;
    // SAFETY: the table is ours, `page` is in the window, and only the boot CPU writes here.
    unsafe {
        let place = level2.add(FIRST + page / PAGES);
        let table = match place.read_volatile() {
            0 => {
                let fresh = Pages::of_pool();
                filled(); // the walker sees the table empty before it is led there
                place.write_volatile(Pages::at(fresh).0 as u64 | link);
                fresh
            }
            found => Pages::table(found & ADDRESS),
        };
        table.cast::<u64>().as_ptr().add(page % PAGES)
    }
}

/// Where so many pages from a physical address on are mapped already, one after the other.
fn found(at: u64, count: usize) -> Option<usize> {
    let mapped = MAPPED.load(Ordering::Relaxed);
    let is = |page: usize, offset: usize| {
        // SAFETY: an entry of a page that is mapped.
        let entry = unsafe { entry(page + offset).read_volatile() };
        entry & ADDRESS == at + offset as u64 * PAGE
    };
    let last = (mapped + 1).checked_sub(count.max(1))?;
    (0..last).find(|&page| (0..count).all(|offset| is(page, offset)))
}

/// Maps pages at the end of what is mapped; `None` if the window is full.
fn map(at: u64, count: usize) -> Option<usize> {
    let first = MAPPED.load(Ordering::Relaxed);
    let next = first.checked_add(count).filter(|&next| next <= WRITTEN)?;
    let kind = (Kind::ReadOnly.attributes() | El1Attributes::TABLE_OR_PAGE).bits() as u64;
    for offset in 0..count {
        // SAFETY: an entry of the window that has never been valid.
        unsafe { entry(first + offset).write_volatile((at + offset as u64 * PAGE) | kind) };
    }
    filled();
    MAPPED.store(next, Ordering::Relaxed);
    Some(first)
}
