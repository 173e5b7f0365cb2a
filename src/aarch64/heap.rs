//! The kernel's heap: crate talc behind a lock, on one range of RAM.
//!
//! After the point of no return an allocation is a bug: the allocator panics instead of serving the
//! request.

use alloc::alloc::alloc;
use core::alloc::{GlobalAlloc, Layout};
use core::arch::asm;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use talc::TalcLock;
use talc::source::Manual;

use super::layout;
use crate::config::PAGE;
use crate::memory::Range;

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

/// There is a heap.
static STARTED: AtomicBool = AtomicBool::new(false);

/// Gives the heap its memory, which is mapped. Boot CPU, once, before the first allocation.
///
/// # Safety
/// The range is mapped in the linear map, writable, for good, and the heap's alone.
pub unsafe fn start(range: Range) {
    // SAFETY: as the caller promises.
    unsafe {
        HEAP.talc.lock().claim(layout::linear(range.start) as *mut u8, range.size() as usize)
    };
    STARTED.store(true, Ordering::Relaxed);
}

/// A page of zeroes, for good; `None` if there is no heap yet.
pub fn page() -> Option<NonNull<u8>> {
    let layout = Layout::from_size_align(PAGE as usize, PAGE as usize).ok()?;
    // SAFETY: the layout's size is not zero, and what is allocated is a page that is nothing else's.
    let page = || unsafe { NonNull::new(alloc(layout)).inspect(|page| clear(*page)) };
    STARTED.load(Ordering::Relaxed).then(page).flatten()
}

/// Makes a page zero, 64 bytes at once: tables are cleared on the way to the first CPU_ON.
///
/// # Safety
/// A whole page, which nothing else uses.
pub unsafe fn clear(page: NonNull<u8>) {
    // SAFETY: as the caller promises.
    unsafe {
        asm!(
            "2:",
            "stp xzr, xzr, [{at}]",
            "stp xzr, xzr, [{at}, #16]",
            "stp xzr, xzr, [{at}, #32]",
            "stp xzr, xzr, [{at}, #48]",
            "add {at}, {at}, #64",
            "cmp {at}, {end}",
            "b.lo 2b",
            at = inout(reg) page.as_ptr() => _,
            end = in(reg) page.as_ptr().wrapping_add(PAGE as usize),
            options(nostack),
        );
    }
}

/// From here on an allocation panics: the point of no return.
pub fn close() {
    HEAP.closed.store(true, Ordering::Relaxed);
}
