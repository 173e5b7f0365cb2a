//! What the kernel says: messages for people, records for programs. The reporter knows the console
//! and the counter; what a message or a record is about comes with each call.

mod jump;
mod log;
#[cfg(all(test, not(loom)))]
mod paper;
#[cfg(all(test, not(loom)))]
mod tests;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;
use core::mem;

pub(super) use jump::Passage;
pub use log::Level;
use log::Log;

use crate::handover::{Farewell, StressCount};
use crate::hotplug::{BringupOutcome, Failure, Hotplug, TeardownOutcome, Way};
use crate::machine::{Clock, ConsoleTerminal};
use crate::report::{
    self, Bringup, BringupAt, BringupPolicy, CpuFailure, Cycle, Grace, Interrupts, Name, Phases,
    Record, Teardown, TeardownAt,
};
use crate::trace::Spans;

/// Writes messages and records to the console, and keeps the messages.
pub struct Reporter {
    terminal: &'static dyn ConsoleTerminal,
    clock: &'static dyn Clock,
    log: Log,
    /// Warnings from the part of the boot that is timed, where nothing may be printed.
    held: Vec<String>,
    /// Of a jump one record is printed in place of all.
    brief: bool,
    /// The lines of records that belong to the results of the run and are not among them yet.
    kept: RefCell<String>,
}

impl Reporter {
    /// Prints on `terminal` the messages up to `loglevel`; `clock` is the counter that all ticks
    /// come from.
    pub fn new(
        terminal: &'static dyn ConsoleTerminal,
        clock: &'static dyn Clock,
        loglevel: u8,
        brief: bool,
    ) -> Self {
        Self {
            terminal,
            clock,
            log: Log::new(loglevel),
            held: Vec::new(),
            brief,
            kept: RefCell::default(),
        }
    }

    /// Where the console reads and writes.
    pub fn terminal(&self) -> &'static dyn ConsoleTerminal {
        self.terminal
    }

    /// Ticks as nanoseconds.
    pub fn ns(&self, ticks: u64) -> u64 {
        (u128::from(ticks) * 1_000_000_000 / u128::from(self.clock.hz())) as u64
    }

    /// Keeps a message, and prints the message if the level is within the log level.
    pub fn say(&mut self, level: Level, text: &str) {
        let prefix = if level == Level::Warning { "warning: " } else { "" };
        let line = format!("{prefix}{text}");
        if level as u8 <= self.log.level() {
            self.print(&line);
        }
        self.log.keep(&line);
    }

    /// Says each of the texts as a warning.
    pub fn warn(&mut self, texts: impl IntoIterator<Item = impl AsRef<str>>) {
        texts.into_iter().for_each(|text| self.say(Level::Warning, text.as_ref()));
    }

    /// Takes a warning that may not be printed yet; [`Self::say_held`] says the warning.
    pub fn hold(&mut self, warning: String) {
        self.held.push(warning);
    }

    /// Says every warning that was held back, in the order of [`Self::hold`].
    pub fn say_held(&mut self) {
        let held = mem::take(&mut self.held);
        self.warn(held);
    }

    /// Prints a line.
    pub fn print(&self, line: &str) {
        self.terminal.put(line);
        self.terminal.put("\n");
    }

    /// Prints a record, and keeps the record if it belongs to the results of the run.
    pub fn record(&self, record: &Record) {
        let line = report::to_line(record);
        if !(self.brief && record.is_of_a_jump()) {
            self.print(&line);
        }
        if !record.is_of_a_trace() {
            let mut kept = self.kept.borrow_mut();
            kept.push_str(&line);
            kept.push('\n');
        }
    }

    /// The lines that were kept since the last time.
    pub(super) fn take_kept(&mut self) -> String {
        mem::take(self.kept.get_mut())
    }

    /// Says that a command or an option failed, for people and for programs.
    pub fn error(&mut self, place: &str, what: &str) {
        self.say(Level::Error, &format!("error: {what}"));
        let (what, place) = (what.into(), place.into());
        self.record(&Record::Error(report::CommandError { what, place }));
    }

    /// The messages kept.
    pub fn messages(&self) -> &str {
        self.log.text()
    }

    /// Messages of this level and below are printed.
    pub fn loglevel(&self) -> u8 {
        self.log.level()
    }

    /// Changes [`Self::loglevel`].
    pub fn set_loglevel(&mut self, level: u8) {
        self.log.set_level(level);
    }

    /// Prints the outcome of a bring-up, and its purpose.
    pub fn bringup(
        &self,
        hotplug: &Hotplug,
        at: BringupAt,
        policy: BringupPolicy,
        outcome: &BringupOutcome,
    ) {
        self.record(&Record::Bringup(Bringup {
            generation: hotplug.generation(),
            at: at.into(),
            cpus: (outcome.online.len() + outcome.failed.len()) as u32,
            online: outcome.online.len() as u32,
            failed: failures(hotplug, &outcome.failed),
            policy: policy.into(),
            kick_ns: self.ns(outcome.kick),
            alive_ns: self.ns(outcome.alive),
            online_ns: self.ns(outcome.last_online),
        }));
    }

    /// Prints the outcome of a teardown, and its purpose.
    pub fn teardown(&self, hotplug: &Hotplug, at: TeardownAt, way: Way, outcome: &TeardownOutcome) {
        self.record(&Record::Teardown(Teardown {
            generation: hotplug.generation(),
            at: at.into(),
            cpus: (outcome.off.len() + outcome.stuck.len()) as u32,
            mode: way.mode.into(),
            grace: asked(way),
            modelled_tick_hz: hotplug.tick_hz(),
            stuck: failures(hotplug, &outcome.stuck),
            noted: failures(hotplug, &outcome.noted),
            exclusive: hotplug.exclusive_steps().map(Name::from).collect(),
            phases: self.phases(&outcome.spans),
            total_ns: self.ns(outcome.total),
        }));
    }

    /// Warns of failures that do not stand in the way of a teardown. Only this kernel can warn: the
    /// next one does not learn of such failures. Printing takes time.
    pub fn noted(&mut self, outcome: &TeardownOutcome) {
        self.warn(outcome.noted.iter().map(ToString::to_string));
    }

    fn between(&self, from: u64, to: u64) -> u64 {
        self.ns(to.saturating_sub(from))
    }

    /// Prints where in a series of kexecs the last jump was, if it belonged to one.
    pub(super) fn cycle(&self, farewell: &Farewell) {
        let cycle = farewell.cycle;
        if cycle.asked > 0 {
            self.record(&Record::Cycle(Cycle {
                done: cycle.done,
                asked: cycle.asked,
                teardown: farewell.teardown.into(),
            }));
        }
    }

    /// Prints what the stress in the kernels before this one has sent, if that was anything.
    pub(super) fn interrupts(&self, generation: u32, count: &StressCount) {
        let StressCount { sent, handled, .. } = *count;
        if sent > 0 {
            self.record(&Record::Interrupts(Interrupts { generation, sent, handled }));
        }
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
}

/// Grace periods that are not those of the mode.
fn asked(way: Way) -> Option<Name<Grace>> {
    (way.grace != way.mode.grace()).then(|| way.grace.into())
}

fn failures(hotplug: &Hotplug, failures: &[Failure]) -> Vec<CpuFailure> {
    let named = |f: &Failure| CpuFailure {
        cpu: f.cpu.0.into(),
        mpidr: hotplug.topology().mpidr(f.cpu).map_or(0, |m| m.value()),
        mark: f.mark.into(),
        why: f.why.to_string(),
    };
    failures.iter().map(named).collect()
}
