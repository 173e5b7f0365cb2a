//! The lower half of the address space, for good: RAM and devices at their physical addresses,
//! nothing executable but the page of code that runs while the MMU goes on or off, and a hole under
//! every stack. The upper half stays as built by `head.S`.
//!
//! Tables are built by crate aarch64-paging before other CPUs run, so the only TLB maintenance is
//! local.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use aarch64_paging::MapError;
use aarch64_paging::Mapping;
use aarch64_paging::descriptor::{El1Attributes, PhysicalAddress};
use aarch64_paging::paging::{Constraints, El1And0, MemoryRegion, PageTable, Translation, VaRange};

use super::{layout, regs};
use crate::config::PAGE;
use crate::memory::Range;

/// RAM is mapped in blocks of 2 MiB up to here, so that each can be protected by itself; what lies
/// above, in blocks of 1 GiB.
const FINE: u64 = 32 << 30;
/// Less than what one entry of a level 1 table maps, so that no such entry is used.
const HALF: u64 = 512 << 20;

/// Level 0 to 3 tables for RAM in blocks, a dozen devices, the stacks of 512 CPUs in pages, and
/// some 60 ranges of RAM or reservations with edges inside a block.
const POOL_PAGES: usize = 160;

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
    /// Code of the identity page.
    Code,
    /// Nothing: an access faults.
    Hole,
}

impl Kind {
    pub(super) fn attributes(self) -> El1Attributes {
        match self {
            Self::Ram => NORMAL | El1Attributes::PXN,
            Self::ReadOnly => NORMAL | El1Attributes::PXN | El1Attributes::READ_ONLY,
            Self::Device => BASE | El1Attributes::ATTRIBUTE_INDEX_0 | El1Attributes::PXN,
            Self::Code => NORMAL | El1Attributes::READ_ONLY,
            Self::Hole => El1Attributes::empty(),
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

/// Takes tables from the pool in the image, which is mapped from the first moment on.
struct ImagePages {
    base: u64,
}

impl Translation<El1Attributes> for ImagePages {
    fn allocate_table(&mut self) -> (NonNull<PageTable<El1Attributes>>, PhysicalAddress) {
        let next = TAKEN.fetch_add(1, Ordering::Relaxed);
        assert!(next < POOL_PAGES, "page table pool is used up: too many separate ranges");
        // SAFETY: in bounds, and handed out for the first time.
        let page = unsafe {
            let page = POOL.0.get().cast::<[u8; PAGE as usize]>().add(next);
            page.write_bytes(0, 1);
            page
        };
        // The table walker must see the page empty before it sees the entry that leads here.
        regs::dsb_ishst();
        let physical = layout::physical(page as u64, self.base);
        let table = NonNull::new(page.cast()).expect("the pool has an address");
        (table, PhysicalAddress(physical as usize))
    }

    unsafe fn deallocate_table(&mut self, _table: NonNull<PageTable<El1Attributes>>) {
        // The kernel's own map only grows; a page is lost until the next kernel at worst.
    }

    fn physical_to_virtual(&self, pa: PhysicalAddress) -> NonNull<PageTable<El1Attributes>> {
        let virt = pa.0 as u64 - self.base + layout::KERNEL_BASE;
        NonNull::new(virt as *mut _).expect("the pool has an address")
    }
}

/// Maps the 2 MiB behind those that `head.S` has mapped of the device tree. Only if the tree
/// reaches that far: the 2 MiB may otherwise hold no memory at all. DSB, ISB: the table walker sees
/// the new entry before the first access through it; the entry was invalid, so there is no TLBI.
pub fn extend_dtb_window() {
    let table = layout::ttbr1_l2() as *mut u64;
    // SAFETY: the table is ours; the entry behind the image's is the device tree's, and the next
    // entry has never been valid.
    unsafe {
        let first = table.add(layout::SPAN_BLOCKS).read_volatile();
        table.add(layout::SPAN_BLOCKS + 1).write_volatile(first + (2 << 20));
        asm!("dsb ishst", "isb");
    }
}

/// The lower half's tables, while being built and in use.
pub struct Tables {
    mapping: Mapping<ImagePages, El1And0>,
}

impl Tables {
    /// Empty tables, for an image at physical address `base`.
    pub fn new(base: u64) -> Self {
        let pages = ImagePages { base };
        let mapping = Mapping::with_asid_and_va_range(pages, 0, 0, El1And0, VaRange::Lower);
        Self { mapping }
    }

    /// Maps RAM, in blocks that are small where kernels are loaded.
    ///
    /// # Errors
    /// As [`Tables::map`].
    pub fn map_ram(&mut self, ram: Range) -> Result<(), MapError> {
        let mut at = ram.start;
        while at < ram.end {
            let fine = (at & !(HALF - 1)) + HALF;
            let end = if at < ram.start + FINE { fine.min(ram.end) } else { ram.end };
            self.map(Range::new(at, end), Kind::Ram)?;
            at = end;
        }
        Ok(())
    }

    /// Maps whole pages around the range at their physical addresses.
    ///
    /// # Errors
    /// An address past 48 bits, or a live mapping that would have to be split.
    pub fn map(&mut self, range: Range, kind: Kind) -> Result<(), MapError> {
        let region = MemoryRegion::new(range.start as usize, range.end as usize);
        let at = PhysicalAddress(range.start as usize & !(PAGE as usize - 1));
        self.mapping.map_range(&region, at, kind.attributes(), Constraints::NO_CONTIGUOUS_HINT)
    }

    /// Makes ordinary memory read-only or writable while every CPU may be using these tables.
    /// False, with nothing changed, if a block would have to be split: a split needs
    /// break-before-make, and in the moment without a valid entry another CPU may access the rest
    /// of the block (Arm ARM D8.16.1).
    pub fn protect(&mut self, range: Range, on: bool) -> bool {
        let kind = if on { Kind::ReadOnly } else { Kind::Ram };
        let changed = self.map(range, kind).is_ok();
        // DSB ISHST: the new entries come before the TLBI. DSB ISH: every CPU has dropped the old
        // ones before this returns. SAFETY: what is still cached allows more or less than the
        // tables do, and goes away.
        unsafe { asm!("dsb ishst", "tlbi vmalle1is", "dsb ish", "isb") };
        changed
    }

    /// Physical address of the level 0 table, for TTBR0_EL1.
    pub fn root(&self) -> u64 {
        self.mapping.root_address().0 as u64
    }

    /// Switches this CPU from its present tables to these. Boot CPU, before any other CPU runs.
    ///
    /// Both may map the same address by entries of different sizes, and two such entries must not
    /// be in the TLB at once (Arm ARM D8.16.1): walks of the lower half are off (TCR_EL1.EPD0) from
    /// before the old entries go until the new tables are in place.
    pub fn activate(&self) {
        let tcr: u64;
        // SAFETY: code, stack and early heap are in the upper half, and interrupts are masked:
        // nothing needs the lower half until its walks are on again. The identity mapping of the
        // whole image that the first tables had goes with the TLB's entries.
        unsafe {
            // ISB: EPD0 is in force before the TLBI. DSB, ISB: the TLBI is complete before the new
            // tables are put in.
            asm!(
                "mrs {tcr}, tcr_el1",
                "orr {off}, {tcr}, #(1 << 7)",
                "msr tcr_el1, {off}",
                "isb",
                "tlbi vmalle1",
                "dsb nsh",
                "isb",
                tcr = out(reg) tcr, off = out(reg) _,
            );
        }
        // SAFETY: everything that this CPU uses is mapped in the upper half, or here.
        unsafe { self.mapping.activate() };
        // SAFETY: TCR_EL1 gets back its former value; nothing remembers EPD0 after the TLBI.
        unsafe {
            asm!("isb", "msr tcr_el1, {0}", "isb", "tlbi vmalle1", "dsb nsh", "isb", in(reg) tcr)
        };
    }
}
