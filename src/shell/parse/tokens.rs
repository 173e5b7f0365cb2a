//! Quotes, words, and the cuts between several commands on one line.

use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

use super::ParseError;

/// What a character turned out to be.
enum Seen {
    /// A quote or a backslash: belongs to a word but is none of its letters.
    Syntax,
    /// A letter of a word, even if it is white space or a quote.
    Letter(char),
    /// Neither quoted nor escaped: may separate.
    Bare(char),
}

#[derive(Default)]
struct Quoting {
    quote: Option<char>,
    escaped: bool,
}

impl Quoting {
    fn take(&mut self, c: char) -> Seen {
        if mem::take(&mut self.escaped) {
            return Seen::Letter(c);
        }
        match (self.quote, c) {
            (Some(quote), _) if c == quote => self.quote = None,
            (Some('\''), _) => return Seen::Letter(c),
            (_, '\\') => self.escaped = true,
            (Some(_), _) => return Seen::Letter(c),
            (None, '"' | '\'') => self.quote = Some(c),
            (None, _) => return Seen::Bare(c),
        }
        Seen::Syntax
    }

    fn end(&self) -> Result<(), ParseError> {
        match (self.quote, self.escaped) {
            (Some(quote), _) => Err(ParseError::OpenQuote(quote)),
            (None, true) => Err(ParseError::LoneBackslash),
            (None, false) => Ok(()),
        }
    }
}

/// Refuses a character that looks like one with a meaning and has none, outside quotes.
fn refuse(c: char, begins: bool) -> Result<(), ParseError> {
    let meant = match c {
        '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}' => "type \" for it",
        '\u{2018}'..='\u{201b}' => "type ' for it",
        '\u{2010}'..='\u{2015}' | '\u{2212}' if begins => "type - for it, and -- before an option",
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}' => {
            "it can't be seen; leave it out"
        }
        c if c.is_whitespace() && !c.is_ascii_whitespace() && c != '\x0b' => "type a blank for it",
        _ => return Ok(()),
    };
    Err(ParseError::Lookalike { c, meant })
}

/// True if what follows `begin` stands in quotes that are open.
pub(in crate::shell) fn is_quoted(begin: &str) -> bool {
    let mut quoting = Quoting::default();
    begin.chars().for_each(|c| _ = quoting.take(c));
    quoting.quote.is_some()
}

/// The words of one command.
pub(super) fn tokens(line: &str) -> Result<Vec<String>, ParseError> {
    let mut quoting = Quoting::default();
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    for c in line.chars() {
        let seen = quoting.take(c);
        if let Seen::Bare(c) = seen {
            refuse(c, word.is_none())?;
        }
        match seen {
            Seen::Bare('#') if word.is_none() => break,
            Seen::Bare(c) if c.is_whitespace() => words.extend(word.take()),
            Seen::Bare(c) | Seen::Letter(c) => word.get_or_insert_default().push(c),
            Seen::Syntax => drop(word.get_or_insert_default()),
        }
    }
    quoting.end()?;
    words.extend(word);
    Ok(words)
}

/// The commands of a script: what `;` and line ends separate, outside quotes and comments.
///
/// ```
/// use baton::shell::parse::commands;
/// let found: Vec<_> = commands("cpus; kexec load 'a;b' # and; so on\nreset").collect();
/// assert_eq!(found, ["cpus", " kexec load 'a;b' # and; so on", "reset"]);
/// ```
pub fn commands(script: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(script);
    core::iter::from_fn(move || {
        let (command, after) = cut(rest?);
        rest = after;
        Some(command)
    })
}

fn cut(script: &str) -> (&str, Option<&str>) {
    let mut quoting = Quoting::default();
    let (mut comment, mut between) = (false, true);
    for (at, c) in script.char_indices() {
        let bare = match c {
            _ if comment => c == '\n',
            _ => matches!(quoting.take(c), Seen::Bare(_)),
        };
        if bare && (c == '\n' || c == ';') {
            return (&script[..at], Some(&script[at + 1..]));
        }
        comment |= bare && between && c == '#';
        between = bare && c.is_whitespace();
    }
    (script, None)
}
