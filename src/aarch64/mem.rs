//! What the compiler calls to move, fill and compare memory.
//!
//! The versions that come with the compiler are weak symbols, and give way to these. The
//! compiler's versions were a quarter of what the boot CPU did between its first instruction and its
//! first CPU_ON: page tables are cleared, per-CPU areas and the board are moved into place.

core::arch::global_asm!(include_str!("mem.S"));
