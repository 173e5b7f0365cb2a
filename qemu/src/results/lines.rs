//! The lines of `report`, as they come in over a console that loses some.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};
use baton::results::{Document, LINE_PREFIX, Line};

/// Numbers that are named when lines are missing.
const NAMED: usize = 8;

/// The lines that have come.
#[derive(Default)]
pub struct Received {
    /// How many there are to be, as the last line said.
    of: usize,
    lines: BTreeMap<usize, Vec<u8>>,
    /// Lines that begin as one of `report` and were damaged.
    damaged: usize,
}

impl Received {
    /// Takes a line of the console; true if it was a good line of `report`. A line of a document with
    /// another number of lines begins anew: `report` was typed again, and has more by now.
    pub fn take(&mut self, text: &str) -> bool {
        match Line::read(text) {
            Some(line) => {
                if line.of != self.of {
                    self.lines.clear();
                }
                self.of = line.of;
                self.lines.insert(line.number, line.bytes);
                true
            }
            None => {
                self.damaged += usize::from(text.contains(LINE_PREFIX.trim_end()));
                false
            }
        }
    }

    /// Lines that were damaged on the way.
    pub fn damaged(&self) -> usize {
        self.damaged
    }

    /// True once a line has come.
    pub fn has_begun(&self) -> bool {
        self.of > 0
    }

    /// Numbers of the lines that have not come.
    pub fn missing(&self) -> impl Iterator<Item = usize> {
        (1..=self.of).filter(|number| !self.lines.contains_key(number))
    }

    /// The document.
    ///
    /// # Errors
    /// No line has come, some are missing, or all together are no document.
    pub fn document(&self) -> Result<Document> {
        ensure!(self.has_begun(), "no line of results; type `report` at baton's prompt");
        let missing: Vec<String> = self.missing().map(|number| number.to_string()).collect();
        if !missing.is_empty() {
            let named = missing[..missing.len().min(NAMED)].join(", ");
            let more = if missing.len() > NAMED { ", ..." } else { "" };
            bail!(
                "{} of {} lines of results are missing: {named}{more}; `report N` prints line N again",
                missing.len(),
                self.of
            );
        }
        let bytes: Vec<u8> = self.lines.values().flatten().copied().collect();
        Document::read(&bytes).map_err(|why| anyhow::anyhow!("{why}"))
    }
}
