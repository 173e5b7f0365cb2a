//! The probe payload: what state a machine is in when a kernel is entered.
//!
//! A bare arm64 image with two modes, chosen by the command line:
//! - *inspect* prints one line `probe NAME VALUE` per item of the machine's state and turns the
//!   machine off. Started cold and entered by a kernel's kexec, it must print the same.
//! - *dirty* (`probe=dirty`) leaves the machine as a sloppy predecessor would that still keeps to the
//!   arm64 boot protocol, and enters the kernel that lies at 0x50000000, where QEMU's `-device
//!   loader` puts one. `probe=dirty,lpis` also leaves LPIs on, `probe=dirty,vhe` the host's
//!   extensions.
//!
//! Made for QEMU's `virt` machine and for nothing else: every device is at the address that this
//! machine gives it (hw/arm/virt.c), and the MMU stays off. A register that the CPU does not have
//! raises an exception, which skips the instruction: it prints as `absent`.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod console;
#[cfg(target_os = "none")]
mod cpus;
#[cfg(target_os = "none")]
mod devices;
#[cfg(target_os = "none")]
mod dirty;
#[cfg(target_os = "none")]
mod dirty_gic;
#[cfg(target_os = "none")]
mod entry;
#[cfg(target_os = "none")]
mod gic;
#[cfg(target_os = "none")]
#[path = "../../bare/mmio.rs"]
mod mmio;
#[cfg(target_os = "none")]
#[path = "../../bare/psci.rs"]
mod psci;
#[cfg(target_os = "none")]
mod registers;
#[cfg(target_os = "none")]
mod tree;
#[cfg(target_os = "none")]
#[path = "../../bare/uart.rs"]
mod uart;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("the probe payload runs on aarch64 only");
}
