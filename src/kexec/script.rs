//! The commands that cross a jump: a text of commands, separated by `;` or line ends.
//!
//! Inside quotes, `'...'` or `"..."`, a `;` is part of the command, and so is one behind a backslash
//! (but not inside `'...'`). Quotes and backslashes stay in the text: the parser of the command,
//! which reads them in the same way, removes them.
//!
//! [`split`] and [`join`] fit together: what is joined splits into the same commands, in this
//! kernel and in the next. The length is limited by the room in the handover's page.

use alloc::{string::String, vec::Vec};
use core::fmt;

use crate::config::MAX_SCRIPT;
use crate::report::is_forbidden;

/// Why a text is no script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ScriptError {
    /// The text is longer than [`MAX_SCRIPT`], the most that crosses a jump.
    TooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// A quote is not closed.
    OpenQuote {
        /// The quote.
        quote: char,
        /// Its offset.
        at: usize,
    },
    /// The text ends with a backslash, which takes the next character literally.
    LoneBackslash,
    /// The text has a control character.
    Control {
        /// Its offset.
        at: usize,
        /// The character.
        c: char,
    },
    /// One of the commands to join is not one command: empty, or with a `;` outside quotes.
    NotOne {
        /// The command.
        command: String,
    },
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => write!(
                f,
                "the script has {bytes} bytes, {MAX_SCRIPT} cross a jump; give fewer commands"
            ),
            Self::OpenQuote { quote, at } => {
                write!(f, "the {quote} at byte {at} of the script is not closed; close it")
            }
            Self::LoneBackslash => f.write_str(
                "nothing follows the backslash at the end of the script; write it twice",
            ),
            Self::Control { at, c } => {
                let c = c.escape_debug();
                write!(f, "control character {c} at byte {at} of the script; leave it out")
            }
            Self::NotOne { command } => {
                write!(f, "`{command}` is not one command; quote its `;` or give it in parts")
            }
        }
    }
}

/// The commands of a script, without surrounding blanks; a blank behind a backslash is part of its
/// command. Empty ones are left out.
///
/// # Errors
/// [`ScriptError`], except `NotOne`.
pub fn split(script: &str) -> Result<Vec<&str>, ScriptError> {
    if script.len() > MAX_SCRIPT {
        return Err(ScriptError::TooLong { bytes: script.len() });
    }
    let mut commands = Vec::new();
    // A command reaches from `begin` to `end`, behind its last character that is no blank.
    let (mut begin, mut end) = (0, 0);
    let (mut open, mut escaped) = (None, false);
    for (at, c) in script.char_indices() {
        let literal = core::mem::take(&mut escaped);
        match (c, open) {
            (c, _) if is_forbidden(c) => return Err(ScriptError::Control { at, c }),
            _ if literal => {}
            ('\\', None | Some(('"', _))) => escaped = true,
            ('\'' | '"', None) => open = Some((c, at)),
            (c, Some((quote, _))) if c == quote => open = None,
            (';' | '\n' | '\r', None) => {
                commands.push(&script[begin..end]);
                (begin, end) = (at + 1, at + 1);
                continue;
            }
            _ => {}
        }
        if literal || !c.is_ascii_whitespace() {
            end = at + c.len_utf8();
        }
    }
    if let Some((quote, at)) = open {
        return Err(ScriptError::OpenQuote { quote, at });
    }
    if escaped {
        return Err(ScriptError::LoneBackslash);
    }
    commands.push(&script[begin..end]);
    let commands = commands.into_iter().map(str::trim_ascii_start);
    Ok(commands.filter(|command| !command.is_empty()).collect())
}

/// The script of these commands; [`split`] gives them back.
///
/// # Errors
/// [`ScriptError`], if one of `commands` is not a single command, or all together are too long.
pub fn join<'a>(commands: impl IntoIterator<Item = &'a str>) -> Result<String, ScriptError> {
    let mut script = String::new();
    for command in commands {
        let [one] = split(command)?[..] else {
            return Err(ScriptError::NotOne { command: command.into() });
        };
        if !script.is_empty() {
            script.push_str("; ");
        }
        script.push_str(one);
    }
    if script.len() > MAX_SCRIPT {
        return Err(ScriptError::TooLong { bytes: script.len() });
    }
    Ok(script)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn commands_are_split_and_trimmed() {
        assert_eq!(split(" a 1;; b ;c"), Ok(vec!["a 1", "b", "c"]));
        assert_eq!(split(" ; "), Ok(vec![]));
    }

    #[test]
    fn a_semicolon_in_quotes_splits_nothing() {
        let load = r#"kexec load X --append 'run="cpus; mem"'"#;
        let script = alloc::format!("{load}; kexec exec");
        assert_eq!(split(&script), Ok(vec![load, "kexec exec"]));
        assert_eq!(split("say \"it's; 5\"; b"), Ok(vec!["say \"it's; 5\"", "b"]));
    }

    #[test]
    fn white_space_and_backslashes_are_read_as_by_the_console() {
        assert_eq!(split("\tcpus;\r\n mem\tx\n"), Ok(vec!["cpus", "mem\tx"]));
        let image = r"cycle 2 --image 'it'\''s'";
        assert_eq!(split(&alloc::format!("{image}; mem")), Ok(vec![image, "mem"]));
        assert_eq!(split(r#"a \; "b\";" '\'; c"#), Ok(vec![r#"a \; "b\";" '\'"#, "c"]));
    }

    #[test]
    fn a_blank_behind_a_backslash_belongs_to_its_command() {
        assert_eq!(split("a \\ ; b\\\t\n;c\\\\ "), Ok(vec!["a \\ ", "b\\\t", "c\\\\"]));
        assert_eq!(split("\\ ; ' '"), Ok(vec!["\\ ", "' '"]));
        let commands = ["a \\ ", "b"];
        assert_eq!(split(&join(commands).unwrap()).unwrap(), commands);
    }

    #[test]
    fn what_is_joined_splits_again_or_is_refused() {
        let commands = ["kexec load X --append 'a; b'", "kexec exec"];
        let script = join(commands).unwrap();
        assert_eq!(split(&script).unwrap(), commands);
        assert_eq!(join([]), Ok(String::new()));
        for bad in ["a; b", " ", ""] {
            assert_eq!(join(["x", bad]), Err(ScriptError::NotOne { command: bad.into() }));
        }
    }

    #[test]
    fn broken_and_long_scripts_are_refused() {
        assert_eq!(split("a 'b; c"), Err(ScriptError::OpenQuote { quote: '\'', at: 2 }));
        assert_eq!(split("a\x1bb"), Err(ScriptError::Control { at: 1, c: '\x1b' }));
        assert_eq!(split("a;b \\"), Err(ScriptError::LoneBackslash));
        let long = "x".repeat(MAX_SCRIPT + 1);
        assert_eq!(split(&long), Err(ScriptError::TooLong { bytes: MAX_SCRIPT + 1 }));
        assert!(split(&long[1..]).is_ok());
        let half = "x".repeat(MAX_SCRIPT / 2);
        assert_eq!(join([&*half, &*half]), Err(ScriptError::TooLong { bytes: MAX_SCRIPT + 2 }));
    }
}
