//! `baton attach`: a baton on a machine of its own, over a line that loses bytes. Types commands at its
//! prompt, then fetches the results and asks for lines again that did not come whole.

mod port;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use baton::results::Document;
use clap::Args;

use crate::console::PROMPT;
use crate::results::{self, Received};
use port::{Port, PortArgs};

/// The prompt counts once nothing else has come for so long: between two kexecs of a series it stands
/// on a line with the next command.
const QUIET: Duration = Duration::from_millis(700);
/// How often Enter is typed while there is no prompt.
const KNOCK: Duration = Duration::from_secs(3);
/// Rounds of asking again without a line that came.
const ROUNDS: usize = 5;

/// Where baton is, and what it is to do.
#[derive(Args, Clone, Debug)]
pub struct AttachArgs {
    #[command(flatten)]
    port: PortArgs,
    /// Command to type first; may be given several times. Waits until each is done
    #[arg(long, value_name = "COMMAND")]
    run: Vec<String>,
    /// Give up after so many seconds without the prompt
    #[arg(long, value_name = "SECS", default_value_t = 600)]
    timeout: u64,
    /// Keep a copy of all that comes
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Directory for the report
    #[arg(long, value_name = "DIR", default_value = "report")]
    out: PathBuf,
}

/// Runs the commands, fetches the results and writes the report.
///
/// # Errors
/// The line can't be opened, there is no prompt, or lines of the results do not come.
pub fn attach(args: &AttachArgs) -> Result<()> {
    let port = args.port.open(args.log.as_deref())?;
    let mut attached = Attached::new(port, Duration::from_secs(args.timeout));
    attached.prompt()?;
    args.run.iter().try_for_each(|command| attached.command(command))?;
    let document = attached.results()?;
    println!("{}", attached.losses());
    results::write(&document, &args.out)
}

/// A line with a baton at its end.
struct Attached {
    port: Port,
    patience: Duration,
    received: Received,
    /// Lines that were asked for again.
    again: usize,
    last: String,
}

impl Attached {
    fn new(port: Port, patience: Duration) -> Self {
        let (received, last) = (Received::default(), String::new());
        Self { port, patience, received, again: 0, last }
    }

    /// Waits for the prompt, with an Enter now and then.
    fn prompt(&mut self) -> Result<()> {
        let end = Instant::now() + self.patience;
        let mut knock = Instant::now();
        while !self.at_prompt(end.min(knock + KNOCK))? {
            if Instant::now() >= end {
                bail!(
                    "no prompt of baton within {} s; the last line: {:?}",
                    self.patience.as_secs(),
                    self.last
                );
            }
            if knock.elapsed() >= KNOCK {
                self.port.type_line("")?;
                knock = Instant::now();
            }
        }
        Ok(())
    }

    /// Takes lines until the prompt stands and is the last thing that came, or until `end`.
    fn at_prompt(&mut self, end: Instant) -> Result<bool> {
        loop {
            let stands = self.port.unfinished().ends_with(PROMPT);
            let until = if stands { end.min(Instant::now() + QUIET) } else { end };
            match self.port.next_line(until)? {
                Some(line) => {
                    self.received.take(&line);
                    self.last = line;
                }
                None if self.port.is_quiet(QUIET) && self.port.unfinished().ends_with(PROMPT) => {
                    return Ok(true);
                }
                None if Instant::now() >= end => return Ok(false),
                None => {}
            }
        }
    }

    /// Types a command and waits until the prompt is back.
    fn command(&mut self, command: &str) -> Result<()> {
        self.port.type_line(command)?;
        self.prompt()
    }

    /// Fetches the results.
    fn results(&mut self) -> Result<Document> {
        self.received = Received::default();
        for _ in 0..ROUNDS {
            self.command("report")?;
            if self.received.has_begun() {
                break;
            }
        }
        let mut rounds = 0;
        while rounds < ROUNDS && self.received.missing().next().is_some() {
            let before = self.received.missing().count();
            self.ask_again()?;
            rounds = if self.received.missing().count() < before { 0 } else { rounds + 1 };
        }
        self.received.document()
    }

    /// Asks once for each line that is missing.
    fn ask_again(&mut self) -> Result<()> {
        let missing: Vec<usize> = self.received.missing().collect();
        self.again += missing.len();
        missing.iter().try_for_each(|number| self.command(&format!("report {number}")))
    }

    /// What the line has lost, for people.
    fn losses(&self) -> String {
        format!(
            "lines of results that were damaged on the way: {}; asked for again: {}",
            self.received.damaged(),
            self.again
        )
    }
}
