//! The lines that were entered before.

use alloc::collections::VecDeque;
use alloc::string::String;

/// Lines that are kept.
pub const MAX_LINES: usize = 32;

/// The last lines, oldest first, and how far back the user has gone.
#[derive(Default)]
pub struct History {
    lines: VecDeque<String>,
    /// Steps back from the line being typed; 0 is that line itself.
    back: usize,
    /// What was typed before the first step back.
    draft: String,
}

impl History {
    /// Keeps a line, unless blank or the same as the last one, and returns to the newest.
    pub fn push(&mut self, line: &str) {
        self.back = 0;
        self.draft.clear();
        if line.trim().is_empty() || self.lines.back().is_some_and(|last| last == line) {
            return;
        }
        if self.lines.len() == MAX_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line.into());
    }

    /// Returns to the newest line without keeping anything.
    pub fn leave(&mut self) {
        self.back = 0;
        self.draft.clear();
    }

    /// The line before; `current` is what stands there now. `None` at the oldest.
    pub fn older(&mut self, current: &str) -> Option<&str> {
        if self.back == self.lines.len() {
            return None;
        }
        if self.back == 0 {
            self.draft = current.into();
        }
        self.back += 1;
        self.at()
    }

    /// The line after, at last what was typed before the first step back. `None` past that.
    pub fn newer(&mut self) -> Option<&str> {
        self.back = self.back.checked_sub(1)?;
        self.at()
    }

    fn at(&self) -> Option<&str> {
        match self.back {
            0 => Some(&self.draft),
            back => self.lines.get(self.lines.len().checked_sub(back)?).map(String::as_str),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use std::format;

    use super::*;

    #[test]
    fn the_way_back_ends_at_the_oldest_and_returns_to_the_draft() {
        let mut history = History::default();
        history.push("one");
        history.push("two");
        assert_eq!(history.older("dra"), Some("two"));
        assert_eq!(history.older("two"), Some("one"));
        assert_eq!(history.older("one"), None);
        assert_eq!(history.newer(), Some("two"));
        assert_eq!(history.newer(), Some("dra"));
        assert_eq!(history.newer(), None);
    }

    #[test]
    fn blanks_and_repetitions_are_not_kept() {
        let mut history = History::default();
        ["a", "a", "  ", "", "b", "a"].into_iter().for_each(|line| history.push(line));
        assert_eq!(history.lines, ["a", "b", "a"]);
    }

    #[test]
    fn only_the_last_32_lines_are_kept() {
        let mut history = History::default();
        (0..40).for_each(|i| history.push(&format!("line {i}")));
        assert_eq!(history.lines.len(), MAX_LINES);
        assert_eq!(history.lines.front().map(String::as_str), Some("line 8"));
        let back = (0..100).take_while(|_| history.older("").is_some()).count();
        assert_eq!(back, MAX_LINES);
    }
}
