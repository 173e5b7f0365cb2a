//! The CPUs as the boot CPU sees them: which ones this kernel has, how they come and go by default,
//! and which ones an earlier kernel has left behind.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Reporter;
use crate::cpu::{CpuId, CpuMask};
use crate::handover::Area;
use crate::hotplug::{BringupOutcome, Hotplug, TeardownOutcome, Way, Why, fault};
use crate::machine::{Affinity, BareMachine, CrashKind, PsciError, Seam};
use crate::options::{FailSpec, Options};
use crate::report::{BringupPolicy, Grace, TeardownMode};
use crate::services::Services;
use crate::torture::Site;
use crate::trace::{Dir, Mark, Phase, Ring};

/// The CPUs of the machine.
pub struct Cpus {
    site: Site,
    /// Where the rings of all CPUs are.
    area: Area<'static>,
    policy: BringupPolicy,
    mode: TeardownMode,
    grace: Option<Grace>,
    last_bringup: BringupOutcome,
    /// CPUs that could not be turned off and were parked, by this kernel or an earlier one.
    parked: CpuMask,
    /// CPUs that an earlier kernel left ON.
    foreign: CpuMask,
}

impl Cpus {
    /// The CPUs of `site`, of which only the boot CPU runs. `options` says how CPUs come and go if
    /// a command does not; `parked` are the CPUs that earlier kernels have parked.
    pub(super) fn new(site: Site, area: Area<'static>, options: &Options, parked: CpuMask) -> Self {
        let Options { bringup: policy, teardown: mode, grace, tick_hz, .. } = *options;
        site.hotplug.set_tick_hz(tick_hz);
        let last_bringup = BringupOutcome::default();
        Self { site, area, policy, mode, grace, last_bringup, parked, foreign: CpuMask::new() }
    }

    /// The machine with its CPUs, for the parts of the kernel.
    pub(super) fn site(&self) -> Site {
        self.site
    }

    /// The CPUs' states and steps.
    pub fn hotplug(&self) -> &'static Hotplug {
        self.site.hotplug
    }

    /// What lives on the CPUs.
    pub fn services(&self) -> &'static Services {
        self.site.services
    }

    /// The machine, as far as CPUs and their services use it.
    pub fn seam(&self) -> &'static dyn Seam {
        self.site.board
    }

    /// The machine with its firmware, for measuring that.
    pub fn bare(&self) -> &'static dyn BareMachine {
        self.site.board
    }

    /// The CPU that runs the console.
    pub fn boot(&self) -> CpuId {
        self.site.hotplug.topology().boot()
    }

    /// True if Ctrl-C was typed: the command that runs ends at the next safe place.
    pub fn interrupted(&self) -> bool {
        self.site.board.interrupted()
    }

    /// The boot CPU sleeps until something happens, until tick `end` at the latest.
    pub fn rest(&self, end: u64) {
        self.services().idle(self.seam(), self.boot(), Some(end));
    }

    /// Brings CPUs up. [`Self::took`] keeps the outcome.
    pub fn bring_up(&self, cpus: &CpuMask, policy: BringupPolicy) -> BringupOutcome {
        self.hotplug().bring_up(self.seam(), cpus, policy)
    }

    /// Takes CPUs down.
    pub fn tear_down(&self, cpus: &CpuMask, way: Way) -> TeardownOutcome {
        self.hotplug().tear_down(self.seam(), cpus, way)
    }

    /// Makes the boot CPU fault on purpose; `loaded` is where a loaded kernel lies.
    pub fn crash(&self, kind: CrashKind, loaded: u64) {
        self.site.board.crash(kind, loaded);
    }

    /// Makes another CPU, which is online, fault on purpose.
    pub fn crash_on(&self, cpu: CpuId, kind: CrashKind, loaded: u64) {
        self.site.board.crash_on(cpu, kind, loaded);
    }

    /// How CPUs are brought up if a command does not say.
    pub fn policy(&self) -> BringupPolicy {
        self.policy
    }

    /// How CPUs are taken down if a command does not say.
    pub fn mode(&self) -> TeardownMode {
        self.mode
    }

    /// How CPUs are taken down, where a command asks for this or leaves it open.
    pub fn way(&self, mode: Option<TeardownMode>, grace: Option<Grace>) -> Way {
        let way = Way::from(mode.unwrap_or(self.mode));
        Way { grace: grace.or(self.grace).unwrap_or(way.grace), ..way }
    }

    /// A CPU's ring in the bank of a generation; `None` if there is no such CPU.
    pub fn ring(&self, generation: u32, cpu: CpuId) -> Option<Ring<'static>> {
        self.area.ring(generation, cpu)
    }

    /// What came of the last bring-up.
    pub fn last_bringup(&self) -> &BringupOutcome {
        &self.last_bringup
    }

    /// Keeps the outcome of a bring-up. A CPU that firmware has turned on for this kernel is not
    /// foreign.
    pub fn took(&mut self, outcome: BringupOutcome) {
        let turned_on = |why: &Why| !matches!(why, Why::CpuOn(_) | Why::NotReady);
        let failed = outcome.failed.iter().filter(|f| turned_on(&f.why)).map(|f| f.cpu);
        let ours: CpuMask = failed.chain(outcome.online.iter()).collect();
        self.foreign = self.foreign.and_not(&ours);
        self.last_bringup = outcome;
    }

    /// Lets steps fail as the command line asks.
    pub(super) fn inject_faults(&self, out: &mut Reporter, specs: &[FailSpec]) {
        let hotplug = self.site.hotplug;
        let refused = specs.iter().filter_map(|spec| fault::inject(hotplug, spec).err());
        refused.for_each(|why| out.hold(why));
    }

    /// The boot CPU's own interrupts and timer, through the same steps as on every CPU.
    pub(super) fn boot_cpu(&self, out: &mut Reporter) {
        if let Err(failure) = self.site.hotplug.boot_cpu_up(self.site.board) {
            out.hold(format!("boot CPU: {failure}"));
        }
    }

    /// Records the phases that were timed before there was a ring: the first one from `entry_at`
    /// on, each of the others from the end of the one before.
    pub(super) fn trace_boot(&self, entry_at: u64, stamps: &[(Phase, u64)]) {
        let Site { board, hotplug, .. } = self.site;
        let setup = [(Phase::Setup, board.now())];
        let mut begin = entry_at;
        for &(phase, end) in stamps.iter().chain(&setup) {
            hotplug.record_phase(board, phase, Dir::Up, begin, end);
            begin = end;
        }
    }

    /// Brings up the other CPUs, `most` in all with the boot CPU.
    pub(super) fn secondaries(&mut self, most: Option<usize>) {
        let topology = self.hotplug().topology();
        let most = most.unwrap_or(usize::MAX).max(1);
        let boot = topology.boot();
        let cpus: CpuMask = topology.cpus().filter(|&c| c != boot).take(most - 1).collect();
        self.last_bringup = self.bring_up(&cpus, self.policy);
    }

    /// Finds the CPUs that run something that is not ours, and silences these.
    pub(super) fn look_for_foreign(&mut self) {
        self.foreign = self.find_foreign();
        self.foreign.iter().for_each(|cpu| self.site.board.silence(cpu));
    }

    /// CPUs that this kernel has not turned on, that none of the kernels before it has parked, and
    /// that firmware says are not OFF.
    fn find_foreign(&self) -> CpuMask {
        let Site { board, hotplug, .. } = self.site;
        let failed = self.last_bringup.failed.iter();
        let refused = failed.filter(|f| was_on(&f.why)).map(|f| f.cpu);
        let on = |cpu: &CpuId| {
            let info = board.affinity_info(*cpu);
            hotplug.mark(*cpu) == Mark::Offline
                && matches!(info, Ok(Affinity::On | Affinity::OnPending))
        };
        let unasked = hotplug.topology().cpus().filter(on);
        refused.chain(unasked).collect::<CpuMask>().and_not(&self.parked)
    }

    /// Warns of every foreign CPU. The memory that such a CPU runs in is unknown, so no reservation
    /// can protect it.
    pub(super) fn say_foreign(&self, out: &mut Reporter, what_then: &str) {
        let topology = self.hotplug().topology();
        out.warn(self.foreign.iter().map(|cpu| {
            let mpidr = topology.mpidr(cpu).map_or(0, |mpidr| mpidr.value());
            format!(
                "cpu {cpu} (MPIDR {mpidr:#x}) was left ON by an earlier kernel, in memory that \
                 nobody has reserved; {what_then}"
            )
        }));
    }

    /// Warns of every CPU that was to come at boot and that firmware does not know.
    pub(super) fn say_absent(&self, out: &mut Reporter) {
        let Site { board, hotplug, .. } = self.site;
        let failed = self.last_bringup.failed.iter();
        let absent = failed.filter(|failure| hotplug.is_absent(board, failure.cpu));
        out.warn(absent.map(|failure| {
            let mpidr = hotplug.topology().mpidr(failure.cpu).map_or(0, |mpidr| mpidr.value());
            format!(
                "cpu {} (MPIDR {mpidr:#x}) is in the tree, and firmware does not know it: it counts \
                 as absent",
                failure.cpu
            )
        }));
    }

    /// CPUs that stay parked for good.
    pub(super) fn parked(&self) -> CpuMask {
        self.parked
    }

    /// These CPUs have been parked, and the next kernel keeps off their memory.
    pub(super) fn keep_parked(&mut self, parked: &CpuMask) {
        self.parked = self.parked.or(parked);
    }

    /// No CPU that is neither up nor OFF: one that was given up may still come, and would run in
    /// memory that is the next kernel's by then.
    ///
    /// # Errors
    /// The CPUs that are.
    pub(super) fn no_strays(&self) -> Result<(), String> {
        let named = self.not_off(|mark| !matches!(mark, Mark::Online | Mark::TeardownCpu));
        if named.is_empty() {
            return Ok(());
        }
        Err(format!("kexec refused: {named}; try `cpu online` for it, or `reset`"))
    }

    /// Names the CPUs among those at the marks of `which` that firmware does not report as OFF. Parked
    /// and foreign CPUs are known to stay on, and absent ones to be nowhere; these are left out.
    fn not_off(&self, which: impl Fn(Mark) -> bool) -> String {
        let Site { board, hotplug, .. } = self.site;
        let topology = hotplug.topology();
        let on = |cpu: &CpuId| {
            *cpu != topology.boot()
                && hotplug.mark(*cpu) != Mark::Quarantined
                && !self.parked.contains(*cpu)
                && !self.foreign.contains(*cpu)
                && board.affinity_info(*cpu) != Ok(Affinity::Off)
                && !hotplug.is_absent(board, *cpu)
        };
        let name = |cpu| format!("cpu {cpu} at {} is not OFF", hotplug.mark(cpu));
        let asked = hotplug.those_at(which);
        let named: Vec<String> = asked.iter().filter(on).map(name).collect();
        named.join("; ")
    }

    /// After a teardown of all CPUs but this one: the CPUs that are parked instead of OFF.
    ///
    /// # Errors
    /// What keeps the others from being OFF.
    pub(super) fn gone(&self, outcome: &TeardownOutcome) -> Result<CpuMask, String> {
        if !outcome.clean() {
            let named: Vec<String> = outcome.stuck.iter().map(ToString::to_string).collect();
            return Err(named.join("; "));
        }
        let clean = |mark| matches!(mark, Mark::Offline | Mark::Dead | Mark::Quarantined);
        let left = self.not_off(|mark| !clean(mark));
        if !left.is_empty() {
            return Err(left);
        }
        Ok(self.hotplug().those_at(|mark| mark == Mark::Quarantined))
    }

    /// Starts the CPUs again that have left, and says why the kexec is refused.
    pub(super) fn bring_back(&mut self, online: &CpuMask, refused: &str) -> String {
        let back = self.bring_up(online, self.policy);
        let missing = online.and_not(&self.hotplug().online());
        self.took(back);
        let state = if missing.is_empty() {
            String::from("all CPUs are online again")
        } else {
            format!("CPUs {} are not back", missing.ranges())
        };
        format!("kexec refused: {refused}; {state}, the loaded kernel stays loaded")
    }
}

/// True if CPU_ON found the CPU on already.
fn was_on(why: &Why) -> bool {
    matches!(why, Why::CpuOn(PsciError::AlreadyOn | PsciError::OnPending))
}
