//! The records themselves.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{
    Brief, BringupAt, BringupPolicy, FloorMode, Grace, MarkAt, Name, PhaseSpan, Psci, Step,
    TeardownAt, TeardownMode, TortureKind, Verdict,
};
use crate::trace::{Mark, StepName};

/// One record; the variant is the `"record"` field.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// A kernel is up and its console listens.
    Hello(Hello),
    /// Several CPUs were brought up.
    Bringup(Bringup),
    /// Several CPUs were taken down.
    Teardown(Teardown),
    /// The jump that led to this kernel.
    Kexec(Kexec),
    /// One hotplug step of one CPU.
    Step(Step),
    /// A CPU reached a mark.
    Mark(MarkAt),
    /// A phase of the boot CPU.
    Phase(PhaseSpan),
    /// A command or an option failed.
    Error(CommandError),
    /// The kernel cannot go on.
    Panic(Panic),
    /// A cycle of several kexecs went one further.
    Cycle(Cycle),
    /// What the bare PSCI payload measured.
    Floor(Floor),
    /// What firmware costs without a kernel, measured in this boot.
    Psci(Psci),
    /// What came of a trial.
    Torture(Torture),
    /// Interrupts that the stress has sent, over a jump.
    Interrupts(Interrupts),
    /// The jump that led to this kernel, in one record (`report=brief`).
    Brief(Brief),
}

/// A kernel is up and its console listens.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Version of baton.
    pub version: String,
    /// Kexecs behind this kernel.
    pub generation: u32,
    /// CPUs described by the device tree.
    pub cpus: u32,
    /// CPUs online.
    pub online: u32,
    /// Exception level at entry, 1 or 2.
    pub el: u32,
    /// GIC architecture version, 2 or 3.
    pub gic: u32,
    /// Physical address that the image runs at.
    pub base: u64,
    /// Bytes of RAM that nothing uses.
    pub free_bytes: u64,
    /// Frequency of the generic counter, Hz.
    pub counter_hz: u64,
}

/// A CPU that did not come up or would not leave.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct CpuFailure {
    /// Logical number.
    pub cpu: u32,
    /// Hardware affinity.
    pub mpidr: u64,
    /// The last mark that the CPU reached.
    pub mark: Name<Mark>,
    /// Why, in words.
    pub why: String,
}

/// Several CPUs were brought up. All times count from the first act of the bring-up.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Bringup {
    /// Kexecs behind this kernel.
    pub generation: u32,
    /// What for: `boot` or `online` (a console command).
    pub at: Name<BringupAt>,
    /// CPUs that were asked to come.
    pub cpus: u32,
    /// CPUs of these that came.
    pub online: u32,
    /// CPUs that did not.
    pub failed: Vec<CpuFailure>,
    /// serial, parallel or fanout.
    pub policy: Name<BringupPolicy>,
    /// Until the last CPU_ON had returned.
    pub kick_ns: u64,
    /// Until the last CPU was ALIVE.
    pub alive_ns: u64,
    /// Until the last CPU was ONLINE.
    pub online_ns: u64,
}

/// The phases of a teardown. In serial mode each is the sum over the CPUs.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
pub struct Phases {
    /// Interrupts and the like moved to survivors, before the first CPU left.
    #[serde(default)]
    pub migrate_ns: u64,
    /// Online steps undone on the leaving CPUs.
    pub online_down_ns: u64,
    /// Waiting for readers: a grace period for each CPU in serial mode, one for all in parallel, if not asked otherwise.
    #[serde(default)]
    pub grace_ns: u64,
    /// Until every leaving CPU had stopped: interrupts off, nothing shared touched any more.
    pub stop_ns: u64,
    /// Dying steps and CPU_OFF, until AFFINITY_INFO said OFF for all.
    pub off_ns: u64,
    /// Work for dead CPUs.
    pub dead_ns: u64,
}

/// Several CPUs were taken down.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Teardown {
    /// Kexecs behind this kernel.
    pub generation: u32,
    /// What for: `kexec` or `offline` (a console command).
    pub at: Name<TeardownAt>,
    /// CPUs that were asked to leave.
    pub cpus: u32,
    /// serial or parallel.
    pub mode: Name<TeardownMode>,
    /// Its grace periods, each or once; absent if they are those of the mode: each serially, once in
    /// parallel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Name<Grace>>,
    /// Its grace periods ended at ticks of so many Hz, a model of Linux (`rcu.tick=`), so that
    /// `grace_ns` and `total_ns` are modelled; absent without the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modelled_tick_hz: Option<u32>,
    /// CPUs that did not leave.
    pub stuck: Vec<CpuFailure>,
    /// What failed where that changes nothing any more: dying steps, work for the dead, a grace
    /// period that took too long. Empty at kexec, where the old kernel prints that.
    #[serde(default)]
    pub noted: Vec<CpuFailure>,
    /// Steps that ran on one CPU at a time. Empty at kexec.
    #[serde(default)]
    pub exclusive: Vec<Name<StepName>>,
    /// Where the time went.
    pub phases: Phases,
    /// From the first act to the last CPU OFF and cleaned up after.
    pub total_ns: u64,
}

/// The jump that led to this kernel, printed by the new kernel.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Kexec {
    /// Kexecs behind this kernel.
    pub generation: u32,
    /// The kernel that jumped, for example `baton 0.1.0`.
    pub from: String,
    /// The kernel that was entered.
    pub to: String,
    /// How the CPUs were taken down: serial or parallel.
    pub teardown: Name<TeardownMode>,
    /// Bytes moved in the jump: 0 unless the kernel's place was in use.
    pub bytes_copied: u64,
    /// How long that took, MMU and caches on; part of `jump_to_entry_ns`.
    #[serde(default)]
    pub copy_ns: u64,
    /// `kexec exec` accepted until the last counter read before the jump.
    pub exec_to_jump_ns: u64,
    /// Of that, hashing again what was loaded; absent if not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_ns: Option<u64>,
    /// Last counter read of the old kernel until the first of the new one.
    pub jump_to_entry_ns: u64,
    /// First counter read of the new kernel until its last CPU was ONLINE.
    pub entry_to_online_ns: u64,
    /// `kexec exec` accepted until all CPUs online in the new kernel.
    pub blackout_ns: u64,
    /// Counter when `kexec exec` was accepted.
    pub exec_at_ns: u64,
}

/// A command or an option failed; nothing was changed.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct CommandError {
    /// What was wrong, and what to do.
    pub what: String,
    /// The command or the place.
    #[serde(rename = "where")]
    pub place: String,
}

/// The kernel cannot go on.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    /// What happened.
    pub what: String,
    /// Source line or address.
    #[serde(rename = "where")]
    pub place: String,
    /// Logical number of the CPU, if known.
    pub cpu: Option<u32>,
    /// The mark of that CPU; `-` before the first mark.
    pub mark: Name<Mark>,
}

/// A cycle of several kexecs went one further, printed by the new kernel.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// Kexecs done.
    pub done: u32,
    /// Kexecs asked for.
    pub asked: u32,
    /// serial or parallel.
    pub teardown: Name<TeardownMode>,
}

/// What the bare PSCI payload measured: firmware and simulator without a kernel.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Floor {
    /// CPUs that were turned on and off, the boot CPU not counted.
    pub cpus: u32,
    /// How the CPUs were turned on and off: serial, parallel or another of the payload's modes.
    pub mode: Name<FloorMode>,
    /// False the first time in this boot, true after.
    pub warm: bool,
    /// First CPU_ON until the last CPU reported alive.
    pub up_ns: u64,
    /// Word to leave given until AFFINITY_INFO said OFF for all.
    pub off_ns: u64,
}

/// What came of a trial.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Torture {
    /// hotplug, rcu, irq, pmu or all.
    pub kind: Name<TortureKind>,
    /// How long the trial was to take.
    pub seconds: u32,
    /// What its choices came from.
    pub seed: u64,
    /// Operations on sets of CPUs.
    pub rounds: u64,
    /// Interrupts sent.
    pub sent: u64,
    /// Interrupts handled.
    pub handled: u64,
    /// Read sides.
    pub reads: u64,
    /// How often the value was replaced.
    pub updates: u64,
    /// Callbacks that ran.
    pub callbacks: u64,
    /// Timers that fired.
    pub timers: u64,
    /// Work items that ran.
    pub work: u64,
    /// What went wrong.
    pub failures: Vec<String>,
    /// pass or fail.
    pub verdict: Name<Verdict>,
}

/// Interrupts that the stress has sent and their handlers have taken, printed by the new kernel.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Interrupts {
    /// Kexecs behind the kernel that prints this.
    pub generation: u32,
    /// Sent since the stress was first on, by all kernels until the jump.
    pub sent: u64,
    /// Handled of these.
    pub handled: u64,
}
