//! The UEFI stub of a baton Image: the library has what it decides.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod stub;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("the stub runs under UEFI: build it for aarch64-unknown-none-softfloat");
}
