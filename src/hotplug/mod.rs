//! CPU hotplug: bringing CPUs up together, taking them down together.
//!
//! - [`state`]: one cell per CPU. Its word holds the CPU's [`Mark`]; on the way up every change is
//!   a compare-and-swap, so that "it came" and "it was given up" can't both be true.
//! - [`steps`]: the table of steps. Up runs it forwards, down exactly backwards.
//! - [`ap`]: what a secondary CPU does from its first Rust instruction to its last.
//! - [`bringup`], [`teardown`]: what the boot CPU does.
//! - [`fault`]: failures on purpose.
//!
//! The boot CPU runs one operation at a time. It tells CPUs what to do through their request word,
//! kicks them, and sleeps on one [`Latch`]; the last CPU to arrive kicks it back. So an operation
//! costs one wake-up per CPU and one of the boot CPU, whatever the number of CPUs.
//!
//! [`Latch`]: crate::sync::Latch
//! [`Mark`]: crate::trace::Mark

pub mod ap;
pub mod bringup;
mod error;
pub mod fault;
mod outcome;
mod runner;
mod serial;
pub mod state;
pub mod steps;
mod survivors;
pub mod teardown;

use alloc::boxed::Box;

pub use error::{StepError, StepFailure};
pub use outcome::{BringupOutcome, Failure, Spans, TeardownOutcome, Why};
use survivors::Frozen;
pub use survivors::{Survivors, Target};

use crate::config;
use crate::cpu::{CpuId, CpuMask, Topology};
use crate::machine::Machine;
use crate::sync::Latch;
use crate::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::trace::{Dir, Edge, Event, Mark, Phase, What};
use fault::Faults;
use state::CpuCell;

/// How long a sleep of the boot CPU lasts at most before it looks for itself.
const LOOK_AGAIN_MS: u64 = 10;

/// What all CPUs share about hotplug.
pub struct Hotplug {
    topology: Topology,
    generation: u32,
    cells: Box<[CpuCell]>,
    latch: Latch,
    /// Second latch for the CPUs that only stand still while another one is stopped.
    standstill: Latch,
    /// Next index into the list of CPUs to kick, under the fanout policy.
    next_kick: AtomicUsize,
    /// The CPU that the others stand still for.
    stopping: AtomicU32,
    survivors: Frozen,
    timeout_ms: AtomicU64,
    /// Failures on purpose.
    pub faults: Faults,
}

impl Hotplug {
    /// For the CPUs of `topology`; the boot CPU is ONLINE, all others OFFLINE.
    pub fn new(topology: Topology, generation: u32) -> Self {
        let cells: Box<[CpuCell]> = topology.cpus().map(|_| CpuCell::default()).collect();
        cells[topology.boot().index()].set_online();
        Self {
            topology,
            generation,
            cells,
            latch: Latch::default(),
            standstill: Latch::default(),
            next_kick: AtomicUsize::new(usize::MAX),
            stopping: AtomicU32::new(0),
            survivors: Frozen::default(),
            timeout_ms: AtomicU64::new(config::TIMEOUT_MS),
            faults: Faults::default(),
        }
    }

    /// Which CPUs there are.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Kexecs behind this kernel.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The mark that a CPU has reached.
    pub fn mark(&self, cpu: CpuId) -> Mark {
        self.cell(cpu).mark()
    }

    /// CPUs that are ONLINE.
    pub fn online(&self) -> CpuMask {
        self.topology.cpus().filter(|&cpu| self.mark(cpu) == Mark::Online).collect()
    }

    /// CPUs at a mark from which they can be brought up.
    pub fn offline(&self) -> CpuMask {
        let startable = |&cpu: &CpuId| self.cell(cpu).startable();
        self.topology.cpus().filter(startable).collect()
    }

    /// How long a phase may take before the missing CPUs are named, milliseconds.
    pub fn timeout_ms(&self) -> u64 {
        self.timeout_ms.load(Ordering::Relaxed)
    }

    /// Changes [`Self::timeout_ms`]. Boot CPU only.
    pub fn set_timeout_ms(&self, ms: u64) {
        self.timeout_ms.store(ms, Ordering::Relaxed);
    }

    pub(crate) fn cell(&self, cpu: CpuId) -> &CpuCell {
        &self.cells[cpu.index()]
    }

    /// All that are online now stay: what holds while CPUs come up.
    fn everybody_stays(&self) -> Survivors {
        Survivors::freeze(&self.online(), &CpuMask::new())
    }

    fn boot_mask(&self) -> CpuMask {
        CpuMask::from_iter([self.topology.boot()])
    }

    fn trace_mark(&self, m: &dyn Machine, cpu: CpuId, mark: Mark, dir: Dir) {
        self.trace(m, cpu, What::Mark(mark), dir, Edge::Point);
    }

    fn trace(&self, m: &dyn Machine, cpu: CpuId, what: What, dir: Dir, edge: Edge) {
        m.record(Event { at: m.now(), cpu, generation: self.generation, dir, edge, what });
    }

    /// Runs `body` as a phase of the boot CPU; returns its result and how many ticks it took.
    fn phase<R>(
        &self,
        m: &dyn Machine,
        phase: Phase,
        dir: Dir,
        body: impl FnOnce() -> R,
    ) -> (R, u64) {
        let boot = self.topology.boot();
        let event = |at, edge| Event {
            at,
            cpu: boot,
            generation: self.generation,
            dir,
            edge,
            what: What::Phase(phase),
        };
        let begin = m.now();
        m.record(event(begin, Edge::Begin));
        let result = body();
        let end = m.now();
        m.record(event(end, Edge::End));
        (result, end - begin)
    }

    /// Sleeps until `done` or the deadline; true if done.
    fn wait_until(&self, m: &dyn Machine, deadline: u64, mut done: impl FnMut() -> bool) -> bool {
        loop {
            if done() {
                return true;
            }
            let now = m.now();
            if now >= deadline {
                return false;
            }
            // A CPU whose GIC step failed can't kick us: look again now and then.
            m.wait(Some(deadline.min(now + m.ticks_from_ms(LOOK_AGAIN_MS))));
        }
    }
}
