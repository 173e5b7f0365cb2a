//! CPU hotplug: bringing CPUs up together, taking them down together.
//!
//! - [`state`]: one cell per CPU. The mark word holds the CPU's [`Mark`]; on the way up every
//!   change is a compare-and-swap, so that a CPU is ONLINE or given up, never both.
//! - [`steps`]: the table of steps. Up runs it forwards, down exactly backwards.
//! - [`ap`]: what a secondary CPU does from its first Rust instruction to its last.
//! - [`bringup`], [`teardown`]: what the boot CPU does; `parallel` and `serial` are the two ways
//!   down.
//! - [`fault`]: failures on purpose.
//!
//! The boot CPU runs one operation at a time. For each CPU the boot CPU writes a request word and
//! sends an IPI, then sleeps on one [`Latch`]; the last CPU to arrive sends the IPI that ends that
//! sleep. So an operation costs one wake-up per CPU and one of the boot CPU, whatever the number of
//! CPUs.
//!
//! # Hand-overs
//!
//! Five things carry every hand-over. Below, `mark`, `request` and `acked` are words of the CPU's
//! cell ([`state::CpuCell`]); `latch` is [`Latch`], `stop` is [`StopMachine`]. An arrow between two
//! marks is a compare-and-swap, `:=` a store or a swap. The boot CPU always waits with a deadline;
//! an AP waits in its work loop for a request, inside a stop_machine for the other CPUs (until the
//! boot CPU calls that off), and for its turn in an exclusive step (`exclusive`).
//!
//! Bring-up. Parallel and fanout do this once for all arriving CPUs, serial once for each:
//!
//! ```text
//! boot CPU                       words                         arriving CPU
//!
//! prepare steps up
//! open the latch                 latch := n to come
//! for each CPU:
//!   write request and mark       request := Come(ticket)
//!                                mark := KICKED
//!   write the boot record
//!   CPU_ON  - - - firmware - - - - - - - - - - - - - - - - ->  entry, MMU on, boot record read
//! sleep until the latch is       KICKED -> ALIVE
//! complete, or the deadline                                    fanout: issues CPU_ON for others
//!                                ALIVE -> AP_OFFLINE
//!                                                              starting steps up
//!                                AP_OFFLINE -> AP_ONLINE
//!                                                              online steps up
//!                                request: Come -> Stay
//!                                AP_ONLINE -> ONLINE
//!                                latch: one less               the last one: IPI to the boot CPU
//! give up each CPU that is       KICKED to AP_ONLINE           its next exchange fails: it undoes
//! still on the way up              -> SHOULD_DIE               its steps and calls CPU_OFF
//! shared steps up
//! ```
//!
//! - CPU_ON refused: the CPU that issued it moves the mark to OFFLINE (SHOULD_DIE if firmware says
//!   that the CPU is on), and arrives at the latch on behalf of the CPU that will not come.
//! - A step fails: the arriving CPU undoes its steps, moves its mark to AP_IDLE_DEAD, arrives at
//!   the latch and calls CPU_OFF. The boot CPU asks AFFINITY_INFO until firmware says OFF, then
//!   undoes the prepare steps.
//! - A CPU that was given up may still be on its way through entry. The next bring-up begins by
//!   asking AFFINITY_INFO, and starts that CPU again only if firmware says OFF.
//!
//! Parallel teardown, all leaving CPUs at once:
//!
//! ```text
//! boot CPU                       words                         leaving CPUs
//!
//! wait until no CPU owes an      request == Stay
//! answer to a teardown
//! freeze the survivors, ask the
//! checks, shared steps down
//! open the stop_machine          stop := PREPARE, n to come
//! ask all of them, IPI           request := Stop(ticket)  - >  wake
//!                                                              online steps down
//! sleep until RUN; at the        mark := TEARDOWN_CPU
//! deadline call it off           acked, then stop: one less    sleep until the state changes
//!                                stop: PREPARE -> RUN          the last one: IPI to the sleepers
//!                                                              starting steps down
//! ask AFFINITY_INFO of each      mark := AP_IDLE_DEAD
//!                                stop: one less, no IPI        (the GIC of this CPU is down)
//!   until OFF  < - firmware - - - - - - - - - - - - - - - - -  CPU_OFF
//!                                mark := DEAD
//! end the stop_machine           stop: RUN -> EXIT
//! one expedited grace period
//! prepare steps down             mark := OFFLINE
//! ```
//!
//! - If no online step can refuse, none is exclusive and no fault waits, the stop_machine opens in
//!   RUN. Every CPU leaves at once, and no CPU waits for another one.
//! - A step refuses, or a CPU does not answer: stop goes to CALLED_OFF. Every CPU that answered
//!   gets Return(ticket), redoes its online steps, and arrives at a latch that the boot CPU waits
//!   for.
//! - CPU_OFF returns: that CPU stores QUARANTINED as its last access to memory, and parks. The boot
//!   CPU counts that CPU as gone; only the code in which it sleeps has to be kept.
//!
//! Serial teardown, one CPU after another, as in Linux. For each CPU:
//!
//! ```text
//! boot CPU                       leaving CPU                   all other online CPUs
//!
//! freeze, shared steps down
//! request := Leave(ticket)  - >  online steps down
//! sleep until the latch is       mark := TEARDOWN_CPU
//! complete  < - - - - - - - - -  latch: one less, IPI
//! one normal grace period
//! open the stop_machine          stop := PREPARE, n to come
//! request := Stop to one,        acknowledges PREPARE          acknowledge PREPARE
//!   StandStill to the others     the last one: stop -> DISABLE_IRQ, IPI to the sleepers
//!                                acknowledges DISABLE_IRQ      interrupts off, acknowledge
//!                                the last one: stop -> RUN, IPI to the sleepers
//! look now and then until the    starting steps down           acknowledge RUN, wait for EXIT
//! state is EXIT                  mark := AP_IDLE_DEAD
//!                                acknowledges RUN, no IPI
//! EXIT, IPI to the sleepers  - - - - - - - - - - - - - - - ->  interrupts on
//! until OFF  < - - firmware - -  CPU_OFF
//! mark := DEAD
//! prepare steps down
//! mark := OFFLINE
//! ```
//!
//! [`Latch`]: crate::sync::Latch
//! [`Mark`]: crate::trace::Mark

mod absent;
pub mod ap;
pub mod bringup;
mod claims;
mod error;
mod exclusive;
pub mod fault;
mod frozen;
mod naming;
mod observers;
mod outcome;
mod parallel;
mod pen;
mod rendezvous;
mod runner;
mod serial;
pub mod state;
pub mod steps;
pub mod teardown;
mod way;

use alloc::boxed::Box;
use alloc::sync::Arc;

pub use error::StepFailure;
pub use observers::{Observer, ObserverId};
pub use outcome::{BringupOutcome, Failure, TeardownOutcome, Why};
pub use way::{Way, modelled_end};

use crate::config;
use crate::cpu::{CpuId, CpuMask, Survivors, Topology};
use crate::machine::{Pauses, Seam};
use crate::services::Services;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Latch, StopMachine};
use crate::trace::{Dir, Edge, Event, Mark, Phase, Untimed, What};
use claims::FanoutClaims;
use exclusive::Exclusive;
use fault::Faults;
use frozen::{Frozen, MaskWords};
use observers::Observers;
use runner::Runner;
use state::CpuCell;
use steps::{Section, Staying};

/// Longest sleep of the boot CPU before it looks at the words again, IPI or not. For changes that
/// are made by a CPU whose GIC is down, and for IPIs that a lost CPU should have sent.
const LOOK_AGAIN_MS: u64 = 10;

/// What all CPUs share about hotplug.
pub struct Hotplug {
    topology: Topology,
    generation: u32,
    /// By CPU.
    cells: Box<[CpuCell]>,
    /// Arrivals of the operation under way. Bring-up: the CPU is ONLINE, or will not come. Serial
    /// teardown: the CPU has undone its online steps, or a step has refused. A teardown that was
    /// called off: the CPU has redone its online steps.
    latch: Latch,
    /// The stop_machine in which CPUs leave.
    stop: StopMachine,
    /// When the last CPU had assembled for the stop_machine, ticks.
    assembled_at: AtomicU64,
    /// Which CPU issues which CPU_ON, under the fanout policy.
    claims: FanoutClaims,
    /// The CPUs that stay, and those that leave, in the operation under way.
    survivors: Frozen,
    /// The CPUs that were asked for something and have not been seen to be done; each that owes an
    /// answer is among them. Only the boot CPU reads and writes this.
    asked: MaskWords,
    /// Deadline of a phase, milliseconds. Only the boot CPU reads and writes this.
    timeout_ms: AtomicU64,
    /// `rcu.tick=`: at how many ticks a second the grace periods of a teardown end, as in Linux; 0:
    /// when they are over. Only the boot CPU reads and writes this.
    tick_hz: AtomicU64,
    /// Steps that run on one CPU at a time.
    exclusive: Exclusive,
    /// The observers of marks, and the view of the CPUs that are online.
    observers: Observers,
    /// Failures on purpose.
    pub faults: Faults,
    /// What the steps act on.
    services: Arc<Services>,
}

impl Hotplug {
    /// For the CPUs of `topology`; the boot CPU is ONLINE, all others OFFLINE. The steps act on
    /// `services`.
    pub fn new(topology: Topology, services: Arc<Services>, generation: u32) -> Self {
        let cells: Box<[CpuCell]> = topology.cpus().map(|_| CpuCell::default()).collect();
        cells[topology.boot().index()].set_online();
        let observers = Observers::new(topology.boot());
        Self {
            topology,
            generation,
            cells,
            latch: Latch::default(),
            stop: StopMachine::default(),
            assembled_at: AtomicU64::new(0),
            claims: FanoutClaims::default(),
            survivors: Frozen::default(),
            asked: MaskWords::default(),
            timeout_ms: AtomicU64::new(config::TIMEOUT_MS),
            tick_hz: AtomicU64::new(0),
            exclusive: Exclusive::default(),
            observers,
            faults: Faults::default(),
            services,
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

    /// Why the last step that failed on a CPU did.
    pub fn failure(&self, cpu: CpuId) -> Option<StepFailure> {
        self.cell(cpu).failure()
    }

    /// What the CPU was last asked to do, for a report of a machine that hangs.
    pub fn request(&self, cpu: CpuId) -> state::CpuRequest {
        self.cell(cpu).request()
    }

    /// CPUs that are ONLINE.
    pub fn online(&self) -> CpuMask {
        self.those_at(|mark| mark == Mark::Online)
    }

    /// CPUs at marks for which `wanted` says true.
    pub fn those_at(&self, wanted: impl Fn(Mark) -> bool) -> CpuMask {
        let mut cpus = CpuMask::EMPTY;
        for (i, cell) in self.cells.iter().enumerate() {
            if wanted(cell.mark()) {
                cpus.insert(CpuId(i as u16));
            }
        }
        cpus
    }

    /// CPUs at a mark from which they can be brought up.
    pub fn offline(&self) -> CpuMask {
        let startable = |&cpu: &CpuId| self.cell(cpu).startable();
        self.topology.cpus().filter(startable).collect()
    }

    /// When the last CPU came ONLINE, ticks.
    pub fn last_online_at(&self) -> u64 {
        self.cells.iter().map(|cell| cell.times()[2]).max().unwrap_or(0)
    }

    /// Runs the boot CPU's own starting and online steps, on that CPU, before any other is up.
    ///
    /// # Errors
    /// The step that failed; the steps before that one are undone.
    pub fn boot_cpu_up(&self, m: &dyn Seam) -> Result<(), StepFailure> {
        let (boot, survivors) = (self.topology.boot(), self.everybody_stays());
        let pen = self.own_pen(m);
        let runner = Runner::one(self, &pen, boot, Staying::Known(&survivors));
        runner.up(Section::Starting)?;
        runner.up(Section::Online)?;
        self.cell(boot).online_since(m.now());
        Ok(())
    }

    /// Stops the counters of the boot CPU's cluster, whose overflow could interrupt the next
    /// kernel. On the boot CPU, when no other CPU is on and none will be. Can't fail, and allocates
    /// nothing.
    pub fn boot_cpu_silent(&self, m: &dyn Seam) {
        let boot = self.topology.boot();
        // No CPU stays: the boot CPU's cluster becomes vacant, and its counters are stopped.
        let nobody = Survivors::freeze(&CpuMask::new(), &CpuMask::first(self.cells.len()));
        let _ = self.services.pmu.cpu_leaving(m, boot, &nobody);
    }

    /// How long a phase may take before the missing CPUs are named, milliseconds.
    pub fn timeout_ms(&self) -> u64 {
        self.timeout_ms.load(Ordering::Relaxed)
    }

    /// Changes [`Self::timeout_ms`]. Boot CPU only.
    pub fn set_timeout_ms(&self, ms: u64) {
        self.timeout_ms.store(ms, Ordering::Relaxed);
    }

    /// The modelled ticks of a second at which grace periods of a teardown end; `None` without the
    /// model.
    pub fn tick_hz(&self) -> Option<u32> {
        match self.tick_hz.load(Ordering::Relaxed) {
            0 => None,
            hz => Some(hz as u32),
        }
    }

    /// Changes [`Self::tick_hz`]. Boot CPU only.
    pub fn set_tick_hz(&self, hz: Option<u32>) {
        self.tick_hz.store(hz.unwrap_or(0).into(), Ordering::Relaxed);
    }

    /// A grace period that began at `begin` is over. With the model of ticks: sleeps until Linux would
    /// have seen that.
    fn await_tick(&self, m: &dyn Seam, begin: u64) {
        let Some(hz) = self.tick_hz() else { return };
        let end = modelled_end(begin, m.hz(), hz, self.cells.len());
        while m.now() < end {
            self.services.idle(m, self.topology.boot(), Some(end));
        }
    }

    /// When the last CPU had assembled for the stop_machine that runs.
    fn assembled_at(&self) -> u64 {
        self.assembled_at.load(Ordering::Relaxed)
    }

    /// The last CPU has assembled. Relaxed: for a report.
    fn note_assembled(&self, now: u64) {
        self.assembled_at.store(now, Ordering::Relaxed);
    }

    pub(crate) fn cell(&self, cpu: CpuId) -> &CpuCell {
        &self.cells[cpu.index()]
    }

    /// Survivors for a time when no teardown runs: all CPUs that are online now stay, while others
    /// come up or no operation is under way. Only a CPU that has not answered an earlier teardown
    /// may still leave. Boot CPU.
    pub fn everybody_stays(&self) -> Survivors {
        self.those_stay(&self.online())
    }

    /// The same, for a caller that knows which CPUs are online.
    fn those_stay(&self, online: &CpuMask) -> Survivors {
        Survivors::freeze(online, &self.may_leave_yet())
    }

    fn boot_mask(&self) -> CpuMask {
        CpuMask::from_iter([self.topology.boot()])
    }

    fn trace_mark(&self, m: &dyn Seam, cpu: CpuId, mark: Mark, dir: Dir) {
        let (generation, what) = (self.generation, What::Mark(mark));
        m.record_now(Untimed::new(cpu, generation, dir, Edge::Point, what), None);
    }

    /// Records a phase of the boot CPU that is over.
    pub fn record_phase(&self, m: &dyn Seam, phase: Phase, dir: Dir, begin: u64, end: u64) {
        let (cpu, generation) = (self.topology.boot(), self.generation);
        for (at, edge) in [(begin, Edge::Begin), (end, Edge::End)] {
            m.record(Event { at, cpu, generation, dir, edge, what: What::Phase(phase) });
        }
    }

    /// Runs `body` as a phase of the boot CPU, traced.
    pub fn timed(&self, m: &dyn Seam, phase: Phase, dir: Dir, body: impl FnOnce()) {
        self.phase(m, phase, dir, body);
    }

    /// Runs `body` as a phase of the boot CPU; returns its result and how many ticks it took.
    fn phase<R>(&self, m: &dyn Seam, phase: Phase, dir: Dir, body: impl FnOnce() -> R) -> (R, u64) {
        let begin = m.now();
        let result = body();
        let end = m.now();
        self.record_phase(m, phase, dir, begin, end);
        (result, end - begin)
    }

    /// Sets DEAD for a CPU that firmware says is OFF. Its prepare steps are still to be undone.
    fn dead(&self, m: &dyn Seam, cpu: CpuId) {
        self.cell(cpu).remote().set_off(Mark::Dead);
        self.trace_mark(m, cpu, Mark::Dead, Dir::Down);
        self.tell(self.topology.boot(), cpu, Mark::Dead);
    }

    /// Looks for `done` in pauses that double, for a change after which no CPU sends an IPI; true
    /// if done.
    fn poll(&self, m: &dyn Seam, deadline: u64, done: impl FnMut() -> bool) -> bool {
        self.look_until(m, deadline, Pauses::POLLING, done)
    }

    /// Sleeps until `done` or the deadline; true if done. A CPU whose GIC is down can't send the
    /// IPI, so the boot CPU looks again every [`LOOK_AGAIN_MS`].
    fn wait_until(&self, m: &dyn Seam, deadline: u64, done: impl FnMut() -> bool) -> bool {
        let pauses = Pauses { first_us: LOOK_AGAIN_MS * 1000, longest_us: LOOK_AGAIN_MS * 1000 };
        self.look_until(m, deadline, pauses, done)
    }

    /// A CPU that was OFF came without a kernel, and firmware denied its CPU_OFF: it is parked for good
    /// ([`Bare`](crate::machine::Bare)). Boot CPU.
    pub fn parked_bare(&self, m: &dyn Seam, cpu: CpuId) {
        self.cell(cpu).remote().set_off(Mark::Quarantined);
        self.trace_mark(m, cpu, Mark::Quarantined, Dir::Down);
    }

    /// Sleeps between looks for `done`; true if done before the deadline. Boot CPU.
    fn look_until(
        &self,
        m: &dyn Seam,
        deadline: u64,
        pauses: Pauses,
        done: impl FnMut() -> bool,
    ) -> bool {
        let sleep = |until| self.services.idle(m, self.topology.boot(), Some(until));
        pauses.look_until(m, deadline, sleep, done)
    }
}
