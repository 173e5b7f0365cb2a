//! What the terminal shows of the line.
//!
//! The width of the terminal is not known, only that it has [`COLUMNS`] columns or more. So letters
//! typed at the end are just echoed and may run over the edge; at the first other edit of such a
//! line, the line is drawn in a fresh row as a window that moves along with the cursor.

use core::fmt::Write;

use unicode_width::UnicodeWidthChar;

use super::PROMPT;

/// Columns that every terminal has.
const COLUMNS: usize = 80;

/// Columns of the line in one row: the last column stays empty, terminals differ in what a letter
/// there does to the cursor.
pub(super) const WINDOW: usize = COLUMNS - 1 - PROMPT.len();

/// Columns before the cursor that the window keeps in sight.
const MARGIN: usize = 16;

/// Where the row of the prompt is in the line.
#[derive(Default)]
pub(super) struct View {
    /// Column of the line from which on it is shown.
    left: usize,
    /// The line was echoed over the edge of its row.
    wrapped: bool,
}

/// Writes; a terminal that takes no bytes can't be told so.
pub(super) fn put(out: &mut dyn Write, text: &str) {
    let _ = out.write_str(text);
}

impl View {
    /// The cursor is in a fresh row.
    pub(super) fn fresh(&mut self) {
        *self = Self::default();
    }

    /// A letter was added at the end of the line, and the cursor stands behind that letter.
    pub(super) fn append(&mut self, line: &str, out: &mut dyn Write) {
        if self.left > 0 {
            return self.draw(line, line.len(), out);
        }
        self.wrapped |= width(line) > WINDOW;
        show(&line[line.len() - last(line).map_or(0, char::len_utf8)..], out);
    }

    /// The letter `gone` was taken away at the end of the line, and the cursor stands there.
    pub(super) fn shorten(&mut self, line: &str, gone: char, out: &mut dyn Write) {
        if self.left > 0 || self.wrapped || columns(gone) != 1 {
            return self.draw(line, line.len(), out);
        }
        put(out, "\x08 \x08");
    }

    /// Draws prompt and line anew, with the cursor before the letter at byte `cursor`.
    pub(super) fn draw(&mut self, line: &str, cursor: usize, out: &mut dyn Write) {
        if core::mem::take(&mut self.wrapped) {
            put(out, "\r\n");
        }
        let at = width(&line[..cursor]);
        self.left = self.left.clamp(at.saturating_sub(WINDOW), at.saturating_sub(MARGIN));
        if width(line) <= WINDOW {
            self.left = 0;
        }
        let (start, shown) = window(line, self.left);
        let _ = write!(out, "\r{PROMPT}");
        show(shown, out);
        put(out, "\x1b[K");
        let end = start + width(shown);
        if end > at {
            let _ = write!(out, "\x1b[{}D", end - at);
        }
    }
}

/// The part of a line that is shown from column `left` on, and the column at which it begins: the
/// one behind if a wide letter lies across, and without the accents of a letter before.
fn window(line: &str, left: usize) -> (usize, &str) {
    let mut column = 0;
    let mut letters = line.char_indices().map(|(at, c)| {
        let begin = column;
        column += columns(c);
        (at, begin, column)
    });
    let whole =
        |&(_, begin, end): &(usize, usize, usize)| begin >= left && (left == 0 || end > begin);
    let Some((from, start, _)) = letters.find(whole) else { return (left, "") };
    let beyond = letters.find(|&(_, _, end)| end > start + WINDOW);
    (start, &line[from..beyond.map_or(line.len(), |(at, ..)| at)])
}

/// Columns of a letter: accents that stand alone take none, wide letters two. A tab is shown as one
/// blank.
fn columns(c: char) -> usize {
    if c == '\t' { 1 } else { c.width().unwrap_or(0) }
}

/// Columns of a text.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

fn last(line: &str) -> Option<char> {
    line.chars().next_back()
}

/// Writes a part of the line.
fn show(text: &str, out: &mut dyn Write) {
    for (i, part) in text.split('\t').enumerate() {
        put(out, if i > 0 { " " } else { "" });
        put(out, part);
    }
}
