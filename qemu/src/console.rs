//! The guest's console: bytes in by a thread of their own, lines and prompts out, text typed in.

mod lines;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::ChildStdin;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Instant;

pub use lines::Lines;

use crate::launch::Pipes;

/// What the console shows when it waits for a command.
pub const PROMPT: &str = "baton> ";

/// What a reader thread has to tell.
enum Raw {
    Bytes(Vec<u8>),
    Note(String),
    End,
}

/// What came from the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A whole line, without escapes and line end.
    Line(String),
    /// The unfinished line is now the prompt.
    Prompt,
    /// Nothing until the deadline.
    Nothing,
    /// QEMU has closed the console.
    End,
}

/// Both directions of the console, and everything that was said.
pub struct Console {
    input: ChildStdin,
    raw: Receiver<Raw>,
    lines: Lines,
    at_prompt: bool,
    transcript: Vec<String>,
}

impl Console {
    /// Starts to read; a copy of every byte goes to `log`.
    pub fn new(pipes: Pipes, log: Option<File>) -> Self {
        let (sender, raw) = mpsc::channel();
        let notes = sender.clone();
        let Pipes { input, output, errors } = pipes;
        thread::spawn(move || read_bytes(output, log, &sender));
        thread::spawn(move || read_notes(errors, &notes));
        Self { input, raw, lines: Lines::default(), at_prompt: false, transcript: Vec::new() }
    }

    /// Types a line and Enter.
    ///
    /// # Errors
    /// QEMU is gone.
    pub fn send(&mut self, text: &str) -> io::Result<()> {
        self.at_prompt = false;
        self.lines.forget_prompt();
        write!(self.input, "{text}\r")?;
        self.input.flush()
    }

    /// Sends keys as they are.
    ///
    /// # Errors
    /// QEMU is gone.
    pub fn press(&mut self, keys: &[u8]) -> io::Result<()> {
        self.input.write_all(keys)?;
        self.input.flush()
    }

    /// The next thing heard, waiting until `deadline` at most.
    pub fn next(&mut self, deadline: Instant) -> Heard {
        loop {
            if let Some(line) = self.lines.next_line() {
                self.at_prompt = false;
                self.transcript.push(line.clone());
                return Heard::Line(line);
            }
            if !self.at_prompt && self.lines.prompt(PROMPT) {
                self.at_prompt = true;
                return Heard::Prompt;
            }
            let patience = deadline.saturating_duration_since(Instant::now());
            match self.raw.recv_timeout(patience) {
                Ok(Raw::Bytes(bytes)) => self.lines.push(&bytes),
                Ok(Raw::Note(note)) => self.transcript.push(format!("qemu: {note}")),
                Ok(Raw::End) | Err(RecvTimeoutError::Disconnected) => return self.end(),
                Err(RecvTimeoutError::Timeout) => return Heard::Nothing,
            }
        }
    }

    /// True if the prompt was the last thing heard.
    pub fn at_prompt(&self) -> bool {
        self.at_prompt
    }

    /// All lines so far; QEMU's own messages start with `qemu: `.
    pub fn transcript(&self) -> &[String] {
        &self.transcript
    }

    /// The line that is not finished yet.
    pub fn unfinished(&self) -> String {
        self.lines.unfinished()
    }

    fn end(&mut self) -> Heard {
        while let Ok(Raw::Note(note)) = self.raw.try_recv() {
            self.transcript.push(format!("qemu: {note}"));
        }
        if self.lines.finish() { self.next(Instant::now()) } else { Heard::End }
    }
}

fn read_bytes(mut output: impl Read, mut log: Option<File>, sender: &Sender<Raw>) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = output.read(&mut buffer) {
        if let Some(log) = &mut log {
            let _ = log.write_all(&buffer[..count]);
        }
        if sender.send(Raw::Bytes(buffer[..count].to_vec())).is_err() {
            return;
        }
    }
    let _ = sender.send(Raw::End);
}

fn read_notes(errors: impl Read, sender: &Sender<Raw>) {
    for line in BufReader::new(errors).lines().map_while(Result::ok) {
        if sender.send(Raw::Note(line)).is_err() {
            return;
        }
    }
}
