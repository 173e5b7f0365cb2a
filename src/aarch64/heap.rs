//! The kernel's heap: crate talc behind a lock. Starts on a piece of bss, so that the device tree
//! can be read before any memory is known, and grows once by a region of RAM.
//!
//! After the point of no return an allocation is a bug: the allocator panics instead of serving the
//! request.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};

use talc::TalcLock;
use talc::source::Manual;

use super::layout;
use crate::memory::Range;

/// Enough for the description of 512 CPUs and the memory map.
const EARLY_BYTES: usize = 384 << 10;

#[repr(align(4096))]
struct Early(UnsafeCell<MaybeUninit<[u8; EARLY_BYTES]>>);

// SAFETY: handed to the allocator once and never named again.
unsafe impl Sync for Early {}

// Not cleared at entry: the allocator gives out memory as it is.
// SAFETY: the linker script places this section in memory of the image that nothing else uses.
#[unsafe(link_section = ".bss.scratch")]
static EARLY: Early = Early(UnsafeCell::new(MaybeUninit::uninit()));

struct Heap {
    talc: TalcLock<spin::Mutex<()>, Manual>,
    closed: AtomicBool,
}

#[global_allocator]
static HEAP: Heap = Heap { talc: TalcLock::new(Manual), closed: AtomicBool::new(false) };

// SAFETY: every call goes to talc unchanged, or panics.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        assert!(!self.closed.load(Ordering::Relaxed), "allocation after the point of no return");
        // SAFETY: the caller's promises are talc's.
        unsafe { self.talc.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are talc's.
        unsafe { self.talc.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        assert!(!self.closed.load(Ordering::Relaxed), "allocation after the point of no return");
        // SAFETY: the caller's promises are talc's.
        unsafe { self.talc.realloc(ptr, layout, size) }
    }
}

/// Gives the heap its first memory. Boot CPU, once, before the first allocation.
pub fn start() {
    // SAFETY: EARLY is static and used nowhere else.
    unsafe { HEAP.talc.lock().claim(EARLY.0.get().cast(), EARLY_BYTES) };
}

/// Gives the heap more memory. The range is mapped, writable, and owned by the heap alone, for
/// good.
pub fn grow(range: Range) {
    // SAFETY: as the caller promises; the map says that the range is ours.
    unsafe {
        HEAP.talc.lock().claim(layout::linear(range.start) as *mut u8, range.size() as usize)
    };
}

/// From here on an allocation panics: the point of no return.
pub fn close() {
    HEAP.closed.store(true, Ordering::Relaxed);
}
