//! The words after a command's name, sorted into arguments and options.

use alloc::string::String;
use alloc::vec::{IntoIter, Vec};

use super::ParseError;
use crate::options::nearest;
use crate::shell::help::{Entry, Item};

/// What stands after the name of a command. Options are known from the command's row in the table.
pub struct Args {
    entry: &'static Entry,
    words: IntoIter<String>,
    options: Vec<(&'static str, String)>,
}

impl Args {
    pub(super) fn new(
        entry: &'static Entry,
        words: impl Iterator<Item = String>,
    ) -> Result<Self, ParseError> {
        let mut plain = Vec::new();
        let mut options = Vec::new();
        let mut words = words;
        while let Some(word) = words.next() {
            if !word.starts_with("--") {
                plain.push(word);
                continue;
            }
            let (item, value) = option(entry, &word, &mut words)?;
            if options.iter().any(|&(name, _)| name == item.name) {
                return Err(ParseError::Twice { command: entry.name, option: item.name });
            }
            options.push((item.name, value));
        }
        Ok(Self { entry, words: plain.into_iter(), options })
    }

    /// Name of the command.
    pub(super) fn command(&self) -> &'static str {
        self.entry.name
    }

    /// The next argument, if there is one.
    pub(super) fn word(&mut self) -> Option<String> {
        self.words.next()
    }

    /// The next argument, which must be there.
    pub(super) fn need(&mut self, what: &'static str) -> Result<String, ParseError> {
        self.word().ok_or(ParseError::Missing { command: self.command(), what })
    }

    /// Takes the value of an option out; empty for one that has no value.
    pub(super) fn option(&mut self, name: &str) -> Option<String> {
        let at = self.options.iter().position(|&(given, _)| given == name)?;
        Some(self.options.swap_remove(at).1)
    }

    /// Refuses arguments that were not taken.
    pub(super) fn end(mut self) -> Result<(), ParseError> {
        match self.word() {
            Some(word) => Err(ParseError::Extra { command: self.command(), word }),
            None => Ok(()),
        }
    }
}

/// The option that `word` names, and its value.
fn option(
    entry: &'static Entry,
    word: &str,
    rest: &mut impl Iterator<Item = String>,
) -> Result<(&'static Item, String), ParseError> {
    let command = entry.name;
    let (name, inline) = match word.split_once('=') {
        Some((name, value)) => (name, Some(String::from(value))),
        None => (word, None),
    };
    let item = entry.items.iter().find(|item| item.name == name).ok_or_else(|| {
        let known: Vec<&'static str> = entry.options().map(|item| item.name).collect();
        ParseError::Option { command, word: name.into(), nearest: nearest(name, &known) }
    })?;
    let value = match (item.value, inline) {
        ("", Some(_)) => return Err(ParseError::NoValue { command, option: item.name }),
        ("", None) => Some(String::new()),
        (_, inline) => inline.or_else(|| rest.next()),
    };
    let value = value.ok_or(ParseError::NeedsValue { command, option: item.name })?;
    Ok((item, value))
}
