//! Where the time of a teardown went.

/// Ticks of each phase of a teardown; in serial mode the sum over the CPUs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spans {
    /// Interrupts and the like moved to survivors, before the first CPU leaves.
    pub migrate: u64,
    /// Online steps undone on the leaving CPUs.
    pub online_down: u64,
    /// Waiting for readers.
    pub grace: u64,
    /// Until every leaving CPU had stopped: interrupts off, nothing shared touched any more.
    pub stop: u64,
    /// Dying steps and CPU_OFF, until AFFINITY_INFO said OFF for all.
    pub off: u64,
    /// Work for dead CPUs.
    pub dead: u64,
}
