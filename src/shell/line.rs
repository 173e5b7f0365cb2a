//! A line editor for a terminal at the other end of a UART, or a pipe that just sends lines.

mod complete;
mod keys;
mod view;

#[cfg(all(test, not(loom)))]
mod terminal;
#[cfg(all(test, not(loom)))]
mod tests;

use alloc::string::String;
use core::fmt::Write;
use core::mem;

use super::history::History;
use complete::{Completion, complete};
use keys::{Key, Keys};
use view::{View, put};

/// What stands before the line.
pub const PROMPT: &str = "baton> ";

/// Longest line, in bytes.
pub const MAX_LINE: usize = 512;

/// Collects bytes into lines. The editor writes what the terminal has to show, and expects no other
/// writer between [`Editor::prompt`] and the line's end; other code that writes in between calls
/// `prompt` again afterwards.
///
/// Lines end with CR, LF or CR LF. Bytes above 0x7e and unknown escape sequences are ignored.
pub struct Editor<'a> {
    names: &'a [&'a str],
    line: String,
    /// Index of the letter that the cursor is on; the line's length at its end.
    cursor: usize,
    /// A letter found no room since the line was last touched otherwise.
    overflow: bool,
    keys: Keys,
    view: View,
    history: History,
}

impl<'a> Editor<'a> {
    /// An empty line; Tab completes these names.
    pub fn new(names: &'a [&'a str]) -> Self {
        Self {
            names,
            line: String::new(),
            cursor: 0,
            overflow: false,
            keys: Keys::default(),
            view: View::default(),
            history: History::default(),
        }
    }

    /// Draws the prompt in a fresh row, followed by what has been typed of the next line. To be
    /// called first, and again after each line that [`Editor::feed`] returned.
    pub fn prompt(&mut self, out: &mut dyn Write) {
        self.view.fresh();
        if self.line.is_empty() {
            put(out, PROMPT); // alone, for a program that waits for the prompt
        } else {
            self.draw(out);
        }
    }

    /// Takes one byte. On Enter: the line, without its end. A line into which not all letters
    /// fitted is dropped instead, since what would be run is not what was sent.
    pub fn feed(&mut self, byte: u8, out: &mut dyn Write) -> Option<String> {
        let key = self.keys.feed(byte)?;
        match key {
            Key::Char(letter) => self.insert(letter, out),
            Key::Enter => return self.enter(out),
            _ => {
                self.overflow = false;
                self.edit(key, out);
            }
        }
        None
    }

    fn edit(&mut self, key: Key, out: &mut dyn Write) {
        let end = self.line.len();
        match key {
            Key::Backspace => self.backspace(out),
            Key::Delete | Key::EndOfInput => self.cut(self.cursor, end.min(self.cursor + 1), out),
            Key::Left => self.go(self.cursor.saturating_sub(1), out),
            Key::Right => self.go(end.min(self.cursor + 1), out),
            Key::Home => self.go(0, out),
            Key::End => self.go(end, out),
            Key::KillToEnd => self.cut(self.cursor, end, out),
            Key::KillToStart => self.cut(0, self.cursor, out),
            Key::KillWord => self.cut(self.word_start(), self.cursor, out),
            Key::Up => self.recall(true, out),
            Key::Down => self.recall(false, out),
            Key::Cancel => self.cancel(out),
            Key::Clear => self.clear(out),
            Key::Tab => self.complete(out),
            Key::Char(_) | Key::Enter => {}
        }
    }

    fn insert(&mut self, letter: char, out: &mut dyn Write) {
        if self.line.len() >= MAX_LINE {
            self.overflow = true;
            return beep(out);
        }
        self.line.insert(self.cursor, letter);
        self.cursor += 1;
        if self.cursor == self.line.len() {
            self.view.append(&self.line, out);
        } else {
            self.draw(out);
        }
    }

    fn enter(&mut self, out: &mut dyn Write) -> Option<String> {
        put(out, "\r\n");
        self.cursor = 0;
        self.view.fresh();
        let line = mem::take(&mut self.line);
        if mem::take(&mut self.overflow) {
            self.history.leave();
            let _ = write!(out, "error: the line is longer than {MAX_LINE} bytes; shorten it\r\n");
            self.prompt(out);
            return None;
        }
        self.history.push(&line);
        Some(line)
    }

    fn backspace(&mut self, out: &mut dyn Write) {
        if self.cursor == 0 || self.cursor < self.line.len() {
            return self.cut(self.cursor.saturating_sub(1), self.cursor, out);
        }
        self.line.pop();
        self.cursor -= 1;
        self.view.shorten(&self.line, out);
    }

    /// Takes letters out; the cursor goes to their place.
    fn cut(&mut self, from: usize, to: usize, out: &mut dyn Write) {
        if from < to {
            self.line.drain(from..to);
            self.cursor = from;
            self.draw(out);
        }
    }

    fn go(&mut self, cursor: usize, out: &mut dyn Write) {
        if cursor != self.cursor {
            self.cursor = cursor;
            self.draw(out);
        }
    }

    fn word_start(&self) -> usize {
        let before = self.line[..self.cursor].trim_end_matches(' ');
        before.rfind(' ').map_or(0, |space| space + 1)
    }

    fn recall(&mut self, older: bool, out: &mut dyn Write) {
        let found = if older { self.history.older(&self.line) } else { self.history.newer() };
        let Some(line) = found else { return beep(out) };
        self.line = line.into();
        self.cursor = self.line.len();
        self.draw(out);
    }

    fn cancel(&mut self, out: &mut dyn Write) {
        self.go(self.line.len(), out);
        put(out, "^C\r\n");
        self.line.clear();
        self.cursor = 0;
        self.history.leave();
        self.prompt(out);
    }

    fn clear(&mut self, out: &mut dyn Write) {
        put(out, "\x1b[H\x1b[2J");
        self.prompt(out);
    }

    fn complete(&mut self, out: &mut dyn Write) {
        let typed = self.line[..self.cursor].trim_start();
        let typed = typed.strip_prefix("help ").unwrap_or(typed);
        match complete(typed, self.names) {
            Completion::Nothing => beep(out),
            Completion::Unique(rest) => self.type_in(rest.chars().chain([' ']), out),
            Completion::Further(rest) => self.type_in(rest.chars(), out),
            Completion::Choices(names) => {
                self.go(self.line.len(), out);
                list(&names, out);
                self.prompt(out);
            }
        }
    }

    fn type_in(&mut self, letters: impl Iterator<Item = char>, out: &mut dyn Write) {
        letters.for_each(|letter| self.insert(letter, out));
    }

    fn draw(&mut self, out: &mut dyn Write) {
        self.view.draw(&self.line, self.cursor, out);
    }
}

/// Writes names below the line, as many in a row as fit.
fn list(names: &[&str], out: &mut dyn Write) {
    let mut column = usize::MAX;
    for name in names {
        let fits = column < view::WINDOW.saturating_sub(name.len());
        put(out, if fits { "  " } else { "\r\n" });
        column = if fits { column + 2 + name.len() } else { name.len() };
        put(out, name);
    }
    put(out, "\r\n");
}

fn beep(out: &mut dyn Write) {
    put(out, "\x07");
}
