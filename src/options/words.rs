//! Splits a command line into words, with the quoting rules of Linux: a `"` anywhere opens or
//! closes a stretch in which white space does not separate, there are no escapes, and quotes around
//! a value or around the whole word are not part of the word.

/// One word and its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OptionWord<'a> {
    /// Byte offset in the command line.
    pub start: usize,
    /// The word with its quotes.
    pub whole: &'a str,
    /// What stands before the first `=`.
    pub key: &'a str,
    /// What stands after that `=`, without surrounding quotes; `None` if there is no `=`.
    pub value: Option<&'a str>,
}

/// The words up to a bare `--`.
pub fn words(line: &str) -> impl Iterator<Item = OptionWord<'_>> {
    let mut at = 0;
    core::iter::from_fn(move || {
        let start = at + line[at..].find(|c| !is_space(c))?;
        at = start + length(&line[start..]);
        Some(word(start, &line[start..at]))
    })
    .take_while(|word| word.whole != "--")
}

fn is_space(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\x0b'
}

fn length(rest: &str) -> usize {
    let mut quoted = false;
    let end = rest.find(|c| {
        quoted ^= c == '"';
        !quoted && is_space(c)
    });
    end.unwrap_or(rest.len())
}

fn word(start: usize, whole: &str) -> OptionWord<'_> {
    let bare = unquoted(whole);
    match bare.split_once('=') {
        Some((key, value)) => OptionWord { start, whole, key, value: Some(unquoted(value)) },
        None => OptionWord { start, whole, key: bare, value: None },
    }
}

/// Without the opening quote and the one at the end, which may be missing.
fn unquoted(text: &str) -> &str {
    let Some(inner) = text.strip_prefix('"') else { return text };
    inner.strip_suffix('"').unwrap_or(inner)
}
