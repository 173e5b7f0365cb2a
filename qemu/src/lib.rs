//! The host side of baton: launches QEMU, drives the guest's console, collects its records, draws
//! its timelines. The binary `baton` is [`cli`]; tests that boot the real image use [`Guest`].

#![deny(unsafe_code)]

pub mod attach;
pub mod bench;
pub mod boot;
pub mod chrome;
pub mod cli;
pub mod collect;
pub mod console;
pub mod costs;
pub mod cpio;
pub mod draw;
pub mod dts;
pub mod exits;
#[cfg(test)]
mod fake;
pub mod files;
pub mod floor;
pub mod gdb;
pub mod html;
pub mod image;
pub mod kvm;
pub mod launch;
pub mod linux;
pub mod machine;
pub mod outage;
pub mod outcome;
pub mod packages;
pub mod profile;
pub mod progress;
pub mod psci;
pub mod report;
pub mod results;
pub mod run;
pub mod scratch;
pub mod session;
pub mod sign;
pub mod soak;
pub mod stats;
pub mod steps;
pub mod table;
pub mod timeline;
pub mod units;

pub use machine::{Accel, Gic, Options};
pub use outcome::Outcome;
pub use session::Guest;
