//! The program that firmware starts. It calls firmware through raw pointers and moves memory about; what
//! can be decided without that is in the library.
//!
//! Everything before boot services are left can be taken back: the error is printed on the firmware's
//! console, memory is freed, and firmware gets a status. Behind that point nothing fails, allocates or
//! prints.

mod boot;
mod console;
mod cpu;
mod entry;
mod exit;
mod firmware;
mod guids;
mod initrd;
mod pages;
mod place;
mod refused;
mod tables;
mod volume;

use firmware::Firmware;
use pages::Pages;
use refused::Refused;
