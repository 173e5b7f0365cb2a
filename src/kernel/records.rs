//! What happened, as records.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Kernel, Level, NAME};
use crate::handover::{Farewell, StressCount};
use crate::hotplug::{BringupOutcome, Failure, TeardownOutcome};
use crate::report::{
    Bringup, BringupAt, BringupPolicy, CpuFailure, Hello, Interrupts, Kexec, Name, Phases, Record,
    Teardown, TeardownAt, TeardownMode,
};
use crate::torture::stress::Stress;
use crate::trace::Spans;

impl Kernel {
    /// Ticks as nanoseconds.
    pub fn ns(&self, ticks: u64) -> u64 {
        (u128::from(ticks) * 1_000_000_000 / u128::from(self.board.hz())) as u64
    }

    pub(super) fn hello(&self) {
        self.record(&Record::Hello(Hello {
            version: String::from(NAME),
            generation: self.hotplug.generation(),
            cpus: self.hotplug.topology().len() as u32,
            online: self.hotplug.online().len() as u32,
            el: self.boot.entry_level,
            gic: self.board.gic_version(),
            base: self.boot.base,
            free_bytes: self.boot.map.free_bytes(),
            counter_hz: self.board.hz(),
        }));
    }

    /// Prints the outcome of a bring-up, and its purpose.
    pub fn report_bringup(&self, at: BringupAt, policy: BringupPolicy, outcome: &BringupOutcome) {
        self.record(&Record::Bringup(Bringup {
            generation: self.hotplug.generation(),
            at: at.into(),
            cpus: (outcome.online.len() + outcome.failed.len()) as u32,
            online: outcome.online.len() as u32,
            failed: self.failures(&outcome.failed),
            policy: policy.into(),
            kick_ns: self.ns(outcome.kick),
            alive_ns: self.ns(outcome.alive),
            online_ns: self.ns(outcome.last_online),
        }));
    }

    /// Prints the outcome of a teardown, and its purpose.
    pub fn report_teardown(&self, at: TeardownAt, mode: TeardownMode, outcome: &TeardownOutcome) {
        self.record(&Record::Teardown(Teardown {
            generation: self.hotplug.generation(),
            at: at.into(),
            cpus: (outcome.off.len() + outcome.stuck.len()) as u32,
            mode: mode.into(),
            stuck: self.failures(&outcome.stuck),
            noted: self.failures(&outcome.noted),
            exclusive: self.hotplug.exclusive_steps().map(Name::from).collect(),
            phases: self.phases(&outcome.spans),
            total_ns: self.ns(outcome.total),
        }));
    }

    fn failures(&self, failures: &[Failure]) -> Vec<CpuFailure> {
        let named = |f: &Failure| CpuFailure {
            cpu: f.cpu.0.into(),
            mpidr: self.hotplug.topology().mpidr(f.cpu).map_or(0, |m| m.value()),
            mark: f.mark.into(),
            why: f.why.to_string(),
        };
        failures.iter().map(named).collect()
    }

    fn phases(&self, spans: &Spans) -> Phases {
        Phases {
            migrate_ns: self.ns(spans.migrate),
            online_down_ns: self.ns(spans.online_down),
            grace_ns: self.ns(spans.grace),
            stop_ns: self.ns(spans.stop),
            off_ns: self.ns(spans.off),
            dead_ns: self.ns(spans.dead),
        }
    }

    /// What the stress has done so far, in all kernels.
    pub fn stress_count(&self) -> StressCount {
        let now = self.stress.as_ref().map(Stress::tally).unwrap_or_default();
        let StressCount { sent, handled, .. } = self.stresses;
        StressCount {
            on: self.stress.is_some(),
            sent: sent + now.sent,
            handled: handled + now.handled,
        }
    }

    /// Takes the last kernel's count over, and switches the stress on again if the last kernel had
    /// one.
    pub(super) fn go_on_with_stress(&mut self, farewell: &Farewell) {
        let StressCount { on, sent, handled } = farewell.stress;
        self.stresses = farewell.stress;
        if sent > 0 {
            let generation = self.hotplug.generation();
            self.record(&Record::Interrupts(Interrupts { generation, sent, handled }));
        }
        if on {
            match Stress::on(self.site()) {
                Ok(stress) => self.stress = Some(stress),
                Err(why) => self.error("stress", &why),
            }
        }
    }

    /// Prints how the kernel before this one took its CPUs down, and how the jump went.
    pub(super) fn report_jump(&mut self, farewell: &Farewell, jump_at: u64) {
        self.record(&Record::Teardown(Teardown {
            generation: farewell.generation,
            at: TeardownAt::Kexec.into(),
            cpus: farewell.cpus,
            mode: farewell.teardown.into(),
            stuck: Vec::new(),
            noted: Vec::new(),
            exclusive: Vec::new(),
            phases: self.phases(&farewell.spans),
            total_ns: self.ns(farewell.teardown_total),
        }));
        let entry = self.boot.entry_at;
        let online = self.hotplug.last_online_at().max(entry);
        let since = |from: u64, to: u64| self.ns(to.saturating_sub(from));
        let copied = self.area.copied_at().filter(|at| (jump_at..=entry).contains(at));
        let copy_ns = copied.map_or(0, |at| since(jump_at, at));
        self.record(&Record::Kexec(Kexec {
            generation: self.hotplug.generation(),
            from: farewell.from.clone(),
            to: farewell.to.clone(),
            teardown: farewell.teardown.into(),
            bytes_copied: farewell.bytes_copied,
            copy_ns,
            exec_to_jump_ns: since(farewell.exec_at, jump_at),
            verify_ns: farewell.verify.map(|ticks| self.ns(ticks)),
            jump_to_entry_ns: since(jump_at, entry),
            entry_to_online_ns: since(entry, online),
            blackout_ns: since(farewell.exec_at, online),
            exec_at_ns: self.ns(farewell.exec_at),
        }));
        if copy_ns > 0 {
            let (bytes, us) = (farewell.bytes_copied, copy_ns / 1000);
            let speed = bytes * 1000 / copy_ns; // bytes a nanosecond, times 1000
            self.say(
                Level::Info,
                &format!("the jump copied {bytes} bytes in {us} us, {speed} MB/s"),
            );
        }
    }
}
