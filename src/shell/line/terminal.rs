//! A small terminal that shows what the echo of the editor comes to.

extern crate std;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use core::fmt;

use unicode_width::UnicodeWidthChar;

/// 80 columns, endless rows, auto wrap; knows the few sequences that the editor sends and panics
/// at any other.
pub struct Terminal {
    /// A letter with its accents in each cell; the second cell of a wide letter is empty.
    rows: Vec<Vec<String>>,
    pub row: usize,
    pub column: usize,
    pub beeps: usize,
    columns: usize,
    escape: Option<String>,
}

impl Terminal {
    pub fn new(columns: usize) -> Self {
        Self { rows: vec![Vec::new()], row: 0, column: 0, beeps: 0, columns, escape: None }
    }

    /// The rows, without white space at their ends.
    pub fn screen(&self) -> Vec<String> {
        self.rows.iter().map(|row| row.concat().trim_end().into()).collect()
    }

    /// The row of the cursor, without white space at its end.
    pub fn current(&self) -> String {
        self.screen()[self.row].clone()
    }

    /// What stands in these columns of the cursor's row.
    pub fn part(&self, from: usize, to: usize) -> String {
        let row = &self.rows[self.row];
        (from..to).map(|at| row.get(at).map_or(" ", String::as_str)).collect()
    }

    fn letter(&mut self, c: char) {
        let width = c.width().unwrap();
        if self.column + width > self.columns {
            self.column = 0;
            self.line_feed();
        }
        let row = &mut self.rows[self.row];
        if row.len() < self.column + width {
            row.resize(self.column + width, " ".into());
        }
        if width == 0 {
            let before = self.column.checked_sub(1).map(|at| &mut row[at]);
            return before.into_iter().for_each(|cell| cell.push(c));
        }
        row[self.column] = c.to_string();
        row[self.column + 1..self.column + width].fill(String::new());
        self.column += width;
    }

    fn line_feed(&mut self) {
        self.row += 1;
        if self.row == self.rows.len() {
            self.rows.push(Vec::new());
        }
    }

    fn take(&mut self, c: char) {
        match c {
            _ if self.escape.is_some() => self.sequence(c),
            '\x1b' => self.escape = Some(String::new()),
            '\r' => self.column = 0,
            '\n' => self.line_feed(),
            '\x08' => self.column = self.column.saturating_sub(1),
            '\x07' => self.beeps += 1,
            _ if !c.is_control() => self.letter(c),
            _ => panic!("the editor sent {c:?}"),
        }
    }

    fn sequence(&mut self, c: char) {
        let text = self.escape.as_mut().unwrap();
        text.push(c);
        if !c.is_ascii_alphabetic() {
            return;
        }
        let text = self.escape.take().unwrap();
        match text.as_str() {
            "[K" => self.rows[self.row].truncate(self.column),
            "[H" => (self.row, self.column) = (0, 0),
            "[2J" => self.rows.iter_mut().for_each(Vec::clear),
            _ => self.left(&text),
        }
    }

    fn left(&mut self, text: &str) {
        let number = text.strip_prefix('[').and_then(|t| t.strip_suffix('D')).expect(text);
        let by: usize = number.parse().expect(text);
        assert!((1..=self.column).contains(&by), "the cursor would leave the row: {text}");
        self.column -= by;
    }
}

impl fmt::Write for Terminal {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().for_each(|c| self.take(c));
        Ok(())
    }
}
