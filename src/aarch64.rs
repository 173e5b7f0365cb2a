//! The hardware: all assembly, MMIO and system registers, and no policy.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `head.S`, `entry.rs` | the first instructions of each CPU |
//! | `boot.rs` | the boot CPU's way to the first line of logic, in stages |
//! | `vectors.S`, `exceptions.rs` | exceptions and their report |
//! | `macros.S` | steps that occur in several places of the assembly |
//! | `jump.rs`, `leave.S` | out of this kernel, or out of this CPU |
//! | `bare.S`, `bare_entry.S`, `bare.rs` | CPUs without a kernel, to measure firmware |
//! | `copier.S`, `copier.rs` | the same for a kernel whose place is in use until then |
//! | `layout.rs` | every symbol of the linker script |
//! | `mmio.rs` | device registers, by accesses that any hypervisor can emulate |
//! | `mmu.rs`, `cache.rs`, `ram.rs`, `heap.rs` | memory |
//! | `mem.S`, `mem.rs` | what the compiler calls to move, fill and compare memory |
//! | `dsu.rs` | performance monitors of a cluster, and their emulation |
//! | `psci.rs`, `gic/`, `timer.rs`, `uart.rs`, `rtc.rs`, `disk.rs` | one driver each |
//! | `inherited.rs` | what the kernel before left in registers, and back to power-on |
//! | `percpu.rs` | what belongs to one CPU, found through TPIDR_EL1 |
//! | `board.rs` | the machine: all of these behind the seam |

mod bare;
mod board;
mod boot;
mod cache;
mod copier;
mod disk;
mod dsu;
mod entry;
mod exceptions;
mod gic;
mod heap;
mod inherited;
mod jump;
mod layout;
mod mem;
mod mmio;
mod mmu;
mod panic;
mod percpu;
mod psci;
mod ram;
mod regs;
mod rtc;
mod timer;
mod uart;

pub use entry::this_mpidr;
