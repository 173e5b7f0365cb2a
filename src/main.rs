//! The image: everything is in the library; the entry code there is what runs first.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
use baton as _;

/// Makes an image that needs more than the usual span: for a test that nothing depends on that.
#[cfg(all(target_os = "none", feature = "wide"))]
mod ballast {
    const BYTES: usize = 5 << 20;
    const _: () = assert!(BYTES as u64 > baton::config::IMAGE_SPAN / 2);

    // SAFETY: the linker script places this section in memory of the image that nothing else uses.
    #[used]
    #[unsafe(link_section = ".bss.scratch")]
    static BALLAST: [u8; BYTES] = [0; BYTES];
}

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this is the bare-metal kernel; `make run` boots it under QEMU");
}
