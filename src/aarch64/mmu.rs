//! The linear map: RAM and devices in the upper half, each at its physical address plus
//! [`LINEAR_BASE`](crate::config::LINEAR_BASE). No part is executable, and there is a hole under
//! every stack.
//!
//! `head.S` has made the level 0 table, with one entry for the image; the linear map is added to
//! that table while the table is in use. So only what is not mapped yet is ever mapped: an entry
//! that was invalid is in no TLB, and needs a barrier but no invalidation. The lower half holds the
//! identity page of `head.S`, which only entry, jump and parking need.
//!
//! ```text
//! KERNEL_BASE + 512 MiB      the window at firmware's memory, read-only
//! KERNEL_BASE + IMAGE_SPAN   the device tree's window, read-only
//! KERNEL_BASE                the image, page by page            (tables of head.S)
//! LINEAR_BASE + physical     RAM and devices, never executable  (tables of this module)
//! physical                   the identity page, lower half      (tables of head.S)
//! ```
//!
//! Once RAM is mapped, valid entries change in one way only: [`Tables::protect`] changes the
//! permission of whole blocks. Address, size and memory type of an entry never change, so no entry
//! needs break-before-make. The one page through which firmware's tables are written is valid only
//! meanwhile.
//!
//! Entries are written by [`fill`](mod@fill); crate aarch64-paging changes permissions, and maps what
//! is mapped in part already.

mod fill;
mod firmware;

use core::arch::asm;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use aarch64_paging::MapError;
use aarch64_paging::Mapping;
use aarch64_paging::descriptor::{El1Attributes, PhysicalAddress, VirtualAddress};
use aarch64_paging::paging::{Constraints, El1And0, MemoryRegion, PageTable, Translation, VaRange};

use self::fill::{Pattern, fill, filled};
pub use self::firmware::FIRMWARE;
use super::{heap, layout, regs};
use crate::config::{IMAGE_ALIGN, IMAGE_SPAN, PAGE, PHYSICAL_END};
use crate::kernel::layout::{GUARD_BETWEEN, STACK_SLOT};
use crate::memory::{Piece, Quiet, Range};

/// RAM is mapped in blocks of 2 MiB up to here, so that each can be protected by itself; what lies
/// above, in blocks of 1 GiB.
const FINE: u64 = 32 << 30;

/// The pages of stacks: below each of the two of a slot there is one that is left out.
const WITHOUT_GUARDS: Pattern =
    Pattern::without_first_and((GUARD_BETWEEN / PAGE) as u32, (STACK_SLOT / PAGE) as u32);

/// Tables until there is a heap: for the redistributors and the heap itself, or, if something is
/// wrong by then, for a console; and for the window at firmware's memory.
const POOL_PAGES: usize = 32 + firmware::BLOCKS;

const BASE: El1Attributes =
    El1Attributes::VALID.union(El1Attributes::ACCESSED).union(El1Attributes::UXN);
const NORMAL: El1Attributes =
    BASE.union(El1Attributes::ATTRIBUTE_INDEX_1).union(El1Attributes::INNER_SHAREABLE);

/// What a range is mapped as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Ordinary memory.
    Ram,
    /// Ordinary memory, mapped read-only.
    ReadOnly,
    /// Registers.
    Device,
    /// Code that the copier runs at its physical address.
    Code,
}

impl Kind {
    pub(super) fn attributes(self) -> El1Attributes {
        match self {
            Self::Ram => NORMAL | El1Attributes::PXN,
            Self::ReadOnly => NORMAL | El1Attributes::PXN | El1Attributes::READ_ONLY,
            Self::Device => BASE | El1Attributes::ATTRIBUTE_INDEX_0 | El1Attributes::PXN,
            Self::Code => NORMAL | El1Attributes::READ_ONLY,
        }
    }
}

#[repr(C, align(4096))]
struct Pool(UnsafeCell<MaybeUninit<[[u8; PAGE as usize]; POOL_PAGES]>>);

// SAFETY: each page is handed out once.
unsafe impl Sync for Pool {}

// Not cleared at entry: a page is cleared when it is taken, and few are.
// SAFETY: the linker script places this section in memory of the image that nothing else uses.
#[unsafe(link_section = ".bss.scratch")]
static POOL: Pool = Pool(UnsafeCell::new(MaybeUninit::uninit()));

/// Pages of the pool that are in use. None ever comes back, so no two tables share one.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// Where tables are: the root in the image, the first others in the pool, and more in the heap.
struct Pages {
    /// The root has been given out: the first table that is asked for.
    rooted: bool,
    /// The heap is left alone: it may be what broke.
    last_resort: bool,
}

impl Pages {
    fn at(table: NonNull<PageTable<El1Attributes>>) -> PhysicalAddress {
        PhysicalAddress(layout::physical(table.as_ptr() as u64) as usize)
    }

    /// The table at a physical address: in the image, in the pool or in the heap.
    fn table(pa: u64) -> NonNull<PageTable<El1Attributes>> {
        let base = layout::base();
        let address = if Range::new(base, base + IMAGE_SPAN).contains(pa) {
            pa - base + layout::KERNEL_BASE
        } else {
            layout::linear(pa)
        };
        NonNull::new(address as *mut _).expect("the upper half does not begin at 0")
    }

    fn root() -> NonNull<PageTable<El1Attributes>> {
        NonNull::new(layout::ttbr1() as *mut _).expect("the image has an address")
    }

    fn fresh() -> NonNull<PageTable<El1Attributes>> {
        heap::page().map(NonNull::cast).unwrap_or_else(Self::of_pool)
    }

    fn of_pool() -> NonNull<PageTable<El1Attributes>> {
        let next = TAKEN.fetch_add(1, Ordering::Relaxed);
        assert!(next < POOL_PAGES, "the GIC has too many separate regions of redistributors");
        // SAFETY: in bounds, and handed out for the first time.
        let page = unsafe {
            let page = POOL.0.get().cast::<[u8; PAGE as usize]>().add(next);
            page.write_bytes(0, 1);
            page
        };
        NonNull::new(page.cast()).expect("the pool has an address")
    }
}

impl Translation<El1Attributes> for Pages {
    fn allocate_table(&mut self) -> (NonNull<PageTable<El1Attributes>>, PhysicalAddress) {
        let table = match (self.rooted, self.last_resort) {
            (false, _) => Self::root(),
            (true, false) => Self::fresh(),
            (true, true) => Self::of_pool(),
        };
        self.rooted = true;
        // The table walker must see the page empty before it sees the entry that leads here.
        regs::dsb_ishst();
        (table, Self::at(table))
    }

    unsafe fn deallocate_table(&mut self, _table: NonNull<PageTable<El1Attributes>>) {
        // The kernel's own map only grows.
    }

    fn physical_to_virtual(&self, pa: PhysicalAddress) -> NonNull<PageTable<El1Attributes>> {
        Self::table(pa.0 as u64)
    }
}

/// Maps one more block of the window at the device tree, of which `head.S` has mapped block 0. Only
/// if the tree reaches that far: there may otherwise be no memory at all. DSB, ISB: the table walker
/// sees the new entry before the first access through it; the entry was invalid, so there is no
/// TLBI.
///
/// # Safety
/// The tree reaches that far: there is memory.
pub unsafe fn extend_dtb_window(block: usize) {
    let table = layout::ttbr1_l2() as *mut u64;
    let entry = layout::SPAN_BLOCKS + block;
    assert!(entry < 512, "the window ends");
    // SAFETY: the table is ours; the entries behind the image's are the device tree's, and this one
    // has never been valid.
    unsafe {
        let first = table.add(layout::SPAN_BLOCKS).read_volatile();
        table.add(entry).write_volatile(first + block as u64 * IMAGE_ALIGN);
        asm!("dsb ishst", "isb");
    }
}

/// The tables of the linear map.
pub struct Tables {
    mapping: Mapping<Pages, El1And0>,
    /// As in [`Pages`].
    last_resort: bool,
}

impl Tables {
    /// The tables that `head.S` has made.
    ///
    /// # Safety
    /// Boot CPU, before any other CPU runs; once.
    pub unsafe fn take_over() -> Self {
        Self::over(Pages { rooted: false, last_resort: false })
    }

    /// The same tables once more, without the heap.
    ///
    /// # Safety
    /// For a panic of the boot CPU before any other CPU runs: what else has the tables is not used
    /// any more.
    pub unsafe fn of_last_resort() -> Self {
        Self::over(Pages { rooted: false, last_resort: true })
    }

    fn over(pages: Pages) -> Self {
        let last_resort = pages.last_resort;
        let mapping = Mapping::with_asid_and_va_range(pages, 0, 0, El1And0, VaRange::Upper);
        Self { mapping, last_resort }
    }

    /// Maps RAM that is not mapped yet, in blocks that are small where kernels are loaded: below
    /// `bank` + [`FINE`].
    ///
    /// # Safety
    /// `ram` is RAM, and not mapped yet.
    ///
    /// # Errors
    /// As [`Tables::map`].
    pub unsafe fn map_ram(&mut self, ram: Range, bank: u64) -> Result<(), MapError> {
        let ram = reached(ram.shrink_to(PAGE))?;
        let middle = (bank + FINE).clamp(ram.start, ram.end);
        // SAFETY: as the caller promises.
        unsafe {
            fill(Range::new(ram.start, middle), 2, Kind::Ram, Pattern::ALL)?;
            fill(Range::new(middle, ram.end), 1, Kind::Ram, Pattern::ALL)?;
        }
        filled();
        Ok(())
    }

    /// Maps stacks page by page, and leaves the page below each one out.
    ///
    /// # Safety
    /// These pages are not mapped yet.
    ///
    /// # Errors
    /// As [`Tables::map`].
    pub unsafe fn map_stacks(&mut self, stacks: &Piece) -> Result<(), MapError> {
        let range = reached(stacks.range())?;
        // SAFETY: as the caller promises.
        unsafe { fill(range, 3, Kind::Ram, WITHOUT_GUARDS)? };
        filled();
        Ok(())
    }

    /// Maps whole pages around a range that is not mapped yet. DSB, ISB: the table walker sees the
    /// new entries before the first access through these.
    ///
    /// # Safety
    /// Memory of this kind is there, and no part of it is mapped yet as another kind.
    ///
    /// # Errors
    /// An address that the linear map does not reach.
    pub unsafe fn map(&mut self, range: Range, kind: Kind) -> Result<(), MapError> {
        let pages = reached(range)?.grow_to(PAGE).filter(|_| !self.last_resort);
        // SAFETY: as the caller promises.
        let fresh =
            pages.is_some_and(|pages| unsafe { fill(pages, 2, kind, Pattern::ALL) }.is_ok());
        if !fresh {
            // Registers next to others in one page: the crate writes the same entry once more. And as
            // a last resort, since new tables of `fill` may come from the heap.
            self.write(range, kind)?;
        }
        filled();
        Ok(())
    }

    fn write(&mut self, range: Range, kind: Kind) -> Result<(), MapError> {
        let at = PhysicalAddress(reached(range)?.start as usize & !(PAGE as usize - 1));
        let how = Constraints::NO_CONTIGUOUS_HINT;
        self.mapping.map_range(&region(range), at, kind.attributes(), how)
    }

    /// From here on entries that are valid may be changed, and other CPUs use the tables.
    pub fn share(&self) {
        self.mapping.mark_active();
    }

    /// Makes RAM read-only or writable while every CPU may be using these tables. False, with
    /// nothing changed, if a block would have to be split: a split needs break-before-make, and in
    /// the moment without a valid entry another CPU may access the rest of the block (Arm ARM
    /// D8.16.1).
    pub fn protect(&mut self, quiet: &Quiet, on: bool) -> bool {
        let range = quiet.range();
        let kind = if on { Kind::ReadOnly } else { Kind::Ram };
        let changed = self.write(range, kind).is_ok();
        // DSB ISHST: the new entries come before the TLBI. DSB ISH: every CPU has dropped the old
        // ones before this returns. SAFETY: what is still cached allows more or less than the
        // tables do, and goes away.
        unsafe { asm!("dsb ishst", "tlbi vmalle1is", "dsb ish", "isb") };
        changed
    }
}

/// A range, if the linear map reaches it.
fn reached(range: Range) -> Result<Range, MapError> {
    let beyond = MapError::InvalidVirtualAddress(VirtualAddress(range.start as usize));
    if range.end <= PHYSICAL_END { Ok(range) } else { Err(beyond) }
}

/// Where a range is in the linear map.
fn region(range: Range) -> MemoryRegion {
    let linear = |at| layout::linear(at) as usize;
    MemoryRegion::new(linear(range.start), linear(range.end))
}

/// Puts the identity page into the lower half of this CPU: for code that turns the MMU off.
pub fn enter_identity() {
    let root = layout::physical(layout::ttbr0());
    // SAFETY: nothing of this kernel is mapped in the lower half. The identity page is never mapped
    // there otherwise, so no entry in a TLB contradicts it.
    unsafe { asm!("msr ttbr0_el1, {0}", "isb", in(reg) root) };
}
