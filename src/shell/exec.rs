//! Carrying commands out: one function for each, which is given what the command is about and
//! nothing else. A command that fails returns what was wrong and what to do, and has changed
//! nothing.

mod cpus;
mod devices;
mod irqs;
mod kexec;
mod pmu;
mod polling;
mod psci;
mod rcu;
mod report;
mod settings;
mod steps;
mod timeline;
mod torture;

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use super::command::Command;
use super::help;
use super::line::{Editor, PROMPT};
use super::parse::parse;
use crate::kernel::{Kernel, Next, Reporter};
use crate::machine::ConsoleTerminal;
use crate::report::one_line;
use polling::Polling;

/// What a command leads to: nothing more, or the end of this kernel.
type Outcome = Result<Option<Next>, String>;

/// The console as something to format into.
struct Out(&'static dyn ConsoleTerminal);

impl fmt::Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.put(text);
        Ok(())
    }
}

/// Nanoseconds as microseconds, for people.
fn us(ns: u64) -> String {
    format!("{}.{:01}", ns / 1000, ns % 1000 / 100)
}

/// Runs the commands that wait, then those that are typed, until one ends this kernel.
pub fn serve(kernel: &mut Kernel) -> Next {
    let mut editor = Editor::new(&help::NAMES);
    loop {
        stop_if_interrupted(kernel);
        let line = match kernel.session.next_command() {
            Some(line) => {
                kernel.out.print(&format!("{PROMPT}{}", one_line(&line)));
                line
            }
            None => read_line(kernel, &mut editor),
        };
        let cpus = &kernel.cpus;
        cpus.services().run_due(cpus.seam(), cpus.boot());
        if let Some(next) = run(kernel, &line) {
            return next;
        }
    }
}

/// After Ctrl-C: the command that ran has ended early if it could, and those that wait do not run.
fn stop_if_interrupted(kernel: &mut Kernel) {
    if kernel.out.terminal().take_interrupt() {
        let text = match kernel.session.drop_commands() {
            0 => "interrupted".into(),
            dropped => format!("interrupted; commands that waited and are dropped: {dropped}"),
        };
        kernel.out.print(&text);
    }
}

/// Does what a CPU does that has nothing else to do, until a line has been typed.
fn read_line(kernel: &Kernel, editor: &mut Editor<'_>) -> String {
    let Kernel { out, cpus, peripherals, .. } = kernel;
    let (terminal, seam) = (out.terminal(), cpus.seam());
    let mut polling = peripherals.polls_console().then(Polling::default);
    let mut out = Out(terminal);
    editor.prompt(&mut out);
    loop {
        while let Some(typed) = terminal.get() {
            polling.iter_mut().for_each(|polling| polling.typed(seam));
            if let Some(line) = editor.feed(typed, &mut out) {
                return line;
            }
        }
        let look = polling.as_ref().map(|polling| polling.next(seam));
        cpus.services().breathe_with(seam, cpus.boot(), |due| {
            seam.wait(look.into_iter().chain(due).min());
        });
    }
}

/// Runs one command line.
fn run(kernel: &mut Kernel, line: &str) -> Option<Next> {
    let outcome = match parse(line) {
        Ok(None) => Ok(None),
        Ok(Some(command)) => carry_out(kernel, command),
        Err(error) => Err(error.to_string()),
    };
    outcome.unwrap_or_else(|what| {
        // The commands after a failed one must not run: the script relied on that command.
        kernel.session.drop_commands();
        kernel.out.error(line.trim(), &what);
        None
    })
}

fn carry_out(kernel: &mut Kernel, command: Command) -> Outcome {
    let site = kernel.site();
    let Kernel { out, cpus, peripherals, loader, session, .. } = kernel;
    match command {
        Command::Help(name) => help(out, name.as_deref()),
        Command::Cpus => cpus::list(out, cpus),
        Command::CpuOnline { cpus: which, policy } => cpus::online(out, cpus, which, policy),
        Command::CpuOffline { cpus: which, teardown, grace } => {
            cpus::offline(out, cpus, which, cpus.way(teardown, grace))
        }
        Command::Hotplug => steps::list(out, cpus),
        Command::Irqs => irqs::list(out, cpus, peripherals),
        Command::Rcu => rcu::show(out, cpus),
        Command::RcuSync { expedited } => rcu::sync(out, cpus, expedited),
        Command::Pmu => pmu::show(out, cpus, None),
        Command::PmuOpen { cluster, event } => pmu::open(out, cpus, cluster, event),
        Command::PmuClose { cluster, event } => pmu::close(out, cpus, cluster, event),
        Command::PmuRead { cluster } => pmu::read(out, cpus, cluster),
        Command::PsciBench { rounds } => psci::bench(out, cpus, session, rounds),
        Command::Mem => kexec::mem(out, loader),
        Command::Files => kexec::files(out, loader),
        Command::KexecLoad(ask) => kexec::load(out, loader, &ask),
        Command::KexecStatus => kexec::status(out, loader),
        Command::KexecUnload => kexec::unload(loader),
        Command::KexecExec { teardown, grace, verify } => {
            let way = cpus.way(teardown, grace);
            kexec::exec(kernel, way, verify)
        }
        Command::Cycle(cycle) => kexec::cycle(kernel, &cycle),
        Command::Report(line) => report::report(kernel, line),
        Command::Timeline { json } => timeline::show(out, cpus, json),
        Command::Devices => devices::list(out, peripherals),
        Command::Alarm { seconds } => devices::alarm(peripherals, seconds),
        Command::Disk { reads, wait } => devices::disk(out, cpus, peripherals, reads, wait),
        Command::Dmesg => dmesg(out),
        Command::Set(None) => settings::list(out, cpus, peripherals, loader),
        Command::Set(Some((setting, value))) => {
            settings::set(out, cpus, peripherals, loader, setting, &value)
        }
        Command::Soak { times, cpus: which } => cpus::soak(out, cpus, times, which),
        Command::Torture { kind, seconds, seed } => {
            torture::run(out, session, site, (kind, seconds, seed))
        }
        Command::Stress(on) => torture::stress(out, session, site, on),
        Command::Crash { kind, cpu } => cpus::crash(out, cpus, loader, kind, cpu),
        Command::Poweroff => Ok(Some(Next::PowerOff)),
        Command::Reset => Ok(Some(Next::Reset)),
    }
}

fn help(out: &Reporter, name: Option<&str>) -> Outcome {
    let mut out = Out(out.terminal());
    // Writing to the console can't fail.
    let _ = match name {
        None => help::overview(&mut out),
        Some(topic) => help::explain(topic, &mut out),
    };
    Ok(None)
}

fn dmesg(out: &Reporter) -> Outcome {
    out.print(out.messages().trim_end());
    Ok(None)
}
