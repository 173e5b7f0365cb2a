//! What each command does, for people; and the table from which the parser takes the commands.

mod table;

#[cfg(all(test, not(loom)))]
mod tests;

use core::fmt::{self, Write};

pub use table::TABLE;

use super::command::Command;
use super::parse::{Args, ParseError};

/// A command: its words, its explanation, and the function that builds the command from the
/// arguments.
pub struct Entry {
    /// One word, or two.
    pub name: &'static str,
    /// Its arguments, without the options.
    pub arguments: &'static str,
    /// One line that says what the command does.
    pub summary: &'static str,
    /// Its arguments and options one by one.
    pub items: &'static [Item],
    /// A line to try.
    pub example: &'static str,
    /// Builds the command; the parser refuses arguments that are left over.
    pub(super) build: fn(&mut Args) -> Result<Command, ParseError>,
}

/// An argument or option of a command.
pub struct Item {
    /// `--name` of an option; an argument as written in [`Entry::arguments`].
    pub name: &'static str,
    /// The form of an option's value; empty for options without a value, and for arguments.
    pub value: &'static str,
    /// The meaning. Empty for options that only kernels write for each other: not shown.
    pub meaning: &'static str,
}

impl Entry {
    /// The first word of the name.
    pub fn first(&self) -> &'static str {
        self.name.split(' ').next().unwrap_or(self.name)
    }

    /// The second word of the name.
    pub fn second(&self) -> Option<&'static str> {
        self.name.split(' ').nth(1)
    }

    /// The options that are shown.
    pub fn options(&self) -> impl Iterator<Item = &'static Item> + use<> {
        self.items.iter().filter(|item| item.name.starts_with("--") && !item.meaning.is_empty())
    }
}

/// Names of all commands, for completion.
pub static NAMES: [&str; TABLE.len()] = {
    let mut names = [""; TABLE.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = TABLE[i].name;
        i += 1;
    }
    names
};

/// The commands with a name, or, for the first of two words, all that begin with that word.
pub fn about(topic: &str) -> impl Iterator<Item = &'static Entry> {
    TABLE.iter().filter(move |entry| entry.name == topic || entry.first() == topic)
}

/// Writes one line for each command.
///
/// # Errors
/// Those of `out`.
pub fn overview(out: &mut dyn Write) -> fmt::Result {
    let width = |entry: &Entry| entry.name.len() + 1 + entry.arguments.len();
    let widest = TABLE.iter().map(width).max().unwrap_or(0);
    for entry in &TABLE {
        let gap = widest - width(entry) + 2;
        writeln!(out, "{} {}{:gap$}{}", entry.name, entry.arguments, "", entry.summary)?;
    }
    writeln!(out, "\n\"help COMMAND\" shows the options of a command and an example.")
}

/// Writes what is known about a command, or about all that begin with `topic`.
///
/// # Errors
/// Those of `out`.
pub fn explain(topic: &str, out: &mut dyn Write) -> fmt::Result {
    for (i, entry) in about(topic).enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        one(entry, out)?;
    }
    Ok(())
}

fn one(entry: &Entry, out: &mut dyn Write) -> fmt::Result {
    let space = if entry.arguments.is_empty() { "" } else { " " };
    let options = if entry.options().next().is_some() { " [options]" } else { "" };
    writeln!(out, "{}{space}{}{options}", entry.name, entry.arguments)?;
    writeln!(out, "  {}", entry.summary)?;
    for item in entry.items.iter().filter(|item| !item.meaning.is_empty()) {
        let space = if item.value.is_empty() { "" } else { " " };
        writeln!(out, "  {}{space}{}", item.name, item.value)?;
        item.meaning.lines().try_for_each(|line| writeln!(out, "      {line}"))?;
    }
    writeln!(out, "  example: {}", entry.example)
}
