//! Getting the code that copies a kernel in the jump ready, and going there.
//!
//! Of the memory set aside, page 0 is code (`copier.S`), page 1 the orders for that code, and the
//! rest page tables that map the source, the destination and these two pages at their physical
//! addresses: once these tables are in use, nothing of the running kernel is needed.

use core::mem;
use core::ptr::NonNull;

use aarch64_paging::Mapping;
use aarch64_paging::descriptor::{El1Attributes, PhysicalAddress};
use aarch64_paging::paging::{Constraints, El1And0, MemoryRegion, PageTable, Translation, VaRange};
use alloc::format;
use alloc::string::String;

use super::mmu::Kind;
use super::{heap, layout, ram, regs};
use crate::config::{COPIER_BYTES, PAGE};
use crate::machine::Relocation;
use crate::memory::{Piece, Range};

/// A range needs two tables at each of three levels at most; there are the two ends of the copy,
/// code, orders and the page of the time, and one root.
const _: () = assert!(COPIER_BYTES >= (2 + 5 * 6 + 1) * PAGE);

/// What `copier.S` reads; the order is known there.
#[repr(C)]
struct Orders {
    from: u64,
    to: u64,
    bytes: u64,
    entry: u64,
    dtb: u64,
    el2: u64,
    stamp: u64,
}

impl Orders {
    fn bytes(&self) -> [u8; size_of::<Self>()] {
        let words = [self.from, self.to, self.bytes, self.entry, self.dtb, self.el2, self.stamp];
        let mut bytes = [0; size_of::<Self>()];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

/// Where the copier goes afterwards.
pub struct Exit {
    /// The kernel's entry.
    pub entry: u64,
    /// Its device tree.
    pub dtb: u64,
    /// Whether the next kernel is entered at EL2.
    pub el2: bool,
    /// Where to leave the time at which the copy was done.
    pub stamp: u64,
}

/// Fills `work`.
///
/// # Errors
/// What could not be mapped.
pub fn prepare(work: &mut Piece, copy: &Relocation, exit: &Exit) -> Result<(), String> {
    let Range { start, end } = work.range();
    let page = |n: u64| start + n * PAGE;
    ram::zero(work, 0..(end - start) as usize);
    ram::write(work, 0, code());
    let orders = Orders {
        from: copy.from.start,
        to: copy.to.start,
        bytes: copy.to.size(),
        entry: exit.entry,
        dtb: exit.dtb,
        el2: exit.el2.into(),
        stamp: exit.stamp,
    };
    ram::write(work, PAGE as usize, &orders.bytes());
    let pages = WorkPages { next: page(2), end };
    let mut mapping = Mapping::with_asid_and_va_range(pages, 0, 0, El1And0, VaRange::Lower);
    let stamp = Range::new(exit.stamp, exit.stamp + 8);
    let parts = [
        (copy.from, Kind::ReadOnly),
        (copy.to, Kind::Ram),
        (Range::new(page(0), page(1)), Kind::Code),
        (Range::new(page(1), page(2)), Kind::ReadOnly),
        (stamp, Kind::Ram),
    ];
    for (range, kind) in parts {
        let region = MemoryRegion::new(range.start as usize, range.end as usize);
        let at = PhysicalAddress(range.start as usize & !(PAGE as usize - 1));
        mapping
            .map_range(&region, at, kind.attributes(), Constraints::NO_CONTIGUOUS_HINT)
            .map_err(|why| format!("page tables for the copy of {range}: {why}"))?;
    }
    mem::forget(mapping); // the tables stay
    ram::clean(work, 0..work.len());
    Ok(())
}

/// The page of code, in the image.
fn code() -> &'static [u8] {
    let (start, end) = (layout::copier_start(), layout::copier_end());
    // SAFETY: constants of the image, between two of its symbols.
    unsafe { core::slice::from_raw_parts(start as *const u8, (end - start) as usize) }
}

/// Tables one behind the other, in RAM.
struct WorkPages {
    next: u64,
    end: u64,
}

impl Translation<El1Attributes> for WorkPages {
    fn allocate_table(&mut self) -> (NonNull<PageTable<El1Attributes>>, PhysicalAddress) {
        let at = self.next;
        self.next += PAGE;
        assert!(self.next <= self.end, "the copier's page tables are used up");
        let at = PhysicalAddress(at as usize);
        (self.physical_to_virtual(at), at)
    }

    unsafe fn deallocate_table(&mut self, _table: NonNull<PageTable<El1Attributes>>) {}

    fn physical_to_virtual(&self, pa: PhysicalAddress) -> NonNull<PageTable<El1Attributes>> {
        let table = NonNull::new(layout::linear(pa.0 as u64) as *mut _);
        table.expect("the linear map does not begin at 0")
    }
}

/// Copies and enters the next kernel.
///
/// # Safety
/// [`prepare`] has filled the work area at `work`; every other CPU is off, and everything is quiet.
pub unsafe fn jump(work: u64, entry_level: u32) -> ! {
    heap::close();
    regs::mask_all();
    // Every store, the handover's seal among them, is complete before the copier's tables are in
    // use.
    regs::dsb_sy();
    // SAFETY: `_enter_copier` in copier.S takes these four and does not return.
    let enter: extern "C" fn(u64, u64, u64, u64) -> ! =
        unsafe { mem::transmute(layout::enter_copier() as usize) };
    enter(work, work + PAGE, work + 2 * PAGE, u64::from(entry_level == 2))
}
