//! `kexec exec`: the reboot order.

use alloc::format;
use alloc::string::String;

use super::{Kernel, Level, NAME, NOTHING_LOADED, Next};
use crate::cpu::CpuMask;
use crate::handover::{Farewell, StressCount};
use crate::hotplug::{TeardownOutcome, Way};
use crate::machine::Typed;
use crate::torture::Site;
use crate::trace::{Dir, Phase};

impl Kernel {
    /// Takes the machine down for the jump to the loaded kernel; if `verify`, that kernel is hashed
    /// again on the way. Returns what the machine has to do, or, if anything refuses before the
    /// point of no return, an error; every CPU is then back in its former state.
    ///
    /// # Errors
    /// What refused, and what holds now.
    pub fn exec(&mut self, way: Way, verify: bool) -> Result<Next, String> {
        if self.loader.loaded().is_some() {
            // Before anything is timed.
            self.cpus.say_foreign(&mut self.out, "the next kernel finds it so");
            self.pass_results();
        }
        // Nothing is taken from the line any more, so nothing that was typed is lost: what was taken
        // goes along, and the rest stays in the UART.
        let typed = self.peripherals.hold_console();
        let left = self.leave(way, verify, &typed);
        if left.is_err() {
            self.peripherals.resume(&mut self.out);
            self.session.resume_stress();
        }
        left
    }

    fn leave(&mut self, way: Way, verify: bool, typed: &[Typed]) -> Result<Next, String> {
        let Site { board, hotplug, .. } = self.cpus.site();
        let exec_at = board.now();
        // Plan and check: everything that allocates, and everything that can refuse.
        let mut farewell = self.farewell(way, exec_at, typed)?;
        self.cpus.no_strays()?;
        // While every CPU that can take the stress's line interrupts is still online.
        self.session.rest_stress_lines();
        self.peripherals.stop(&mut self.out)?;
        let checked = board.now();
        hotplug.record_phase(board, Phase::Preflight, Dir::Down, exec_at, checked);
        let online = hotplug.up();
        // Take the CPUs down. Still reversible: the CPUs can be started again.
        let outcome = hotplug.tear_down(board, &online, way);
        self.accept(&outcome, &online)?;
        self.out.noted(&outcome);
        self.note(&mut farewell, &outcome);
        // What the stress has sent is handled by the last CPU that is there; what is not is named.
        self.out.warn(self.session.drain_stress());
        farewell.stress = self.session.stress_count();
        farewell.verify = verify.then(|| self.verify_again(&online)).transpose()?;
        let next = self.loader.jump()?;
        self.area.prepare(&farewell);
        // ---- Point of no return: from here on nothing can fail, allocate or print. ----
        hotplug.timed(board, Phase::Quiesce, Dir::Down, || {
            hotplug.boot_cpu_silent(board);
            board.quiesce();
        });
        self.loader.forget_own_seed();
        self.area.seal(board.now());
        Ok(next)
    }

    fn farewell(&self, way: Way, exec_at: u64, typed: &[Typed]) -> Result<Farewell, String> {
        let loaded = self.loader.loaded().ok_or(NOTHING_LOADED)?;
        Ok(Farewell {
            generation: self.cpus.hotplug().generation(),
            exec_at,
            bytes_copied: loaded.plan.bytes_copied(),
            verify: None,
            teardown: way.mode,
            grace: way.grace,
            tick_hz: self.cpus.hotplug().tick_hz(),
            cpus: 0,
            spans: Default::default(),
            teardown_total: 0,
            cycle: self.session.cycle(),
            stress: StressCount::default(),
            parked: self.cpus.parked(),
            quiesced: true,
            script: self.session.script(typed)?,
            from: NAME.into(),
            to: loaded.name.clone(),
        })
    }

    /// All OFF, or parked where the next kernel is told to keep away from.
    ///
    /// # Errors
    /// Why not; the CPUs of `online` are back.
    fn accept(&mut self, outcome: &TeardownOutcome, online: &CpuMask) -> Result<(), String> {
        let accepted = self.cpus.gone(outcome).and_then(|parked| self.leave_parked(&parked));
        accepted.map_err(|refused| self.cpus.bring_back(online, &refused))
    }

    /// Leaves CPUs parked in this image: the next kernel is kept off.
    fn leave_parked(&mut self, parked: &CpuMask) -> Result<(), String> {
        if parked.is_empty() {
            return Ok(());
        }
        let range = self.cpus.site().board.park_range();
        let changes = self.loader.keep_off(range)?;
        if let Err(why) = self.loader.reserve_for_good(range) {
            let then = "a kernel behind the next one may use the memory of parked CPUs";
            self.out.say(Level::Warning, &format!("{then}: {why}"));
        }
        self.cpus.keep_parked(parked);
        let text = format!("CPUs {} are parked at {range}", parked.ranges());
        let text = changes.into_iter().fold(text, |text, more| format!("{text}; {more}"));
        self.out.say(Level::Warning, &text);
        Ok(())
    }

    fn note(&self, farewell: &mut Farewell, outcome: &TeardownOutcome) {
        farewell.cpus = outcome.off.len() as u32;
        farewell.parked = self.cpus.parked();
        farewell.spans = outcome.spans;
        farewell.teardown_total = outcome.total;
    }

    /// Hashes the loaded kernel again and returns the ticks that took. This runs as late as a
    /// refusal is possible: the other CPUs, which might have written to the segments, are off, and
    /// can still be brought back.
    ///
    /// # Errors
    /// What is not what was loaded; the CPUs of `online` are back.
    fn verify_again(&mut self, online: &CpuMask) -> Result<u64, String> {
        let Site { board, hotplug, .. } = self.cpus.site();
        let begin = board.now();
        let result = self.loader.recheck();
        let end = board.now();
        hotplug.record_phase(board, Phase::Verify, Dir::Down, begin, end);
        result.map(|()| end - begin).map_err(|why| self.cpus.bring_back(online, &why))
    }
}
