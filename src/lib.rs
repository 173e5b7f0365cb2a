//! baton: an aarch64 kernel that hands a many-core machine from one kernel to the next, fast.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

#[cfg(target_os = "none")]
#[allow(unsafe_code)] // all of it is in there
pub mod aarch64;

pub mod config;
#[forbid(unsafe_code)]
pub mod cpu;
#[forbid(unsafe_code)]
pub mod fdt;
#[forbid(unsafe_code)]
pub mod handover;
#[forbid(unsafe_code)]
pub mod hotplug;
#[forbid(unsafe_code)]
pub mod kernel;
#[forbid(unsafe_code)]
pub mod kexec;
#[forbid(unsafe_code)]
pub mod machine;
#[forbid(unsafe_code)]
pub mod memory;
#[forbid(unsafe_code)]
pub mod options;
#[forbid(unsafe_code)]
pub mod platform;
#[forbid(unsafe_code)]
pub mod report;
#[forbid(unsafe_code)]
pub mod shell;
#[forbid(unsafe_code)]
pub mod sync;
#[forbid(unsafe_code)]
pub mod trace;
