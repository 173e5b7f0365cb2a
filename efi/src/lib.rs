//! What the UEFI stub of a baton Image decides, without UEFI: pure functions over bytes, which are
//! tested on the host. The program around them, which calls firmware, is `main.rs`.
//!
//! The stub does for this kernel what Linux's stub does for Linux: it makes the tree that tells the
//! kernel where UEFI's tables are, loads the initrd, leaves boot services and enters the kernel. So the
//! kernel has one entry, whatever starts it.
//!
//! - [`command_line`]: load options, in UTF-16, to the kernel's command line;
//! - [`tree`]: the tree, made anew or from the one of the firmware;
//! - [`map`]: where the runtime services are to be, in UEFI's memory map;
//! - [`smbios`]: which machines crash unless they are told that;
//! - [`image`]: the file that this stub is a part of.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod command_line;
pub mod image;
pub mod map;
pub mod smbios;
pub mod tree;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_le_bytes(*b))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|b| u64::from_le_bytes(*b))
}
