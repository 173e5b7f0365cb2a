//! The kernel where the Image header wants the kernel: on a multiple of 2 MiB, with as much memory free
//! as the header asks for.

use core::{ptr, slice};

use baton_efi::image::{ALIGN, HEADER, Kernel};
use r_efi::efi;

use super::pages::PAGE;
use super::{Firmware, Pages, Refused};

/// The file as firmware has put it into memory.
#[derive(Clone, Copy)]
pub struct File {
    /// Where it begins.
    pub at: u64,
    /// The kernel in front of this program.
    pub kernel: Kernel,
}

impl File {
    /// The file of the stub at `stub`, which begins there at `offset`.
    ///
    /// # Errors
    /// No kernel is in front of the stub.
    pub fn of(stub: u64, offset: u64) -> Result<Self, Refused> {
        let at = stub.wrapping_sub(offset);
        // SAFETY: what is in front of the stub was loaded together with the stub, and has pages of its
        // own; the offset was written by the program that joined the two.
        let header = unsafe { slice::from_raw_parts(at as *const u8, HEADER) };
        Ok(Self { at, kernel: Kernel::of(header, offset)? })
    }
}

/// The kernel in its place.
pub struct Placed {
    _pages: Pages,
    /// Its first byte.
    pub at: u64,
    /// Bytes that it has there.
    pub span: u64,
}

/// Copies the kernel to memory that is the kernel's own; its bss, behind the copied file, is zero.
///
/// # Errors
/// There is not as much memory.
pub fn place(firmware: &Firmware, file: &File) -> Result<Placed, Refused> {
    let kernel = file.kernel;
    let pages = firmware.pages("memory for the kernel", kernel.room(PAGE), efi::LOADER_DATA)?;
    let at = pages.at().next_multiple_of(ALIGN);
    // SAFETY: the file is in memory, and the pages have room for the kernel from `at` on.
    unsafe {
        ptr::copy_nonoverlapping(file.at as *const u8, at as *mut u8, kernel.file as usize);
        ptr::write_bytes((at + kernel.file) as *mut u8, 0, (kernel.span - kernel.file) as usize);
    }
    Ok(Placed { _pages: pages, at, span: kernel.span })
}
