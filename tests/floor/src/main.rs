//! The floor payload: what firmware and simulator cost without any kernel.
//!
//! A bare arm64 image that turns every other CPU on and off through PSCI, all at once (parallel)
//! and one after the other (serial), and prints one record per round, in the format of baton's
//! `report` module. A kernel's time for the same CPUs on the same QEMU is divided by these.
//!
//! Made for QEMU's `virt` machine with GICv3 and for nothing else: UART, GIC and MPIDRs are where
//! that machine has them ([`uart`], [`gic`], [`cpus`]), and the MMU stays off. Entered at EL1 it
//! calls PSCI by HVC, entered at EL2 by SMC.
//!
//! What makes it a floor:
//! - Who waits sleeps in WFI and is woken by an SGI, under both TCG threadings. A spinning waiter
//!   takes the host's core from those it waits for; under `thread=single` it also starves them.
//! - An AP does nothing but say that it is alive, open its GIC CPU interface so that an SGI can
//!   wake it, sleep, say that it leaves, and call CPU_OFF. It has no stack.
//! - The boot CPU watches one AP at a time, and only the watched one sends it an SGI ([`watch`]).
//! - What has to be done once a round (old SGIs, the UART) is done between the measured spans.
//!
//! The MMU being off, CPUs share plain words, each CPU's on a cache line of its own. Nothing uses
//! exclusives, which need cacheable memory.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod clock;
#[cfg(target_os = "none")]
mod cpus;
#[cfg(target_os = "none")]
mod entry;
#[cfg(target_os = "none")]
mod gic;
#[cfg(target_os = "none")]
#[allow(dead_code)] // one width is enough here
#[path = "../../bare/mmio.rs"]
mod mmio;
#[cfg(target_os = "none")]
#[allow(dead_code)] // an AP calls CPU_OFF without a stack
#[path = "../../bare/psci.rs"]
mod psci;
#[cfg(target_os = "none")]
mod report;
#[cfg(target_os = "none")]
mod rounds;
#[cfg(target_os = "none")]
#[path = "../../bare/uart.rs"]
mod uart;
#[cfg(target_os = "none")]
mod watch;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("the floor payload runs on aarch64 only: make bench");
}
