//! A line editor for a terminal at the other end of a UART, or a pipe that just sends lines.

mod complete;
mod fault;
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
use super::parse::is_quoted;
pub use crate::config::MAX_LINE;
use crate::machine::Typed;
use complete::{Completion, complete};
use fault::Fault;
use keys::{Key, Keys};
use view::{View, put};

/// What stands before the line.
pub const PROMPT: &str = "baton> ";

/// Collects bytes into lines. The editor writes what the terminal has to show, and expects no other
/// writer between [`Editor::prompt`] and the line's end; other code that writes in between calls
/// `prompt` again afterwards.
///
/// Lines end with CR, LF or CR LF. Letters are UTF-8. Unknown escape sequences are keys that mean
/// nothing here, and are ignored; whatever else can't be taken as it came makes the line one that
/// is not run ([`Fault`]).
pub struct Editor<'a> {
    names: &'a [&'a str],
    line: String,
    /// Byte of the letter that the cursor is on; the line's length at its end.
    cursor: usize,
    /// Why the line is not what was typed.
    fault: Option<Fault>,
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
            fault: None,
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

    /// Takes what was typed. On Enter: the line, without its end. A line that is not what was typed
    /// is dropped instead, with an error that says why; the history keeps what there is of it.
    pub fn feed(&mut self, typed: Typed, out: &mut dyn Write) -> Option<String> {
        match typed {
            Typed::Byte(byte) => self.byte(byte, out),
            Typed::Damaged => self.spoil(Fault::Damaged, out),
            Typed::Lost => self.spoil(Fault::Lost, out),
        }
    }

    fn byte(&mut self, byte: u8, out: &mut dyn Write) -> Option<String> {
        for key in self.keys.feed(byte).into_iter().flatten() {
            match key {
                Key::Char(letter) => self.insert(letter, out),
                Key::Enter => return self.enter(out),
                _ => self.edit(key, out),
            }
        }
        None
    }

    /// The line can't be taken as it was typed: it is not run, whatever follows up to its end. Only
    /// its end, Ctrl-C, Ctrl-U at the end, and another line of the history make that undone.
    fn spoil(&mut self, fault: Fault, out: &mut dyn Write) -> Option<String> {
        self.fault.get_or_insert(fault);
        beep(out);
        None
    }

    fn edit(&mut self, key: Key, out: &mut dyn Write) {
        let end = self.line.len();
        match key {
            Key::Backspace => self.backspace(out),
            Key::Delete | Key::EndOfInput => self.cut(self.cursor, self.after(), out),
            Key::Left => self.go(self.before(), out),
            Key::Right => self.go(self.after(), out),
            Key::Home => self.go(0, out),
            Key::End => self.go(end, out),
            Key::KillToEnd => self.cut(self.cursor, end, out),
            Key::KillToStart => self.kill_to_start(out),
            Key::KillWord => self.cut(self.word_start(), self.cursor, out),
            Key::Up => self.recall(true, out),
            Key::Down => self.recall(false, out),
            Key::Cancel => self.cancel(out),
            Key::Clear => self.clear(out),
            Key::Tab => self.tab(out),
            Key::Control(c) => drop(self.spoil(Fault::Control(c), out)),
            Key::Broken => drop(self.spoil(Fault::NotUtf8, out)),
            Key::Char(_) | Key::Enter => {}
        }
    }

    fn insert(&mut self, letter: char, out: &mut dyn Write) {
        if self.line.len() + letter.len_utf8() > MAX_LINE {
            self.spoil(Fault::TooLong, out);
            return;
        }
        self.line.insert(self.cursor, letter);
        self.cursor += letter.len_utf8();
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
        self.history.push(&line);
        let Some(fault) = self.fault.take() else { return Some(line) };
        let _ = write!(out, "error: {fault}\r\n");
        self.prompt(out);
        None
    }

    fn backspace(&mut self, out: &mut dyn Write) {
        if self.cursor < self.line.len() {
            return self.cut(self.before(), self.cursor, out);
        }
        let Some(gone) = self.line.pop() else { return };
        self.cursor = self.line.len();
        self.view.shorten(&self.line, gone, out);
    }

    /// Where the letter before the cursor begins.
    fn before(&self) -> usize {
        let letter = self.line[..self.cursor].chars().next_back();
        self.cursor - letter.map_or(0, char::len_utf8)
    }

    /// Where the letter under the cursor ends.
    fn after(&self) -> usize {
        let letter = self.line[self.cursor..].chars().next();
        self.cursor + letter.map_or(0, char::len_utf8)
    }

    fn kill_to_start(&mut self, out: &mut dyn Write) {
        if self.cursor == self.line.len() {
            self.fault = None;
        }
        self.cut(0, self.cursor, out);
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
        self.fault = None;
        self.cursor = self.line.len();
        self.draw(out);
    }

    fn cancel(&mut self, out: &mut dyn Write) {
        self.go(self.line.len(), out);
        put(out, "^C\r\n");
        self.line.clear();
        self.fault = None;
        self.cursor = 0;
        self.history.leave();
        self.prompt(out);
    }

    fn clear(&mut self, out: &mut dyn Write) {
        put(out, "\x1b[H\x1b[2J");
        self.prompt(out);
    }

    /// Completes a name. Between arguments a tab separates, as in a line that is pasted, and in
    /// quotes it is a letter.
    fn tab(&mut self, out: &mut dyn Write) {
        if is_quoted(&self.line[..self.cursor]) {
            self.insert('\t', out);
        } else {
            self.complete(out);
        }
    }

    fn complete(&mut self, out: &mut dyn Write) {
        let typed = self.line[..self.cursor].trim_start();
        let typed = typed.strip_prefix("help ").unwrap_or(typed);
        match complete(typed, self.names) {
            Completion::Nothing if self.names.iter().any(|name| begins(typed, name)) => {
                self.insert(' ', out);
            }
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

/// True if arguments follow a name.
fn begins(typed: &str, name: &str) -> bool {
    typed.strip_prefix(name).is_some_and(|arguments| arguments.starts_with(' '))
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
