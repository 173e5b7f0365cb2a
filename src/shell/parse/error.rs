//! What can be wrong with a line. Each text says what, and what to type instead.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Why a line is no command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ParseError {
    /// A quote was opened and not closed.
    OpenQuote(char),
    /// The line ends with a backslash.
    LoneBackslash,
    /// A character outside quotes that looks like one with a meaning, or like none.
    Lookalike {
        /// The character.
        c: char,
        /// What to type.
        meant: &'static str,
    },
    /// There is no such command.
    Unknown {
        /// What was typed.
        word: String,
        /// What was perhaps meant.
        nearest: Option<&'static str>,
    },
    /// A command that has another name by now.
    Renamed {
        /// The old name, which was typed.
        word: &'static str,
        /// The name by now.
        now: &'static str,
        /// What the old name stands for by now.
        instead: &'static str,
    },
    /// The first of two words of a command, alone.
    NoVerb {
        /// The first word.
        group: &'static str,
        /// The second words that there are.
        choices: Vec<&'static str>,
    },
    /// The second word of a command is wrong.
    Verb {
        /// The first word.
        group: &'static str,
        /// The second words that there are.
        choices: Vec<&'static str>,
        /// What was typed.
        word: String,
        /// What was perhaps meant.
        nearest: Option<&'static str>,
    },
    /// The command has no such option.
    Option {
        /// The command.
        command: &'static str,
        /// What was typed.
        word: String,
        /// What was perhaps meant.
        nearest: Option<&'static str>,
    },
    /// An option stands there twice.
    Twice {
        /// The command.
        command: &'static str,
        /// The option.
        option: &'static str,
    },
    /// An option lacks its value.
    NeedsValue {
        /// The command.
        command: &'static str,
        /// The option.
        option: &'static str,
    },
    /// An option has a value but takes none.
    NoValue {
        /// The command.
        command: &'static str,
        /// The option.
        option: &'static str,
    },
    /// An argument is not there.
    Missing {
        /// The command.
        command: &'static str,
        /// The argument.
        what: &'static str,
    },
    /// One word too many.
    Extra {
        /// The command.
        command: &'static str,
        /// The first word that nothing was done with.
        word: String,
    },
    /// An argument or a value of the wrong form.
    Bad {
        /// The command.
        command: &'static str,
        /// The argument or option.
        what: &'static str,
        /// What was typed.
        word: String,
        /// The form required.
        want: &'static str,
    },
    /// Two things that exclude each other.
    Conflict {
        /// The command.
        command: &'static str,
        /// What is wrong.
        why: &'static str,
    },
}

impl ParseError {
    /// What to ask `help` for.
    fn topic(&self) -> &'static str {
        match self {
            Self::OpenQuote(_)
            | Self::LoneBackslash
            | Self::Lookalike { .. }
            | Self::Unknown { .. } => "",
            Self::Renamed { now, .. } => now,
            Self::NoVerb { group, .. } | Self::Verb { group, .. } => group,
            Self::Option { command, .. }
            | Self::Twice { command, .. }
            | Self::NeedsValue { command, .. }
            | Self::NoValue { command, .. }
            | Self::Missing { command, .. }
            | Self::Extra { command, .. }
            | Self::Bad { command, .. }
            | Self::Conflict { command, .. } => command,
        }
    }

    fn what(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenQuote(quote) => write!(f, "a {quote} is never closed; close it"),
            Self::LoneBackslash => f.write_str("nothing follows the backslash; write it twice"),
            Self::Lookalike { c, meant } => {
                let code = u32::from(*c);
                write!(f, "{} (U+{code:04X}) means nothing here; {meant}", c.escape_debug())
            }
            Self::Unknown { word, .. } => write!(f, "{word:?} is not a command"),
            Self::Renamed { word, now, instead } => {
                write!(f, "{word:?} is called {now:?} now, and {instead}")
            }
            Self::NoVerb { choices, .. } => write!(f, "needs {}", Or(choices, "or")),
            Self::Verb { choices, word, .. } if choices.len() == 2 => {
                write!(f, "{word:?} is neither {}", Or(choices, "nor"))
            }
            Self::Verb { choices, word, .. } => {
                write!(f, "{word:?} is none of {}", Or(choices, "or"))
            }
            Self::Option { word, .. } => write!(f, "there is no option {word:?}"),
            Self::Twice { option, .. } => write!(f, "{option} is given twice; leave one out"),
            Self::NeedsValue { option, .. } => write!(f, "{option} needs a value"),
            Self::NoValue { option, .. } => write!(f, "{option} takes no value"),
            Self::Missing { what, .. } => write!(f, "{what} is missing"),
            Self::Extra { word, .. } => write!(f, "{word:?} is one word too many"),
            Self::Bad { what, word, want, .. } => write!(f, "{what} {word:?} is not {want}"),
            Self::Conflict { why, .. } => f.write_str(why),
        }
    }

    fn nearest(&self) -> Option<&'static str> {
        match self {
            Self::Unknown { nearest, .. }
            | Self::Verb { nearest, .. }
            | Self::Option { nearest, .. } => *nearest,
            _ => None,
        }
    }
}

/// `a, b or c`.
struct Or<'a>(&'a [&'static str], &'static str);

impl fmt::Display for Or<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, choice) in self.0.iter().enumerate() {
            match i {
                0 => f.write_str(choice)?,
                _ if i + 1 == self.0.len() => write!(f, " {} {choice}", self.1)?,
                _ => write!(f, ", {choice}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = self.topic();
        if !topic.is_empty() && !matches!(self, Self::Renamed { .. }) {
            write!(f, "{topic}: ")?;
        }
        self.what(f)?;
        if let Some(nearest) = self.nearest() {
            write!(f, ", perhaps {nearest}")?;
        }
        match self {
            Self::OpenQuote(_) | Self::LoneBackslash | Self::Lookalike { .. } => Ok(()),
            Self::Unknown { .. } => f.write_str("; try \"help\""),
            _ => write!(f, "; try \"help {topic}\""),
        }
    }
}
