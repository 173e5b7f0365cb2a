//! Messages: on the console by level, and kept for `dmesg`.

use alloc::format;
use alloc::string::String;

use super::Kernel;
use crate::report::{self, Record};

/// Bytes kept for `dmesg`; the oldest lines go first.
const KEPT: usize = 32 << 10;

/// How urgent a message is; numbers as in Linux.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Level {
    /// Something failed.
    Error = 3,
    /// Something is odd and was dealt with.
    Warning = 4,
    /// Good to know.
    Info = 6,
}

/// The messages of this kernel.
pub(super) struct Log {
    text: String,
    level: u8,
}

impl Log {
    pub(super) fn new(level: u8) -> Self {
        Self { text: String::new(), level }
    }

    fn keep(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        if let Some(excess) = self.text.len().checked_sub(KEPT) {
            let cut = self.text[excess..].find('\n').map_or(self.text.len(), |at| excess + at + 1);
            self.text.drain(..cut);
        }
    }
}

impl Kernel {
    /// Keeps a message, and prints the message if the level is within the log level.
    pub fn say(&mut self, level: Level, text: &str) {
        let prefix = if level == Level::Warning { "warning: " } else { "" };
        let line = format!("{prefix}{text}");
        if level as u8 <= self.log.level {
            self.print(&line);
        }
        self.log.keep(&line);
    }

    /// Prints a line.
    pub fn print(&self, line: &str) {
        self.board.put(line);
        self.board.put("\n");
    }

    /// Prints a record.
    pub fn record(&self, record: &Record) {
        self.print(&report::to_line(record));
    }

    /// Says that a command or an option failed, for people and for programs.
    pub fn error(&mut self, place: &str, what: &str) {
        self.say(Level::Error, &format!("error: {what}"));
        let (what, place) = (what.into(), place.into());
        self.record(&Record::Error(report::CommandError { what, place }));
    }

    /// The messages kept.
    pub fn messages(&self) -> &str {
        &self.log.text
    }

    /// Messages of this level and below are printed.
    pub fn loglevel(&self) -> u8 {
        self.log.level
    }

    /// Changes [`Self::loglevel`].
    pub fn set_loglevel(&mut self, level: u8) {
        self.log.level = level;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_whole_lines_go_first() {
        let mut log = Log::new(7);
        for i in 0..5000 {
            log.keep(&format!("line {i}"));
        }
        assert!(log.text.len() <= KEPT);
        assert!(log.text.starts_with("line ") && log.text.ends_with("line 4999\n"));
    }
}
