//! The messages that are kept for `dmesg`, and the level up to which messages are printed.

use alloc::string::String;

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
    /// Empty; messages up to `level` are printed.
    pub(super) fn new(level: u8) -> Self {
        Self { text: String::new(), level }
    }

    /// Keeps a line. When [`KEPT`] bytes are full, the oldest whole lines go.
    pub(super) fn keep(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        if let Some(excess) = self.text.len().checked_sub(KEPT) {
            let cut = self.text[excess..].find('\n').map_or(self.text.len(), |at| excess + at + 1);
            self.text.drain(..cut);
        }
    }

    /// The lines that are kept.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Messages of this level and below are printed.
    pub(super) fn level(&self) -> u8 {
        self.level
    }

    /// Changes [`Self::level`].
    pub(super) fn set_level(&mut self, level: u8) {
        self.level = level;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use alloc::format;

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
