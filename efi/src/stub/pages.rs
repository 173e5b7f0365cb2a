//! Pages of memory from firmware, which go back when they are dropped.

use core::slice;

use r_efi::efi;

/// Bytes of UEFI's pages.
pub const PAGE: u64 = 4096;

/// Pages that this program has; freed on drop.
pub struct Pages {
    boot: *const efi::BootServices,
    at: u64,
    count: usize,
}

impl Pages {
    /// Pages for so many bytes, of a type of UEFI's memory.
    ///
    /// # Safety
    /// `boot` are firmware's boot services, and these are not left before the pages are dropped, unless
    /// nothing returns.
    pub unsafe fn new(
        boot: *const efi::BootServices,
        bytes: u64,
        kind: efi::MemoryType,
    ) -> Result<Self, efi::Status> {
        let count = bytes.div_ceil(PAGE).max(1) as usize;
        let mut at = 0;
        // SAFETY: `boot` are firmware's, as the caller vouches.
        let status =
            unsafe { ((*boot).allocate_pages)(efi::ALLOCATE_ANY_PAGES, kind, count, &mut at) };
        if status.is_error() { Err(status) } else { Ok(Self { boot, at, count }) }
    }

    /// Physical address; memory is mapped there as long as boot services are there.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// All of it.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: firmware has given the pages to this program, mapped at their physical addresses.
        unsafe { slice::from_raw_parts_mut(self.at as *mut u8, self.count * PAGE as usize) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the pages are this program's, and boot services are there. A status is of no use:
        // firmware then keeps the pages until a reset.
        unsafe { ((*self.boot).free_pages)(self.at, self.count) };
    }
}
