//! `kexec exec`: the reboot order.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Kernel, Level, NAME, Next};
use crate::cpu::{CpuId, CpuMask};
use crate::handover::{CycleCount, Farewell, StressCount};
use crate::hotplug::TeardownOutcome;
use crate::kexec::script;
use crate::machine::Affinity;
use crate::memory::Range;
use crate::report::TeardownMode;
use crate::torture::stress::Stress;
use crate::trace::{Dir, Mark, Phase};

impl Kernel {
    /// Takes the machine down for the jump to the loaded kernel; if `verify`, that kernel is hashed
    /// again on the way. Returns what the machine has to do, or, if anything refuses before the
    /// point of no return, an error; every CPU is then back in its former state.
    ///
    /// # Errors
    /// What refused, and what holds now.
    pub fn exec(
        &mut self,
        mode: TeardownMode,
        cycle: CycleCount,
        verify: bool,
    ) -> Result<Next, String> {
        if self.loaded.is_some() {
            self.say_foreign("the next kernel finds it so"); // before anything is timed
        }
        let left = self.leave(mode, cycle, verify);
        if left.is_err() {
            self.resume_devices();
            self.stress.iter().for_each(Stress::resume);
        }
        left
    }

    fn leave(
        &mut self,
        mode: TeardownMode,
        cycle: CycleCount,
        verify: bool,
    ) -> Result<Next, String> {
        let exec_at = self.board.now();
        // Plan and check: everything that allocates, and everything that can refuse.
        let mut farewell = self.farewell(mode, cycle, exec_at)?;
        self.no_strays()?;
        // While every CPU that can take the stress's line interrupts is still online.
        self.stress.iter().for_each(Stress::rest_lines);
        self.stop_devices()?;
        let checked = self.board.now();
        self.hotplug.record_phase(self.board, Phase::Preflight, Dir::Down, exec_at, checked);
        let online = self.hotplug.up();
        // Take the CPUs down. Still reversible: the CPUs can be started again.
        let outcome = self.hotplug.tear_down(self.board, &online, mode);
        self.accept(&outcome, &online)?;
        self.say_noted(&outcome);
        self.note(&mut farewell, &outcome);
        self.say_lost();
        farewell.stress = self.stress_count();
        farewell.verify = verify.then(|| self.verify_again(&online)).transpose()?;
        let loaded = self.loaded.as_ref().ok_or(NOTHING_LOADED)?;
        let copier = loaded.plan.copy.map(|copy| copy.work.start);
        let next = Next::Jump { entry: loaded.plan.entry, dtb: loaded.plan.dtb.start, copier };
        self.area.prepare(&farewell);
        // ---- Point of no return: from here on nothing can fail, allocate or print. ----
        self.hotplug.timed(self.board, Phase::Quiesce, Dir::Down, || {
            self.hotplug.boot_cpu_silent(self.board);
            self.board.quiesce();
        });
        self.forget_own_seed();
        self.area.seal(self.board.now());
        Ok(next)
    }

    fn farewell(
        &self,
        mode: TeardownMode,
        cycle: CycleCount,
        exec_at: u64,
    ) -> Result<Farewell, String> {
        let loaded = self.loaded.as_ref().ok_or(NOTHING_LOADED)?;
        let script = script::join(self.script.iter().map(String::as_str))
            .map_err(|e| format!("{e}; the commands that wait can't go along"))?;
        Ok(Farewell {
            generation: self.hotplug.generation(),
            exec_at,
            bytes_copied: loaded.plan.bytes_copied(),
            verify: None,
            teardown: mode,
            cpus: 0,
            spans: Default::default(),
            teardown_total: 0,
            cycle,
            stress: StressCount::default(),
            parked: self.parked,
            script,
            from: NAME.into(),
            to: loaded.name.clone(),
        })
    }

    /// What the stress has sent is handled by the last CPU that is there; what is not is named.
    fn say_lost(&mut self) {
        let lost = self.stress.as_ref().map(Stress::drain).unwrap_or_default();
        lost.iter().for_each(|what| self.say(Level::Warning, what));
    }

    /// No CPU that is neither up nor OFF: one that was given up may still come, and would run in
    /// memory that is the next kernel's by then.
    fn no_strays(&self) -> Result<(), String> {
        let up = |cpu: &CpuId| matches!(self.hotplug.mark(*cpu), Mark::Online | Mark::TeardownCpu);
        let named = self.not_off(|cpu| !up(cpu));
        if named.is_empty() {
            return Ok(());
        }
        Err(format!("kexec refused: {named}; try `cpu online` for it, or `reset`"))
    }

    /// Names the CPUs among those of `which` that firmware does not report as OFF. Parked and
    /// foreign CPUs are known to stay on, and are left out.
    fn not_off(&self, which: impl Fn(&CpuId) -> bool) -> String {
        let topology = self.hotplug.topology();
        let on = |cpu: &CpuId| {
            *cpu != topology.boot()
                && self.hotplug.mark(*cpu) != Mark::Quarantined
                && !self.parked.contains(*cpu)
                && !self.is_foreign(*cpu)
                && self.board.affinity_info(*cpu) != Ok(Affinity::Off)
        };
        let name = |cpu| format!("cpu {cpu} at {} is not OFF", self.hotplug.mark(cpu));
        let named: Vec<String> = topology.cpus().filter(which).filter(on).map(name).collect();
        named.join("; ")
    }

    /// All OFF, or parked where the next kernel is told to keep away from.
    fn accept(&mut self, outcome: &TeardownOutcome, online: &CpuMask) -> Result<(), String> {
        let topology = self.hotplug.topology();
        let quarantined = |&cpu: &CpuId| self.hotplug.mark(cpu) == Mark::Quarantined;
        let parked: CpuMask = topology.cpus().filter(quarantined).collect();
        let clean = |&cpu: &CpuId| {
            matches!(self.hotplug.mark(cpu), Mark::Offline | Mark::Dead | Mark::Quarantined)
        };
        let left = self.not_off(|cpu| !clean(cpu));
        let refused = if !left.is_empty() && outcome.clean() {
            left
        } else if outcome.clean() {
            if parked.is_empty() {
                return Ok(());
            }
            let range = self.board.park_range();
            match self.not_copied_over(range).and_then(|()| self.reserve_quarantine(&[range])) {
                Ok(()) => {
                    parked.iter().for_each(|cpu| self.parked.insert(cpu));
                    let text = format!("CPUs {} are parked at {range}", parked.ranges());
                    self.say(Level::Warning, &text);
                    return Ok(());
                }
                Err(why) => why,
            }
        } else {
            let named: Vec<String> = outcome.stuck.iter().map(ToString::to_string).collect();
            named.join("; ")
        };
        Err(self.bring_back(online, &refused))
    }

    /// Starts the CPUs again that have left, and says why the kexec is refused.
    pub(super) fn bring_back(&mut self, online: &CpuMask, refused: &str) -> String {
        let back = self.hotplug.bring_up(self.board, online, self.options.bringup);
        let missing = online.and_not(&self.hotplug.online());
        self.took(back);
        let state = if missing.is_empty() {
            String::from("all CPUs are online again")
        } else {
            format!("CPUs {} are not back", missing.ranges())
        };
        format!("kexec refused: {refused}; {state}, the loaded kernel stays loaded")
    }

    /// A CPU that is parked needs this image, on which the next kernel may have been asked to be.
    fn not_copied_over(&self, range: Range) -> Result<(), String> {
        let copy = self.loaded.as_ref().and_then(|loaded| loaded.plan.copy);
        match copy.filter(|copy| copy.to.overlaps(&range)) {
            Some(copy) => Err(format!(
                "CPUs are parked at {range}, and the next kernel would be copied to {}; load it elsewhere",
                copy.to
            )),
            None => Ok(()),
        }
    }

    /// Warns of failures that do not stand in the way of the jump. Only this kernel can: the next
    /// one does not learn of them. Printing takes time.
    pub fn say_noted(&mut self, outcome: &TeardownOutcome) {
        for failure in &outcome.noted {
            self.say(Level::Warning, &failure.to_string());
        }
    }

    fn note(&self, farewell: &mut Farewell, outcome: &TeardownOutcome) {
        farewell.cpus = outcome.off.len() as u32;
        farewell.parked = self.parked;
        farewell.spans = outcome.spans;
        farewell.teardown_total = outcome.total;
    }
}

/// Why nothing can be done with the next kernel.
pub const NOTHING_LOADED: &str = "no kernel is loaded; `kexec load PATH` loads one";
