//! The targets, by what they are about.

pub mod command_line;
pub mod console;
pub mod edit;
pub mod fdt;
pub mod firmware;
pub mod gzip;
pub mod handover;
pub mod image;
pub mod initrd;
pub mod packed;
pub mod plan;
pub mod results;
pub mod signature;
pub mod warm;

use std::fmt::Display;

/// Asserts that a message fits on a line of the console and says something.
fn check_message(message: impl Display) {
    let text = message.to_string();
    assert!(!text.is_empty() && !text.contains(char::is_control), "{text:?}");
}
