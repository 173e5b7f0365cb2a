//! Console bytes to lines: a pure buffer.

use std::mem;

const ESCAPE: u8 = 0x1b;

/// Splits a stream of bytes into lines, without terminal escapes.
#[derive(Debug, Default)]
pub struct Lines {
    pending: Vec<u8>,
    /// The unfinished line was there before something was typed, so it is no answer to it.
    stale: bool,
}

impl Lines {
    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole line.
    pub fn next_line(&mut self) -> Option<String> {
        let end = self.pending.iter().position(|&byte| byte == b'\n')?;
        let rest = self.pending.split_off(end + 1);
        let line = mem::replace(&mut self.pending, rest);
        self.stale = false;
        Some(clean(&line[..end]))
    }

    /// The text of the unfinished line.
    pub fn unfinished(&self) -> String {
        clean(&self.pending)
    }

    /// True if the unfinished line is the prompt and was not there before the last command.
    pub fn prompt(&self, prompt: &str) -> bool {
        !self.stale && self.unfinished() == prompt
    }

    /// A command is being typed behind the unfinished line: only a new line can be its answer.
    pub fn forget_prompt(&mut self) {
        self.stale = true;
    }

    /// Ends the unfinished line, if there is one; true if there was.
    pub fn finish(&mut self) -> bool {
        if !self.pending.is_empty() {
            self.pending.push(b'\n');
        }
        !self.pending.is_empty()
    }
}

/// Text without escapes, control characters and what a carriage return has overwritten.
fn clean(bytes: &[u8]) -> String {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            ESCAPE if rest.next_if_eq(&b'[').is_some() => {
                // A control sequence ends with the first byte of this range (ECMA-48, 5.4).
                rest.find(|end| (0x40..=0x7e).contains(end));
            }
            b'\r' if rest.peek().is_some_and(|&next| next != b'\r') => kept.clear(),
            b'\t' | b' '.. => kept.push(byte),
            _ => {}
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&str]) -> (Vec<String>, String) {
        let mut lines = Lines::default();
        let mut whole = Vec::new();
        for chunk in chunks {
            lines.push(chunk.as_bytes());
            whole.extend(std::iter::from_fn(|| lines.next_line()));
        }
        (whole, lines.unfinished())
    }

    #[test]
    fn lines_come_whole_however_the_bytes_are_cut() {
        let (whole, rest) = lines(&["on", "e\r", "\ntwo\n\r\nbat", "on> "]);
        assert_eq!(whole, ["one", "two", ""]);
        assert_eq!(rest, "baton> ");
    }

    #[test]
    fn escapes_and_overwritten_text_vanish() {
        let (whole, _) = lines(&["\x1b[1;32mgreen\x1b[0m\r\n", "old\r\x1b[Knew\r\r\n"]);
        assert_eq!(whole, ["green", "new"]);
    }

    #[test]
    fn a_prompt_from_before_the_command_is_not_its_answer() {
        let mut lines = Lines::default();
        lines.push(b"baton> ");
        assert!(lines.prompt("baton> "));
        lines.forget_prompt();
        assert!(!lines.prompt("baton> "));
        lines.push(b"cpus\r\n4 CPUs\r\nbaton> ");
        assert_eq!(lines.next_line().as_deref(), Some("baton> cpus"));
        assert_eq!(lines.next_line().as_deref(), Some("4 CPUs"));
        assert!(lines.prompt("baton> "));
    }

    #[test]
    fn the_last_line_may_lack_its_end() {
        let mut lines = Lines::default();
        lines.push(b"power off");
        assert!(lines.finish());
        assert_eq!(lines.next_line().as_deref(), Some("power off"));
        assert!(!lines.finish());
    }
}
