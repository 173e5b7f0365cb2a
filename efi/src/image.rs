//! The file that the stub is a part of, as firmware has put it into memory: the kernel's flat Image,
//! and behind it the stub.
//!
//! `baton image` has written where in the file the stub begins. That is also the length of the kernel.

use core::fmt;

use crate::{u32_at, u64_at};

/// Bytes of the kernel's header.
pub const HEADER: usize = 64;

/// Where kernels are placed: on a multiple of this.
pub const ALIGN: u64 = 2 << 20;

/// Bytes of memory that a kernel says it needs at most.
const MOST: u64 = 1 << 30;

/// The kernel in front of the stub.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kernel {
    /// Its bytes in the file.
    pub file: u64,
    /// Bytes of memory that it needs, from its first byte on.
    pub span: u64,
}

/// What lies in front of the stub is no kernel, by the field that says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoKernel(pub &'static str);

impl fmt::Display for NoKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no kernel in front of the stub ({}); copy the file again", self.0)
    }
}

impl Kernel {
    /// Reads the header; `stub` is where the stub begins.
    ///
    /// # Errors
    /// The header is not one of an arm64 Image with a PE header and of this length.
    pub fn of(header: &[u8], stub: u64) -> Result<Self, NoKernel> {
        if !header.starts_with(b"MZ") || u32_at(header, 56) != Some(0x644d_5241) {
            return Err(NoKernel("the magic numbers of its header"));
        }
        let span = u64_at(header, 16).unwrap_or(0);
        if stub < HEADER as u64 || !(stub..=MOST).contains(&span) {
            return Err(NoKernel("the size in its header"));
        }
        Ok(Self { file: stub, span })
    }

    /// Bytes to allocate, so that there is room for the kernel on a multiple of [`ALIGN`].
    pub fn room(&self, page: u64) -> u64 {
        self.span.next_multiple_of(page) + ALIGN - page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(size: u64) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..2].copy_from_slice(b"MZ");
        header[16..24].copy_from_slice(&size.to_le_bytes());
        header[56..60].copy_from_slice(b"ARM\x64");
        header
    }

    #[test]
    fn a_kernel_ends_where_the_stub_begins_and_may_need_more_memory() {
        let kernel = Kernel::of(&header(0x5001), 0x3000).unwrap();
        assert_eq!((kernel.file, kernel.span), (0x3000, 0x5001));
        assert_eq!(kernel.room(0x1000), 0x6000 + 0x1f_f000);
        assert!(Kernel::of(&header(0x3000), 0x3000).is_ok());
    }

    #[test]
    fn what_is_no_kernel_of_that_length_is_refused() {
        let magic = NoKernel("the magic numbers of its header");
        for at in [0, 1, 56, 59] {
            let mut wrong = header(0x5000);
            wrong[at] ^= 1;
            assert_eq!(Kernel::of(&wrong, 0x3000), Err(magic), "{at}");
        }
        assert_eq!(Kernel::of(&header(0x5000)[..59], 0x3000), Err(magic));
        for (size, stub) in [(0x2fff, 0x3000), (u64::MAX, 0x3000), (0x5000, 0), (0, 0)] {
            let error = Kernel::of(&header(size), stub);
            assert_eq!(error, Err(NoKernel("the size in its header")), "{size:#x} {stub:#x}");
        }
    }
}
