//! Splits a command line into words, with the quoting rules of Linux: a `"` anywhere opens or
//! closes a stretch in which white space does not separate, there are no escapes, and quotes around
//! a value or around the whole word are not part of the word. A word is bytes, whatever they are.

/// The word behind which all words are init's.
pub const INIT: &[u8] = b"--";

/// One word and its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OptionWord<'a> {
    /// Byte offset in the command line.
    pub start: usize,
    /// The word with its quotes.
    pub whole: &'a [u8],
    /// What stands before the first `=`.
    pub key: &'a [u8],
    /// What stands after that `=`, without surrounding quotes; `None` if there is no `=`.
    pub value: Option<&'a [u8]>,
}

/// All words.
pub fn words(line: &[u8]) -> impl Iterator<Item = OptionWord<'_>> {
    let mut at = 0;
    core::iter::from_fn(move || {
        let start = at + line[at..].iter().position(|&byte| !is_space(byte))?;
        at = start + length(&line[start..]);
        Some(word(start, &line[start..at]))
    })
}

/// The words up to a bare `--`.
pub fn ours(line: &[u8]) -> impl Iterator<Item = OptionWord<'_>> {
    words(line).take_while(|word| word.whole != INIT)
}

/// The words behind a bare `--`.
pub fn of_init(line: &[u8]) -> impl Iterator<Item = OptionWord<'_>> {
    words(line).skip_while(|word| word.whole != INIT).skip(1)
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b'\x0b'
}

fn length(rest: &[u8]) -> usize {
    let mut quoted = false;
    let end = rest.iter().position(|&byte| {
        quoted ^= byte == b'"';
        !quoted && is_space(byte)
    });
    end.unwrap_or(rest.len())
}

fn word(start: usize, whole: &[u8]) -> OptionWord<'_> {
    let bare = unquoted(whole);
    match bare.iter().position(|&byte| byte == b'=') {
        Some(at) => {
            let value = Some(unquoted(&bare[at + 1..]));
            OptionWord { start, whole, key: &bare[..at], value }
        }
        None => OptionWord { start, whole, key: bare, value: None },
    }
}

/// Without the opening quote and the one at the end, which may be missing.
fn unquoted(text: &[u8]) -> &[u8] {
    let Some(inner) = text.strip_prefix(b"\"") else { return text };
    inner.strip_suffix(b"\"").unwrap_or(inner)
}
