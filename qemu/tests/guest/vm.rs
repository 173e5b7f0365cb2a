//! One machine with the real image on it: made by [`Setup`](crate::setup::Setup), talked to through
//! [`Vm`].

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use baton::report::{Bringup, CommandError, Hello, Panic, Record};
use baton_qemu::Guest;
use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::check;
pub use crate::setup::{Setup, cpus, elf_path, hypervisor, image, image_path, kvm, patience};

/// What every name starts with.
const PREFIX: &str = "real-guest";
/// How long anything may take that is done in a second.
pub const SOON: Duration = Duration::from_secs(60);
/// Lines of the console that a failure shows.
const TAIL: usize = 40;

thread_local! {
    /// What the last machine of this thread said last, and how it was started.
    static LAST_WORDS: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A test; its error comes with the end of what the machine has said.
pub fn test(
    family: &str,
    name: impl AsRef<str>,
    body: impl FnOnce() -> Result<()> + Send + 'static,
) -> Trial {
    Trial::test(format!("{PREFIX}::{family}::{}", name.as_ref()), move || {
        LAST_WORDS.take();
        body().map_err(|error| Failed::from(format!("{error:#}\n{}", LAST_WORDS.take())))
    })
}

/// A machine that runs.
pub struct Vm {
    pub guest: Guest,
    _directory: TempDir,
}

impl Drop for Vm {
    fn drop(&mut self) {
        let command = self.guest.command_line().join(" ");
        let tail = self.guest.tail(TAIL).join("\n  ");
        let host = self.guest.host_log().map_or_else(String::new, |log| {
            let lines: Vec<&str> = log.lines().collect();
            format!(
                "\nits hypervisor:\n  {}",
                lines[lines.len().saturating_sub(TAIL)..].join("\n  ")
            )
        });
        LAST_WORDS.set(format!("--- {command}\n  {tail}{host}\n---"));
    }
}

impl Vm {
    /// A guest, and the directory with its files, which goes when the machine does.
    pub fn new(guest: Guest, directory: TempDir) -> Self {
        Self { guest, _directory: directory }
    }

    /// Waits until the kernel of this generation is up; how it brought the CPUs up, and what it is.
    pub fn arrival(&mut self, generation: u32) -> Result<(Bringup, Hello)> {
        let bringup = self.guest.wait_record(|r| matches!(r, Record::Bringup(_)), SOON)?;
        let Record::Bringup(bringup) = bringup else { bail!("no bringup: {bringup:?}") };
        let hello = self.hello()?;
        check::arrival(&bringup, &hello, generation)?;
        Ok((bringup, hello))
    }

    /// Waits for the next hello.
    pub fn hello(&mut self) -> Result<Hello> {
        match self.guest.wait_record(|r| matches!(r, Record::Hello(_)), SOON)? {
            Record::Hello(hello) => Ok(hello),
            other => bail!("no hello: {other:?}"),
        }
    }

    /// Waits for a panic and for the machine to turn itself off.
    pub fn panic(&mut self) -> Result<Panic> {
        let Record::Panic(panic) =
            self.guest.wait_record(|r| matches!(r, Record::Panic(_)), SOON)?
        else {
            bail!("no panic")
        };
        let status = self.guest.wait_end(SOON)?;
        ensure!(status.success(), "QEMU ended with {status}");
        Ok(panic)
    }

    /// Runs a command that must succeed; its lines, without records.
    pub fn run(&mut self, command: &str) -> Result<Vec<String>> {
        let (lines, records) = self.talk(command)?;
        let error = records.iter().find(|r| matches!(r, Record::Error(_)));
        ensure!(error.is_none(), "`{command}` was refused: {error:?}");
        Ok(lines)
    }

    /// Runs a command that must be refused, once and by name; the error's text.
    pub fn refused(&mut self, command: &str) -> Result<String> {
        Ok(self.refused_with(command)?.0)
    }

    /// As [`Self::refused`], with the other records that it printed.
    pub fn refused_with(&mut self, command: &str) -> Result<(String, Vec<Record>)> {
        let (lines, records) = self.talk(command)?;
        let (errors, rest): (Vec<_>, Vec<_>) =
            records.into_iter().partition(|r| matches!(r, Record::Error(_)));
        let [Record::Error(CommandError { what, place })] = errors.as_slice() else {
            bail!("`{command}` gave {} error records: {lines:?}", errors.len());
        };
        check::same("place of the error", place.as_str(), command)?;
        ensure!(
            lines.iter().any(|line| line == &format!("error: {what}")),
            "`{command}`: no line says {what:?}"
        );
        Ok((what.clone(), rest))
    }

    /// Runs a command; its lines, and the records among them.
    pub fn talk(&mut self, command: &str) -> Result<(Vec<String>, Vec<Record>)> {
        let before = self.guest.records().len();
        let lines = self.guest.command(command).with_context(|| format!("`{command}`"))?;
        let lines = lines.into_iter().filter(|line| !line.starts_with("@baton ")).collect();
        Ok((lines, self.guest.records()[before..].to_vec()))
    }

    /// Runs a command and gives the only record that it printed beside errors.
    pub fn record(&mut self, command: &str) -> Result<Record> {
        let (lines, mut records) = self.talk(command)?;
        records.retain(|r| !matches!(r, Record::Error(_)));
        ensure!(records.len() == 1, "`{command}` gave {} records: {lines:?}", records.len());
        Ok(records.remove(0))
    }

    /// Jumps; how the next kernel brought the CPUs up, and what it is.
    pub fn jump(&mut self, command: &str, generation: u32) -> Result<(Bringup, Hello)> {
        self.guest.send(command)?;
        self.arrival(generation)
    }

    /// Free bytes, as `mem` says.
    pub fn free_bytes(&mut self) -> Result<u64> {
        let lines = self.run("mem")?;
        let line = lines.last().context("`mem` says nothing")?;
        let free = line.strip_prefix("free ").and_then(|rest| rest.split(' ').next()?.parse().ok());
        free.with_context(|| format!("no free bytes in {line:?}"))
    }

    /// The marks of all CPUs, as `cpus` says.
    pub fn marks(&mut self) -> Result<Vec<String>> {
        let mut marks = Vec::new();
        for line in self.run("cpus")?.iter().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            check::same("CPU number", words.first().copied(), Some(&*marks.len().to_string()))?;
            marks.push(words.get(2).context("no mark")?.to_string());
        }
        Ok(marks)
    }

    /// Checks that all CPUs are ONLINE but `others`, which have other marks.
    pub fn expect_marks(&mut self, cpus: u32, others: &[(u32, &str)]) -> Result<()> {
        let wanted: Vec<String> = (0..cpus)
            .map(|cpu| others.iter().find(|other| other.0 == cpu).map_or("ONLINE", |other| other.1))
            .map(String::from)
            .collect();
        check::same("marks", self.marks()?, wanted)
    }

    /// Turns the machine off from the console.
    pub fn power_off(&mut self) -> Result<()> {
        self.guest.send("poweroff")?;
        let status = self.guest.wait_end(SOON)?;
        ensure!(status.success(), "QEMU ended with {status}");
        Ok(())
    }
}
