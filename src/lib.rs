//! baton: an aarch64 kernel that hands a many-core machine from one kernel to the next, fast.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

pub mod config;
#[forbid(unsafe_code)]
pub mod cpu;
#[forbid(unsafe_code)]
pub mod hotplug;
pub mod machine;
#[forbid(unsafe_code)]
pub mod memory;
#[forbid(unsafe_code)]
pub mod options;
#[forbid(unsafe_code)]
pub mod report;
#[forbid(unsafe_code)]
pub mod sync;
#[forbid(unsafe_code)]
pub mod trace;
