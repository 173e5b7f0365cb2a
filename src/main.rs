//! The image: everything is in the library; the entry code there is what runs first.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
use baton as _;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this is the bare-metal kernel; `make run` boots it under QEMU");
}
