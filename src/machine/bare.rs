//! CPUs without a kernel.

use super::{Clock, Power, PsciError};
use crate::cpu::CpuId;

/// What a CPU without a kernel has said so far. Times are ticks.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct BareSeen {
    /// Its first instruction.
    pub first_at: Option<u64>,
    /// Its call of CPU_OFF.
    pub leaving_at: Option<u64>,
    /// CPU_OFF came back with this: the CPU is parked for good, and touches no memory but the code in
    /// which it sleeps.
    pub denied: Option<PsciError>,
}

/// A call of firmware, and the counter right before and right after the call, ticks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timed<T> {
    /// Before.
    pub begin: u64,
    /// After.
    pub end: u64,
    /// What firmware answered.
    pub answer: T,
}

impl<T> Timed<T> {
    /// How long the call took, ticks.
    pub fn ticks(&self) -> u64 {
        self.end.saturating_sub(self.begin)
    }
}

/// CPUs that come without a kernel, to measure what firmware costs: with the MMU off and without a
/// stack a CPU stores its counter, waits until it may go, and calls CPU_OFF. Boot CPU only; every CPU
/// that is named is OFF for the kernel.
pub trait Bare {
    /// Says which CPUs are going to come this way. Memory for so many is taken, and never given back:
    /// a CPU that is late writes there.
    fn bare_open(&self, cpus: usize);

    /// With false every CPU that comes waits, with true every CPU that waits or comes goes at once.
    /// All that the caller has written before is visible to these CPUs.
    fn bare_go(&self, go: bool);

    /// Forgets what the CPU has said. Firmware says that it is OFF.
    fn bare_forget(&self, cpu: CpuId);

    /// CPU_ON. [`Bare::bare_forget`] comes before.
    fn bare_on(&self, cpu: CpuId) -> Timed<Result<(), PsciError>>;

    /// What the CPU has said since [`Bare::bare_forget`].
    fn bare_seen(&self, cpu: CpuId) -> BareSeen;

    /// Sleeps until a CPU says something, 1 ms at most; may return early.
    fn bare_wait(&self);

    /// PSCI_VERSION: the price of a call that does nothing.
    fn bare_call(&self) -> Timed<()>;

    /// True if affinity level 0 counts threads of a core (MPIDR_EL1.MT), so that cores are level 1
    /// and clusters level 2.
    fn has_threads(&self) -> bool;
}

/// The machine, as far as its firmware can be measured.
pub trait BareMachine: Clock + Power + Bare {}

impl<T: Clock + Power + Bare> BareMachine for T {}
