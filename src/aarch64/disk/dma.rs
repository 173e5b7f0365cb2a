//! Memory that a device reads and writes. Devices of virtio-mmio see the same physical memory as
//! the CPUs, and through the same caches: a virtual machine has no other way to be.

use alloc::alloc::{alloc_zeroed, dealloc};
use core::alloc::Layout;
use core::ptr::{self, NonNull};

use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

use crate::aarch64::layout;

/// What the queue address register of the legacy transport can name: 32 bits of page number.
const LEGACY_END: u64 = 1 << 44;

/// The kernel's heap, seen from devices.
pub struct Heap;

fn physical(address: *mut u8) -> PhysAddr {
    layout::physical(address as u64)
}

fn pages_layout(pages: usize) -> Option<Layout> {
    Layout::from_size_align(pages.checked_mul(PAGE_SIZE)?, PAGE_SIZE).ok()
}

// SAFETY: memory is the heap's, aligned to a page, zeroed, contiguous (both parts of the heap are,
// virtually and physically) and exclusively the caller's until freed.
unsafe impl Hal for Heap {
    /// Address 0 tells the crate that there is no memory.
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let none = (0, NonNull::dangling());
        let Some(layout) = pages_layout(pages).filter(|l| l.size() > 0) else { return none };
        // SAFETY: the size is not zero.
        let Some(memory) = NonNull::new(unsafe { alloc_zeroed(layout) }) else { return none };
        let at = physical(memory.as_ptr());
        if at + layout.size() as u64 > LEGACY_END {
            // SAFETY: just allocated with this layout.
            unsafe { dealloc(memory.as_ptr(), layout) };
            return none;
        }
        (at, memory)
    }

    unsafe fn dma_dealloc(_: PhysAddr, memory: NonNull<u8>, pages: usize) -> i32 {
        let Some(layout) = pages_layout(pages) else { return -1 };
        // SAFETY: the caller gives back what `dma_alloc` gave out, which used this layout.
        unsafe { dealloc(memory.as_ptr(), layout) };
        0
    }

    /// Only for devices on PCI, of which there are none.
    unsafe fn mmio_phys_to_virt(at: PhysAddr, _: usize) -> NonNull<u8> {
        NonNull::new(ptr::with_exposed_provenance_mut(at as usize)).unwrap_or(NonNull::dangling())
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        physical(buffer.as_ptr().cast())
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}
