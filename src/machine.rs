//! The seam: what logic may ask of the machine. `aarch64` implements it on hardware; the host tests
//! implement it on a simulated machine. Nothing else stands between the two.
//!
//! The doc comment of every method names the CPUs that may call that method, and when. "Boot CPU"
//! is the CPU that controls hotplug.

mod bare;
mod crash;
pub mod device;
#[cfg(test)]
pub(crate) mod fake;
mod granules;
pub mod inherited;
pub mod input;
pub mod irq;
mod pauses;
pub mod pmu;
mod psci;
pub mod quiesce;
mod relocation;
mod step;

use alloc::string::String;
use alloc::vec::Vec;
use core::ops;

pub use bare::{Bare, BareMachine, BareSeen, Timed};
use pmu::ClusterPmu;
pub use psci::{Affinity, PsciError};

use self::device::Devices;
use self::inherited::Inherited;
use crate::cpu::{CpuId, CpuMask};
use crate::memory::{Physical, Piece, Quiet, Range};
use crate::sync::atomic::AtomicU64;
use crate::trace::{Event, Ring, Untimed};
pub use crash::CrashKind;
pub use granules::Granules;
pub use input::Typed;
pub use irq::{IrqChip, Route, RouteError};
pub use pauses::Pauses;
pub use relocation::Relocation;
pub use step::StepError;

/// Time, and sleeping until something happens.
pub trait Clock {
    /// The generic counter. Any CPU, any time; the same axis on all CPUs and across a kexec.
    fn now(&self) -> u64;

    /// Ticks per second of the counter.
    fn hz(&self) -> u64;

    /// Sleeps until this CPU is woken, takes an interrupt, or `deadline` (ticks) passes; may
    /// return early. Nothing that happened between the caller's last look and the sleep is lost: an
    /// IPI stays pending and ends the sleep at once. Any CPU, in ordinary context.
    fn wait(&self, deadline: Option<u64>);

    /// As [`Clock::wait`], but only while `word` holds `quiet`: if the word holds another value
    /// when the sleep ends, no interrupt is served, and this returns true. The interrupt that ended
    /// the sleep then stays pending, and every interrupt of this CPU masked, until the next wait or
    /// [`Local::resume`]. For a CPU that is asked to leave: an interrupt that it would serve is
    /// dropped when its GIC interface closes. Any CPU, in ordinary context.
    fn wait_unless(&self, word: &AtomicU64, quiet: u64, deadline: Option<u64>) -> bool {
        let _ = (word, quiet);
        self.wait(deadline);
        false
    }

    /// Gives way for a moment: to another CPU that shares this one's hardware thread, or until
    /// `word` no longer holds `seen`, or until an interrupt, whatever comes first; 1 ms at the
    /// latest, and perhaps at once. For the few looks before a [`Clock::wait`], where what is
    /// waited for is likely to be there sooner than an IPI could be. Where this does nothing, a
    /// parallel teardown of 79 CPUs takes 270,100 instructions instead of 228,000 (QEMU 7.2, icount,
    /// `dts/dsu-2.dts`): CPUs go to sleep and have to be woken. Any CPU.
    fn look_again(&self, word: &AtomicU64, seen: u64) {
        let _ = (word, seen);
    }

    /// Ticks in `ms` milliseconds.
    fn ticks_from_ms(&self, ms: u64) -> u64 {
        ms.saturating_mul(self.hz()) / 1000
    }

    /// Ticks in `us` microseconds.
    fn ticks_from_us(&self, us: u64) -> u64 {
        us.saturating_mul(self.hz()) / 1_000_000
    }
}

/// Firmware power control, by logical CPU.
pub trait Power {
    /// CPU_ON at the secondary entry, with that CPU's boot record as context id. The record must be
    /// prepared ([`CpuMemory::prepare`]) and everything the CPU needs written before the call. Boot
    /// CPU, or under the fanout policy any CPU that is up.
    ///
    /// # Errors
    /// What firmware answered.
    fn cpu_on(&self, cpu: CpuId) -> Result<(), PsciError>;

    /// AFFINITY_INFO at level 0. Any CPU.
    ///
    /// # Errors
    /// What firmware answered.
    fn affinity_info(&self, cpu: CpuId) -> Result<Affinity, PsciError>;
}

/// Waking other CPUs.
pub trait Ipi {
    /// Ends the [`Clock::wait`] of each CPU in the set. All stores before the call are visible to
    /// these CPUs after the wake-up. Any CPU whose interrupt controller is up; the set may contain
    /// CPUs that are off, which are skipped.
    fn wake(&self, cpus: &CpuMask);
}

/// Memory of a CPU that is not up. Boot CPU only.
pub trait CpuMemory {
    /// Stacks, per-CPU area. The CPU is off.
    ///
    /// # Errors
    /// No memory, no redistributor.
    fn prepare(&self, cpu: CpuId) -> Result<(), StepError>;

    /// Undoes [`CpuMemory::prepare`]. The CPU is confirmed off.
    fn release(&self, cpu: CpuId);

    /// Writes the boot record that the CPU reads with its MMU off, and cleans the record to the
    /// point of coherency. `start` tells this start from every other one of this kernel. The CPU is
    /// prepared.
    fn write_record(&self, cpu: CpuId, start: u32);
}

/// Hardware of the calling CPU. Only on that CPU.
pub trait Local {
    /// Is this CPU what was found out at boot: affinity, exception level, required features.
    ///
    /// # Errors
    /// The difference.
    fn check(&self) -> Result<(), StepError>;

    /// Wakes the redistributor and enables the CPU interface. Interrupts off.
    ///
    /// # Errors
    /// The redistributor does not wake.
    fn gic_up(&self) -> Result<(), StepError>;

    /// Disables the CPU interface and puts the redistributor to sleep. Interrupts off.
    ///
    /// # Errors
    /// The redistributor does not go to sleep.
    fn gic_down(&self) -> Result<(), StepError>;

    /// Enables this CPU's timer interrupt, with no deadline armed.
    fn timer_up(&self);

    /// Disarms the timer: no timer interrupt is raised any more.
    fn timer_down(&self);

    /// Enables the inter-processor interrupt.
    fn ipi_up(&self);

    /// Disables the inter-processor interrupt.
    fn ipi_down(&self);

    /// Takes interrupts again after a [`Clock::wait_unless`] that served nothing; otherwise
    /// nothing.
    fn resume(&self) {}

    /// With `false` only IPIs get through from now on, with `true` every interrupt again.
    fn interrupts(&self, all: bool);
}

/// Physical memory, by pieces. Boot CPU only.
pub trait Memory {
    /// The contents of a piece.
    fn bytes<'p>(&self, piece: &'p Piece) -> &'p [u8];

    /// The contents of a piece that is never written again.
    fn read_only(&self, piece: Piece) -> &'static [u8];

    /// Copies `bytes` to the start of a piece.
    ///
    /// # Panics
    /// The piece is smaller.
    fn write(&self, piece: &mut Piece, bytes: &[u8]);

    /// Zeros bytes of a piece, counted from its start.
    ///
    /// # Panics
    /// The piece is smaller.
    fn zero(&self, piece: &mut Piece, part: ops::Range<usize>);

    /// Cleans bytes of a piece, counted from its start, to the point of coherency, where a kernel
    /// that has just been entered reads.
    ///
    /// # Panics
    /// The piece is smaller.
    fn clean(&self, piece: &Piece, part: ops::Range<usize>);

    /// Makes memory read-only for every CPU, or writable again. False, with nothing changed, if the
    /// memory is mapped by an entry that also covers other memory.
    fn protect(&self, quiet: &Quiet, on: bool) -> bool;

    /// Writes into `work` what the jump needs to move the kernel and enter there: code, page
    /// tables, and orders. `copy` was made by [`kexec::plan`](crate::kexec::plan()), so that its
    /// ranges don't overlap; `work` is the piece for `copy.work`.
    ///
    /// # Errors
    /// What does not fit; nothing outside of `work` has changed.
    fn prepare_copy(
        &self,
        work: &mut Piece,
        copy: &Relocation,
        entry: u64,
        dtb: u64,
    ) -> Result<(), String>;
}

/// Where people and programs read and write.
pub trait ConsoleTerminal {
    /// Writes text; lines end in a line feed.
    fn put(&self, text: &str);

    /// The next thing that was typed. Boot CPU.
    fn get(&self) -> Option<Typed>;

    /// Begins to take what is typed, and goes on with that after [`ConsoleTerminal::hold`]. With
    /// `interrupts` the console's interrupt has an action, which calls
    /// [`ConsoleTerminal::take_input`]; without, the line is looked at by each call of
    /// [`ConsoleTerminal::get`] and [`ConsoleTerminal::interrupted`]. Boot CPU.
    fn listen(&self, interrupts: bool);

    /// Leaves what is typed in the UART from now on, and returns what was taken and not read; that
    /// also stays where it is. Boot CPU.
    fn hold(&self) -> Vec<Typed>;

    /// Lets this wait to be read: what the kernel before has taken and not read. Boot CPU, before
    /// the first [`ConsoleTerminal::listen`].
    fn restore(&self, typed: &[Typed]);

    /// Takes what the line has received and wakes the boot CPU, which reads that with
    /// [`ConsoleTerminal::get`]; false if there was nothing. The console's interrupt handler, any
    /// CPU.
    fn take_input(&self) -> bool;

    /// True if Ctrl-C was typed and not taken yet. A long command asks between its rounds, and ends
    /// if so. Boot CPU.
    fn interrupted(&self) -> bool;

    /// Takes the Ctrl-C; false if there is none. Boot CPU.
    fn take_interrupt(&self) -> bool;
}

/// What the machine is made of beyond what the device tree says.
pub trait Facts {
    /// Version of the GIC architecture, 2 or 3.
    fn gic_version(&self) -> u32;

    /// PSCI_VERSION as (major, minor).
    fn psci_version(&self) -> (u32, u32);

    /// The page sizes that the boot CPU can translate.
    fn granules(&self) -> Granules;

    /// What was found turned on at entry that should have been off.
    fn inherited(&self) -> &Inherited;

    /// Turns off the interrupts that only `cpu` can take, as far as another CPU can do that: with a
    /// GICv2, not at all. `cpu` is ON but not under this kernel: no interrupt may wake it. Boot
    /// CPU.
    fn silence(&self, cpu: CpuId);

    /// A random number of the hardware, if there is a source.
    fn random(&self) -> Option<u64>;

    /// What firmware has left in memory, to which the tree may point. Boot CPU.
    fn firmware(&self) -> &dyn Physical;

    /// Writes to memory that firmware has left, and cleans it: for the kernels that follow. False, with
    /// nothing written, if no page is mapped for that. Boot CPU, which has read in firmware's memory map
    /// that the bytes are memory, and borrows none of them.
    fn amend(&self, at: u64, bytes: &[u8]) -> bool;

    /// Memory that must be kept if a CPU sleeps in this kernel for good.
    fn park_range(&self) -> Range;

    /// Makes this CPU fault on purpose. `loaded` is where a loaded kernel lies.
    fn crash(&self, kind: CrashKind, loaded: u64);

    /// Makes another CPU, which is online, fault on purpose.
    fn crash_on(&self, cpu: CpuId, kind: CrashKind, loaded: u64);
}

/// Recording.
pub trait Recorder: Clock {
    /// Appends to the ring of `event.cpu`. The caller owns that CPU's ring: it runs on that CPU, or
    /// on the boot CPU while that CPU is off.
    fn record(&self, event: Event);

    /// The same for one or two events of one CPU that happen now, in this order: both get the time
    /// of one look at the counter. Every step of every CPU is recorded by this call, where one step
    /// ends and the next begins. With two plain calls of [`Recorder::record`] in its place, the
    /// parallel teardown of 79 CPUs takes 297,500 instructions instead of 228,000, and their
    /// bring-up 404,000 instead of 298,000 (QEMU 7.2, icount, `dts/dsu-2.dts`); it is no matter of
    /// the translator.
    fn record_now(&self, first: Untimed, second: Option<Untimed>) {
        self.record_at(self.now(), first, second);
    }

    /// The ring of a CPU, for a caller that records many events in a row and owns that ring as for
    /// [`Recorder::record`]. `None` if the machine wants to see each event by itself.
    fn ring(&self, _cpu: CpuId) -> Option<Ring<'_>> {
        None
    }

    /// The same for events that happened at tick `at`.
    fn record_at(&self, at: u64, first: Untimed, second: Option<Untimed>) {
        let both = [Some(first), second].into_iter().flatten();
        both.filter_map(|event| event.at(at)).for_each(|event| self.record(event));
    }
}

/// The whole seam.
pub trait Seam:
    Clock + Power + Ipi + CpuMemory + Local + IrqChip + ClusterPmu + Recorder + Sync
{
}

impl<T> Seam for T where
    T: Clock + Power + Ipi + CpuMemory + Local + IrqChip + ClusterPmu + Recorder + Sync
{
}

/// What the kernel on the boot CPU runs on: the machine, its memory and its console.
pub trait Board: Seam + Memory + ConsoleTerminal + Facts + Devices + BareMachine {}

impl<T: Seam + Memory + ConsoleTerminal + Facts + Devices + BareMachine> Board for T {}
