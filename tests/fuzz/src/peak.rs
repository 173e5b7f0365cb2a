//! How much memory a parser takes at most.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static NOW: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting per thread. A block that another thread frees stays counted.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every call goes to the system's allocator as it came; the counters are cells of this
// thread without destructor, so touching them allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        NOW.set(NOW.get().saturating_sub(layout.size()));
        // SAFETY: the block came from the system's allocator with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both exist while the contents move.
        add(size);
        NOW.set(NOW.get().saturating_sub(layout.size()));
        // SAFETY: as for `dealloc`; the caller keeps the rest of the contract.
        unsafe { System.realloc(block, layout, size) }
    }
}

fn add(size: usize) {
    NOW.set(NOW.get().saturating_add(size));
    MOST.set(MOST.get().max(NOW.get()));
}

/// What `act` returns, and how many bytes it had allocated at most at one time, beyond those that
/// were there before.
pub fn of<R>(act: impl FnOnce() -> R) -> (R, usize) {
    let before = NOW.get();
    MOST.set(before);
    let result = act();
    (result, MOST.get().saturating_sub(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_that_was_there_at_one_time_counts() {
        let (kept, peak) = of(|| {
            drop(vec![0u8; 5000]);
            drop(vec![0u8; 3000]);
            vec![1u8; 100]
        });
        assert_eq!((kept.len(), peak), (100, 5000));
        let ((), peak) = of(|| ());
        assert_eq!(peak, 0);
    }

    #[test]
    fn a_block_that_moves_counts_twice() {
        let mut bytes = Vec::<u8>::with_capacity(1000);
        let ((), peak) = of(|| bytes.reserve_exact(4000));
        assert_eq!(peak, 4000);
        drop(bytes);
    }
}
