//! A QEMU plugin that watches every access to a device address.
//!
//! A hypervisor that emulates a device needs the syndrome of the access that trapped, and only a
//! load or store of one general-purpose register without write-back has one ([`syndrome`]). QEMU's
//! own emulation takes any instruction, so a kernel that makes other accesses runs there and dies
//! under KVM. This plugin says so under QEMU: `-plugin libbaton_watch.so,out=PATH` writes, when QEMU
//! ends, each instruction that accessed a device and has no syndrome, and how often each page of
//! device addresses was read and written, so that a watch that saw nothing is noticed
//! ([`tally`]).
//!
//! # Why no access is missed
//!
//! - The plugin is loaded before the first CPU starts, and QEMU hands it every block of code that it
//!   translates, for every CPU, exception level and state of the MMU, and whichever kernel the code
//!   belongs to. Code that replaces other code is translated anew. No guest code runs untranslated.
//! - A callback is asked for on every instruction, whatever it is: the opcode decides only what is
//!   said of an access, never whether the access is seen.
//! - QEMU makes the callback for each access by translated code, once it is done, and for each
//!   access by a helper (in QEMU 7.2 accel/tcg/cputlb.c and atomic_common.c.inc). An atomic access
//!   to a device is done again with all other CPUs stopped, as a load and a store of translated
//!   code. DC ZVA stores byte by byte if the address is a device's. What a helper does to RAM by a
//!   host pointer, without a callback, is of no interest here. A guest test has bare code access a
//!   device in each of these forms.
//! - Whether an address is a device's is answered by QEMU's own TLB, for the translation that the
//!   access itself has just used. Where that entry is gone by then, QEMU answers with the last
//!   device that this CPU accessed, so the mistake that is left is one access too many.
//! - The report ends with a line of its own. One that a killed QEMU left short, or did not write, is
//!   no report.
//!
//! Not seen are an access that faults, because its callback would have come after it, and what makes
//! no access in QEMU: prefetches, and cache maintenance of a device address. A kernel that takes a
//! data abort ends there; prefetches don't trap; KVM steps over cache maintenance.
//!
//! # Other versions of QEMU
//!
//! The plugin says that it was built for version 1 of the interface, or for version 2 where QEMU
//! refuses 1, and uses only what both have. [`api`] has the one call whose form has changed since.
//! It was tried with QEMU 7.2 and 10.0.

#[cfg(not(test))]
pub mod api;
pub mod syndrome;
pub mod tally;
#[cfg(not(test))]
pub mod watch;
