//! Lines become commands.
//!
//! Words are separated by white space; inside `'...'` and `"..."` white space belongs to the word,
//! a backslash takes the next character literally (but not inside `'...'`), `#` at the start of a
//! word begins a comment. Options are `--name VALUE` or `--name=VALUE` and may stand anywhere after
//! the command.

mod args;
pub(super) mod build;
mod error;
mod tokens;

#[cfg(all(test, not(loom)))]
mod tests;

use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub use args::Args;
pub use error::ParseError;
pub use tokens::commands;
pub(super) use tokens::is_quoted;

use super::command::Command;
use super::help::{self, Entry};
use crate::options::nearest;

/// Reads one line; `None` for a line of only white space and comment. For a line that may hold
/// several commands see [`commands`].
///
/// # Errors
/// [`ParseError`] says what is wrong with the line and what to type instead.
pub fn parse(line: &str) -> Result<Option<Command>, ParseError> {
    let words = tokens::tokens(line)?;
    let Some(first) = words.first() else { return Ok(None) };
    let (entry, used) = find(first, words.get(1))?;
    let mut args = Args::new(entry, words.into_iter().skip(used))?;
    let command = (entry.build)(&mut args)?;
    args.end()?;
    Ok(Some(command))
}

/// The command that the first words name, and how many words that took.
fn find(first: &str, second: Option<&String>) -> Result<(&'static Entry, usize), ParseError> {
    let group: Vec<&'static Entry> = help::TABLE.iter().filter(|e| e.first() == first).collect();
    let Some(&head) = group.first() else { return Err(unknown(first)) };
    let two = group.iter().find(|e| e.second().is_some() && e.second() == second.map(|s| &**s));
    if let Some(entry) = two {
        return Ok((entry, 2));
    }
    if let Some(entry) = group.iter().find(|entry| entry.name == first) {
        return Ok((entry, 1));
    }
    let choices: Vec<&'static str> = group.iter().filter_map(|entry| entry.second()).collect();
    let Some(second) = second else {
        return Err(ParseError::NoVerb { group: head.first(), choices });
    };
    let (word, nearest) = (second.clone(), nearest(second, &choices));
    Err(ParseError::Verb { group: head.first(), choices, word, nearest })
}

/// Commands that have another name by now: what was typed, the name by now, what the word means
/// else.
const RENAMED: [(&str, &str, &str); 1] =
    [("load", "stress", "\"kexec load\" is what loads a kernel")];

/// Finds what was meant: `offlin` alone leads to `cpu offline`.
fn unknown(word: &str) -> ParseError {
    if let Some(&(word, now, instead)) = RENAMED.iter().find(|(old, ..)| *old == word) {
        return ParseError::Renamed { word, now, instead };
    }
    let words: Vec<&'static str> = help::TABLE
        .iter()
        .map(Entry::first)
        .chain(help::TABLE.iter().filter_map(Entry::second))
        .collect();
    let nearest = nearest(word, &words).map(|near| {
        let with = help::TABLE.iter().find(|entry| entry.second() == Some(near));
        with.map_or(near, |entry| entry.name)
    });
    ParseError::Unknown { word: word.to_string(), nearest }
}
