//! One booted guest: started, talked to, listened to, and gone when dropped.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use baton::report::{self, LineError, Record};

use crate::console::{Console, Heard};
use crate::kvm::Rig;
use crate::launch::{Qemu, interrupted};
use crate::scratch::{self, Unnamed};
use crate::{Options, Outcome, files};

/// How long the rest of a panic may take once its first line is there.
const PANIC_GRACE: Duration = Duration::from_secs(2);
/// How long QEMU may take to go once it has closed the console.
const END_GRACE: Duration = Duration::from_secs(5);
/// How long the prompt may take when nothing else is going on.
const PROMPT_PATIENCE: Duration = Duration::from_secs(60);

/// A guest under QEMU. Drop kills it.
pub struct Guest {
    qemu: Qemu,
    console: Console,
    records: Vec<Record>,
    panic_text: Option<String>,
    deadline: Option<Instant>,
    slowness: u32,
    _files: (Unnamed, Option<Unnamed>),
}

/// A line, and the record in it if it has one.
struct Said<'a> {
    line: &'a str,
    record: Option<&'a Record>,
}

impl Guest {
    /// Boots the image with an initrd that holds the image itself and the options' files.
    ///
    /// # Errors
    /// The options are wrong, a file cannot be read, dtc refuses the device tree source, or QEMU
    /// cannot be started.
    pub fn start(options: &Options) -> Result<Self> {
        Self::start_logged(options, None)
    }

    /// As [`Guest::start`], with a copy of all the guest prints in the file at `log`.
    ///
    /// # Errors
    /// As for [`Guest::start`], or the log cannot be made.
    pub fn start_logged(options: &Options, log: Option<PathBuf>) -> Result<Self> {
        options.check()?;
        let initrd = Unnamed::new(&files::initrd(options)?)?;
        let log = log.map(|path| create(&path)).transpose()?;
        let (options, tree) = scratch::prepared(options)?;
        let (qemu, pipes) = Qemu::start(&options, Some(&initrd.path()))?;
        let console = Console::new(pipes, log);
        let (records, panic_text, deadline) = (Vec::new(), None, None);
        let _files = (initrd, tree);
        Ok(Self { qemu, console, records, panic_text, deadline, slowness: 1, _files })
    }

    /// Sets a moment after which every wait fails.
    pub fn end_by(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    /// Every wait from now on may take so many times as long as it says.
    pub fn slower_by(&mut self, times: u32) {
        self.slowness = times;
    }

    /// QEMU's command line.
    pub fn command_line(&self) -> &[String] {
        &self.qemu.command
    }

    /// What a hypervisor of its own has said, if it has one.
    pub fn host_log(&self) -> Option<String> {
        self.qemu.rig().map(Rig::log)
    }

    /// Every record so far.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Every line so far; QEMU's own messages start with `qemu: `.
    pub fn transcript(&self) -> &[String] {
        self.console.transcript()
    }

    /// The last lines, the unfinished one included.
    pub fn tail(&self, count: usize) -> Vec<String> {
        let all = self.transcript();
        let mut tail = all[all.len().saturating_sub(count)..].to_vec();
        tail.extend(Some(self.console.unfinished()).filter(|text| !text.is_empty()));
        tail
    }

    /// Waits for a record that `wanted` accepts. What earlier waits have seen is not seen again.
    ///
    /// # Errors
    /// A panic that `wanted` does not accept, a malformed record, the end of QEMU, or time is up.
    pub fn wait_record(
        &mut self,
        wanted: impl Fn(&Record) -> bool,
        timeout: Duration,
    ) -> Result<Record, Outcome> {
        self.wait_for("record", wanted, timeout)
    }

    /// As [`Guest::wait_record`]; a failure says that `what` did not come.
    ///
    /// # Errors
    /// As for [`Guest::wait_record`].
    pub fn wait_for(
        &mut self,
        what: &str,
        wanted: impl Fn(&Record) -> bool,
        timeout: Duration,
    ) -> Result<Record, Outcome> {
        let pick = |said: &Said<'_>| said.record.filter(|record| wanted(record)).cloned();
        self.wait(what, timeout, pick, || None)
    }

    /// Waits for a line that contains `text`, and gives it.
    ///
    /// # Errors
    /// As for [`Guest::wait_record`].
    pub fn wait_text(&mut self, text: &str, timeout: Duration) -> Result<String, Outcome> {
        let pick = |said: &Said<'_>| said.line.contains(text).then(|| said.line.to_string());
        self.wait(&format!("line with {text:?}"), timeout, pick, || None)
    }

    /// Waits for the prompt, unless it is there.
    ///
    /// # Errors
    /// As for [`Guest::wait_record`].
    pub fn wait_prompt(&mut self, timeout: Duration) -> Result<(), Outcome> {
        if self.console.at_prompt() {
            return Ok(());
        }
        self.wait("prompt", timeout, |_| None, || Some(()))
    }

    /// Types a line once the prompt is there, and does not wait for an answer.
    ///
    /// # Errors
    /// As for [`Guest::wait_record`].
    pub fn send(&mut self, command: &str) -> Result<(), Outcome> {
        self.wait_prompt(PROMPT_PATIENCE)?;
        self.console.send(command).map_err(|_| self.gone("it took the command"))
    }

    /// Sends keys as they are, whatever the guest is doing.
    ///
    /// # Errors
    /// QEMU is gone.
    pub fn press(&mut self, keys: &[u8]) -> Result<(), Outcome> {
        self.console.press(keys).map_err(|_| self.gone("it took the keys"))
    }

    /// Runs a command that comes back to the prompt within a minute, and gives its lines.
    ///
    /// # Errors
    /// As for [`Guest::wait_record`].
    pub fn command(&mut self, command: &str) -> Result<Vec<String>, Outcome> {
        self.command_within(command, PROMPT_PATIENCE)
    }

    /// Runs a command and gives the lines it prints until the next prompt.
    ///
    /// # Errors
    /// As for [`Guest::wait_record`].
    pub fn command_within(
        &mut self,
        command: &str,
        timeout: Duration,
    ) -> Result<Vec<String>, Outcome> {
        self.send(command)?;
        let first = self.transcript().len();
        self.wait_prompt(timeout)?;
        let lines = self.transcript()[first..].iter();
        Ok(lines.filter(|line| !is_echo(line, command)).cloned().collect())
    }

    /// Waits until QEMU has ended, and gives its status.
    ///
    /// # Errors
    /// Time is up, or a panic or a malformed record came before the end.
    pub fn wait_end(&mut self, timeout: Duration) -> Result<ExitStatus, Outcome> {
        match self.wait("end of QEMU", timeout, |_| None::<()>, || None) {
            Err(Outcome::NoVerdict(_)) => self.ended_well(),
            Err(other) => Err(other),
            Ok(()) => unreachable!("nothing was asked for"),
        }
    }

    /// QEMU's status; with a hypervisor of its own that one's QEMU has to have ended well too.
    fn ended_well(&mut self) -> Result<ExitStatus, Outcome> {
        let status = self.status().ok_or_else(|| self.gone("it ended"))?;
        match self.qemu.rig().map(Rig::verdict) {
            Some(Err(why)) if status.success() => Err(Outcome::NoVerdict(format!("{why:#}"))),
            _ => Ok(status),
        }
    }

    /// Listens until a line or the prompt gives a value.
    fn wait<T>(
        &mut self,
        what: &str,
        timeout: Duration,
        pick: impl Fn(&Said<'_>) -> Option<T>,
        at_prompt: impl Fn() -> Option<T>,
    ) -> Result<T, Outcome> {
        let start = Instant::now();
        let mut deadline = start + timeout * self.slowness;
        deadline = self.deadline.map_or(deadline, |end| deadline.min(end));
        loop {
            let found = match self.console.next(deadline) {
                Heard::Line(line) => self.line(&line, &pick)?,
                Heard::Prompt => at_prompt(),
                Heard::End => return Err(self.gone(what)),
                Heard::Nothing => return Err(self.late(what, start)),
            };
            if let Some(found) = found {
                return Ok(found);
            }
            if self.panic_text.is_some() {
                deadline = deadline.min(Instant::now() + PANIC_GRACE * self.slowness);
            }
        }
    }

    /// Takes in one line; fails if it says that the run is lost.
    fn line<T>(
        &mut self,
        line: &str,
        pick: impl Fn(&Said<'_>) -> Option<T>,
    ) -> Result<Option<T>, Outcome> {
        let record = match report::from_line(line) {
            Ok(record) => Some(record),
            Err(LineError::NotARecord) => None,
            Err(LineError::Malformed(why)) => {
                return Err(Outcome::Malformed(format!("{why}: {line}")));
            }
        };
        self.records.extend(record.clone());
        if let Some(found) = pick(&Said { line, record: record.as_ref() }) {
            if matches!(record, Some(Record::Panic(_))) {
                self.panic_text = None; // expected: the guest may go on to its end
            }
            return Ok(Some(found));
        }
        match record {
            Some(Record::Panic(panic)) => Err(Outcome::from(panic)),
            None if is_panic(line) => {
                self.panic_text.get_or_insert_with(|| line.to_string());
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn late(&self, what: &str, start: Instant) -> Outcome {
        let seconds = start.elapsed().as_secs();
        let timeout = Outcome::Timeout { waiting_for: what.to_string(), seconds };
        self.panic_text.clone().map_or(timeout, Outcome::Panic)
    }

    /// The outcome when QEMU has closed the console.
    fn gone(&mut self, what: &str) -> Outcome {
        if interrupted() {
            return Outcome::Interrupted;
        }
        if let Some(text) = &self.panic_text {
            return Outcome::Panic(text.clone());
        }
        let status = self.status().map_or("no status".to_string(), |status| status.to_string());
        let said = self.transcript().iter().find(|line| line.starts_with("qemu: "));
        let said = said.map(|line| format!("; {line}")).unwrap_or_default();
        if let Some(Err(why)) = self.qemu.rig().map(Rig::verdict) {
            return Outcome::NoVerdict(format!("{why:#}; before: {what}"));
        }
        Outcome::NoVerdict(format!("QEMU ended ({status}) before: {what}{said}"))
    }

    fn status(&mut self) -> Option<ExitStatus> {
        let end = Instant::now() + END_GRACE;
        while Instant::now() < end {
            if let Some(status) = self.qemu.ended() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

fn create(path: &std::path::Path) -> Result<File> {
    File::create(path).with_context(|| format!("cannot write {}", path.display()))
}

/// True if the line is the console's own echo of the command.
fn is_echo(line: &str, command: &str) -> bool {
    let typed = line.strip_prefix(crate::console::PROMPT).unwrap_or(line);
    typed.trim_end() == command.trim_end()
}

/// True if ordinary text says that the kernel has panicked.
fn is_panic(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    line.starts_with("panic") || line.contains("panicked at") || line.contains("kernel panic")
}

#[cfg(test)]
mod tests;
