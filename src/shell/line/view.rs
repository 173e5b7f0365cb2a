//! What the terminal shows of the line.
//!
//! The width of the terminal is not known, only that it has [`COLUMNS`] columns or more. So letters
//! typed at the end are just echoed and may run over the edge; at the first other edit of such a
//! line, the line is drawn in a fresh row as a window that moves along with the cursor.

use core::fmt::Write;

use super::PROMPT;

/// Columns that every terminal has.
const COLUMNS: usize = 80;

/// Letters of the line in one row: the last column stays empty, terminals differ in what a letter
/// there does to the cursor.
pub(super) const WINDOW: usize = COLUMNS - 1 - PROMPT.len();

/// Letters before the cursor that the window keeps in sight.
const MARGIN: usize = 16;

/// Where the row of the prompt is in the line.
#[derive(Default)]
pub(super) struct View {
    /// Index of the first letter that is shown.
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
        self.wrapped |= line.len() > WINDOW;
        put(out, &line[line.len() - 1..]);
    }

    /// The last letter was taken away, and the cursor stands at the end.
    pub(super) fn shorten(&mut self, line: &str, out: &mut dyn Write) {
        if self.left > 0 || self.wrapped {
            return self.draw(line, line.len(), out);
        }
        put(out, "\x08 \x08");
    }

    /// Draws prompt and line anew, with the cursor before letter `cursor`.
    pub(super) fn draw(&mut self, line: &str, cursor: usize, out: &mut dyn Write) {
        if core::mem::take(&mut self.wrapped) {
            put(out, "\r\n");
        }
        self.left = self.left.clamp(cursor.saturating_sub(WINDOW), cursor.saturating_sub(MARGIN));
        if line.len() <= WINDOW {
            self.left = 0;
        }
        let end = line.len().min(self.left + WINDOW);
        let shown = &line[self.left..end];
        let _ = write!(out, "\r{PROMPT}{shown}\x1b[K");
        if end > cursor {
            let _ = write!(out, "\x1b[{}D", end - cursor);
        }
    }
}
