//! baton: an aarch64 kernel that hands a many-core machine from one kernel to the next, fast.
//!
//! # Layers
//!
//! Logic decides: no `unsafe`, no blocking except through the seam, and it compiles for the host.
//! `aarch64` acts, and compiles only for bare metal. Between the two stand the traits of
//! [`machine`]; the host tests implement the same traits on a simulated machine. The compiler holds
//! this line: every logic module is `forbid(unsafe_code)`, and `aarch64` does not exist on the
//! host, so logic that named `aarch64` would not build there. Only `aarch64` may use `unsafe`, with
//! two exceptions: one file of [`rcu`], the cell whose old value outlives its replacement; and one
//! function of [`memory`], whose caller vouches for the RAM of the machine.
//!
//! Memory has owners by type. A [`memory::Piece`] is a range that the map has given to one owner,
//! and cannot be copied; other modules read and write RAM only through the seam, which takes a
//! piece and gives slices of bytes or atomic words.
//!
//! Logic never calls a function that does not return. [`shell::serve`] and
//! [`hotplug::Hotplug::secondary`] return the next act of the machine, which `aarch64` then carries
//! out: so the whole way down can be tested on a host.
//!
//! # Modules
//!
#![doc = include_str!("layers.md")]
//!
//! # Concurrency
//!
//! The boot CPU runs one operation at a time. CPUs share only what follows. All other memory
//! belongs to one CPU, or is written before the CPUs that read there are started. [`hotplug`] has
//! diagrams of bring-up and of both ways down.
//!
//! **The mark word** of a CPU's cell ([`hotplug::state`]) holds the CPU's mark and the number of
//! its start. On the way up the arriving CPU advances the mark by compare-and-swap, and the boot
//! CPU gives that CPU up by compare-and-swap: exactly one of both succeeds, and the other CPU
//! learns of that from its failed exchange. An arriving CPU that was given up finds another mark or
//! another start, and turns itself off. On the way down only the leaving CPU moves the word, until
//! firmware says OFF; then the boot CPU does.
//!
//! **The request word** of the cell is the other direction: the boot CPU stores a request (release)
//! and sends an IPI; the CPU reads the request when the IPI has ended its sleep (acquire). An IPI
//! stays pending, so a request that is stored between the last look and the sleep is not lost. A
//! request carries the ticket of its operation.
//!
//! **The latch** ([`sync::Latch`]) counts down one operation in one word: operation number and
//! arrivals to come. An arrival is acquire-release, so a CPU that sees the count at zero sees all
//! that each CPU did before its arrival. Only the CPU that arrives last wakes the boot CPU: an
//! operation costs one wake-up per CPU and one of the boot CPU. A straggler's ticket is of another
//! operation and counts for nothing.
//!
//! **Claims** (fanout only) are one word again: operation and next index. Each CPU that is ALIVE
//! takes indices by compare-and-swap and issues the CPU_ONs of those indices. The boot CPU opens
//! the word with a release, so a CPU that claims an index sees each boot record and each KICKED
//! mark. A late helper finds a closed word.
//!
//! **The stop_machine** ([`sync`]) takes all its CPUs through PREPARE, DISABLE_IRQ and RUN to EXIT.
//! Each CPU acknowledges each state in one word of operation, state and count; the last CPU
//! advances the state word and wakes the sleepers. No leaving CPU runs its dying steps before every
//! CPU of the operation has assembled; until then a refusal, or the boot CPU at its deadline, calls
//! the operation off. (If no CPU can refuse, the operation opens in RUN, and no CPU assembles.) In
//! a parallel teardown the CPUs of the operation are the leaving CPUs; in a serial one, the leaving
//! CPU and all others that are online, which stand still with interrupts off until the dying steps
//! are done.
//!
//! **Survivors** are frozen by the boot CPU before the first CPU is asked to leave; that request
//! publishes the two masks. A [`cpu::Target`] comes only from survivors, so a migration to a CPU
//! that leaves too can't be written down.
//!
//! **RCU** ([`rcu`]): one counter per CPU, odd while the CPU may be reading. Each CPU moves its own
//! counter by acquire-release read-modify-writes when it goes idle, wakes, comes round its work
//! loop or dies. The waiter of a grace period looks by a read-modify-write too, so that one of the
//! two accesses comes first: the waiter sees the reader and waits until the counter has moved, or
//! the reader sees what the waiter has published. Callbacks stay on their CPU under that CPU's
//! lock, and move only after OFF: the callbacks of all dead CPUs at once, under one more lock
//! (taken first), which a barrier holds while it sets its markers.
//!
//! **A cluster's PMU** has one word for the CPUs that are present and the owner, changed by
//! compare-and-swap only, and a gate to the registers at which no CPU waits: a CPU that finds the
//! gate held leaves a reason in the gate's word, and the holder acts on that reason before the gate
//! is free. So leaving CPUs, an arriving CPU and the overflow handler meet there without masking
//! anything.
//!
//! **A trace ring** has one owner: its CPU while that CPU is on, the boot CPU while that CPU is
//! off. All words are relaxed: the hand-shake by which the reader learns that the owner is quiet
//! (the latch, or OFF from firmware) makes the words visible.
//!
//! **The handover's seal** orders kernels, not CPUs. After the point of no return the boot CPU, the
//! last CPU on, stores the time of the jump and a checksum over the facts. The next kernel takes
//! the page only under a valid seal and breaks the seal, so that no farewell is read twice. The two
//! banks of rings alternate by generation: a ring that is read is never one that is being written.
//!
//! **The last word** of a CPU whose CPU_OFF firmware denies is the QUARANTINED mark, stored by
//! assembly after every other access: once the boot CPU sees that mark, all memory on which the CPU
//! has run may be given away, except the code in which the CPU is parked.
//!
//! loom checks mark word, request word, latch, claims, stop_machine, turn, RCU, the PMU's owner,
//! gate and mail, timers and work, in every interleaving or, where that takes too long, up to a
//! number of preemptions that the test names. The simulated machine runs whole operations under
//! seeds, with a referee; QEMU runs the real image.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

#[cfg(target_os = "none")]
#[allow(unsafe_code)] // all unsafe code but one file of `rcu`
pub mod aarch64;

pub mod config;
#[forbid(unsafe_code)]
pub mod cpu;
#[forbid(unsafe_code)]
pub mod fdt;
#[forbid(unsafe_code)]
pub mod floor;
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
#[allow(unsafe_code)] // in one function: the maker of a `Ram` vouches for its pieces
pub mod memory;
#[forbid(unsafe_code)]
pub mod options;
#[forbid(unsafe_code)]
pub mod platform;
#[forbid(unsafe_code)]
pub mod pmu;
pub mod rcu; // all its modules but `cell` forbid unsafe code themselves
#[forbid(unsafe_code)]
pub mod report;
#[forbid(unsafe_code)]
pub mod results;
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
