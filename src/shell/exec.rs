//! Carrying commands out. A command that fails returns what was wrong and what to do, and has
//! changed nothing.

mod cpus;
mod devices;
mod irqs;
mod kexec;
mod pmu;
mod rcu;
mod settings;
mod show;
mod steps;
mod timeline;
mod torture;

use alloc::string::{String, ToString};
use core::fmt;

use super::command::Command;
use super::help;
use super::line::Editor;
use super::parse::parse;
use crate::kernel::{Kernel, Next};
use crate::machine::Board;

/// What a command leads to: nothing more, or the end of this kernel.
type Outcome = Result<Option<Next>, String>;

/// The console as something to format into.
struct Out<'a>(&'a dyn Board);

impl fmt::Write for Out<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.put(text);
        Ok(())
    }
}

/// Nanoseconds as microseconds, for people.
fn us(ns: u64) -> String {
    alloc::format!("{}.{:01}", ns / 1000, ns % 1000 / 100)
}

impl Kernel {
    /// Runs the commands that wait, then those that are typed, until one ends this kernel.
    pub fn serve(&mut self) -> Next {
        let board = self.board;
        let mut editor = Editor::new(&help::NAMES);
        loop {
            let line = match self.script.pop_front() {
                Some(line) => {
                    self.print(&alloc::format!("{}{line}", super::line::PROMPT));
                    line
                }
                None => self.read_line(&mut editor),
            };
            self.services.run_due(board, self.hotplug.topology().boot());
            if let Some(next) = self.run(&line) {
                return next;
            }
        }
    }

    /// Runs one command line.
    fn run(&mut self, line: &str) -> Option<Next> {
        let outcome = match parse(line) {
            Ok(None) => Ok(None),
            Ok(Some(command)) => self.carry_out(command),
            Err(error) => Err(error.to_string()),
        };
        outcome.unwrap_or_else(|what| {
            // The commands after a failed one must not run: the script relied on that command.
            self.script.clear();
            self.error(line.trim(), &what);
            None
        })
    }

    fn carry_out(&mut self, command: Command) -> Outcome {
        match command {
            Command::Help(name) => self.help(name.as_deref()),
            Command::Cpus => self.cpus(),
            Command::CpuOnline { cpus, policy } => self.cpu_online(cpus, policy),
            Command::CpuOffline { cpus, teardown } => self.cpu_offline(cpus, teardown),
            Command::Hotplug => self.hotplug(),
            Command::Irqs => self.irqs(),
            Command::Rcu => self.rcu(),
            Command::RcuSync { expedited } => self.rcu_sync(expedited),
            Command::Pmu => self.pmu(None),
            Command::PmuOpen { cluster, event } => self.pmu_open(cluster, event),
            Command::PmuClose { cluster, event } => self.pmu_close(cluster, event),
            Command::PmuRead { cluster } => self.pmu_read(cluster),
            Command::Mem => self.mem(),
            Command::Files => self.files(),
            Command::KexecLoad(ask) => self.kexec_load(&ask),
            Command::KexecStatus => self.kexec_status(),
            Command::KexecUnload => self.kexec_unload(),
            Command::KexecExec { teardown, verify } => self.kexec_exec(teardown, verify),
            Command::Cycle(cycle) => self.cycle(&cycle),
            Command::Timeline { json } => self.timeline(json),
            Command::Devices => self.list_devices(),
            Command::Alarm { seconds } => self.alarm(seconds),
            Command::Disk { reads, wait } => self.disk(reads, wait),
            Command::Dmesg => self.dmesg(),
            Command::Set(setting) => self.set(setting),
            Command::Soak { times, cpus } => self.soak(times, cpus),
            Command::Torture { kind, seconds, seed } => self.torture(kind, seconds, seed),
            Command::Stress(on) => self.switch_stress(on),
            Command::Crash { kind, cpu } => self.crash(kind, cpu),
            Command::Poweroff => Ok(Some(Next::PowerOff)),
            Command::Reset => Ok(Some(Next::Reset)),
        }
    }

    /// Does what a CPU does that has nothing else to do, until a line has been typed.
    fn read_line(&self, editor: &mut Editor<'_>) -> String {
        let board = self.board;
        let mut out = Out(board);
        editor.prompt(&mut out);
        loop {
            while let Some(byte) = board.get() {
                if let Some(line) = editor.feed(byte, &mut out) {
                    return line;
                }
            }
            self.services.breathe(board, self.hotplug.topology().boot());
        }
    }

    fn help(&self, name: Option<&str>) -> Outcome {
        let mut out = Out(self.board);
        // Writing to the console can't fail.
        let _ = match name {
            None => help::overview(&mut out),
            Some(topic) => help::explain(topic, &mut out),
        };
        Ok(None)
    }
}
