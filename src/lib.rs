//! baton: an aarch64 kernel that hands a many-core machine from one kernel to the next, fast.
//!
//! # Layers
//!
//! Logic is what decides; it has no `unsafe`, never blocks but through the seam, and compiles for
//! the host. `aarch64` is what does; it compiles only for bare metal. Between them stand the traits
//! of [`machine`], and the host tests implement the same traits on a simulated machine. The
//! compiler keeps it so: every logic module is `forbid(unsafe_code)`, `aarch64` does not exist on
//! the host, so logic that named it would not build there. Only `aarch64` may use `unsafe`, and one
//! file of [`rcu`]: the cell whose old value outlives its replacement. What other modules need of
//! raw memory comes through the seam as slices of bytes or atomic words.
//!
//! Logic never calls what does not return. `kernel::Kernel::serve` and [`hotplug::Hotplug::secondary`]
//! return what the machine has to do next, and `aarch64` does it: that makes the whole way down
//! testable.
//!
//! # Modules
//!
#![doc = include_str!("layers.md")]
//!
//! # Concurrency
//!
//! The boot CPU runs one operation at a time. CPUs share only what follows; everything else belongs
//! to one CPU, or is written before the CPUs that read it are started.
//!
//! **The cell's word** ([`hotplug::state`]) holds a CPU's mark and the number of its start. On the
//! way up the CPU advances it by compare-and-swap, and the boot CPU gives it up by
//! compare-and-swap: exactly one wins, and the loser learns it from the failed exchange. A CPU that
//! comes after it was given up finds another mark or another start, and turns itself off. On the
//! way down only the CPU moves the word, until firmware says OFF and the boot CPU takes it over.
//!
//! **The cell's request** is the other direction: the boot CPU stores what it wants (release) and
//! wakes; the CPU reads it when it wakes (acquire). An IPI stays pending, so nothing between the
//! last look and the sleep is lost. A request carries the ticket of its operation.
//!
//! **The latch** ([`sync::Latch`]) counts down one operation in one word: operation number and
//! arrivals to come. Arriving is acquire-release, so whoever sees zero sees all that every arriver
//! did. The last one alone wakes the boot CPU: an operation costs one wake-up per CPU and one of
//! the boot CPU. A straggler's ticket is of another operation and counts for nothing.
//!
//! **Claims** (fanout only) are one word again: operation and next index. Each CPU that is alive
//! takes indices by compare-and-swap and issues those CPU_ONs; opening is a release, so a claimer
//! sees each record and each KICKED mark. A late helper finds a closed word.
//!
//! **The standstill** (serial teardown only) is a second latch. While a CPU runs its dying steps,
//! all others have arrived there with interrupts filtered and wait; the leaving CPU waits for the
//! latch itself before it starts to die. The others go on when their request changes.
//!
//! **Survivors** are frozen by the boot CPU before it asks the first CPU to leave; that request
//! publishes them. A [`cpu::Target`] comes only from there, so a migration to a CPU that leaves
//! too can't be written down.
//!
//! **RCU** ([`rcu`]): one counter per CPU, odd while the CPU may be reading. The CPU moves it by
//! acquire-release read-modify-writes where it goes idle, wakes, comes round its work loop or dies;
//! who begins a grace period looks by a read-modify-write too, so that of the two one comes first:
//! it sees the reader and waits until the counter has moved, or the reader sees what was published.
//! Callbacks stay on their CPU under its lock, and move only after OFF, those of all dead CPUs at
//! once under one more lock (taken first), which a barrier holds while it sets its markers.
//!
//! **A cluster's PMU** has one word for who is there and who owns it, changed by compare-and-swap
//! only, and a gate to its registers that nobody waits for: who finds it held leaves a reason in the
//! gate's word, and the holder acts on it before it can let go. So leaving CPUs, a CPU that arrives
//! and the overflow handler meet there without masking anything.
//!
//! **A trace ring** has one owner: its CPU while that is on, the boot CPU while it is off. Words are
//! relaxed; what makes them visible is the hand-shake by which the reader learned that the owner
//! is quiet (the latch, or OFF from firmware).
//!
//! **The handover's seal** orders kernels, not CPUs. After the point of no return the boot CPU, the
//! last one on, stores the time of the jump and a checksum over the page. The next kernel takes the
//! page only under a valid seal and breaks it, so that no farewell is read twice. Rings of the two
//! banks alternate by generation: what is read is never what is being written.
//!
//! **The last word** of a CPU that firmware does not let go is its QUARANTINED mark, stored by
//! assembly after everything else: who sees it may give away all that the CPU has run on, except
//! the memory it is parked in.
//!
//! loom checks cell, request, latch, claims, standstill and RCU, in every interleaving or, where
//! that takes too long, up to a number of preemptions that the test names. The simulated
//! machine runs whole operations under seeds, with a referee; QEMU runs the real image.
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
pub mod interrupt;
#[forbid(unsafe_code)]
pub mod irq;
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
pub mod pmu;
pub mod rcu; // all but its cell forbid it themselves
#[forbid(unsafe_code)]
pub mod report;
#[forbid(unsafe_code)]
pub mod services;
#[forbid(unsafe_code)]
pub mod shell;
#[forbid(unsafe_code)]
pub mod sync;
#[forbid(unsafe_code)]
pub mod timer;
#[forbid(unsafe_code)]
pub mod torture;
#[forbid(unsafe_code)]
pub mod trace;
#[forbid(unsafe_code)]
pub mod work;
