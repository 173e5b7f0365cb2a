//! What is said about a word of the command line that could not be used, or only with caution.

use alloc::string::String;
use core::fmt;

/// A word of the command line that was not used as it stands, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Warning {
    /// No option of this kernel; often one of another kernel's (`console=`, `root=`, `quiet`).
    Unknown {
        /// The word on the command line, as it can be shown.
        word: String,
        /// The option that was perhaps meant.
        nearest: Option<&'static str>,
    },
    /// An option of this kernel with a value that is not allowed.
    Malformed {
        /// The word on the command line, as it can be shown.
        word: String,
        /// What is wrong with the value.
        why: String,
    },
    /// A word about security that can't be read with certainty, taken for the strictest value.
    Strictest {
        /// The word on the command line, as it can be shown.
        word: String,
        /// What is wrong with it.
        why: String,
        /// The value that it is taken for.
        taken: &'static str,
    },
    /// The command line is not known in full, so that the options for security have their strictest
    /// values.
    Unread {
        /// What is not known.
        why: String,
    },
    /// An option that this version knows by name only.
    NotAvailable {
        /// The word on the command line, as it can be shown.
        word: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { word, nearest: None } => {
                write!(f, "option {word}: not known here; ignored")
            }
            Self::Unknown { word, nearest: Some(name) } => {
                write!(f, "option {word}: not known, perhaps {name}; ignored")
            }
            Self::Malformed { word, why } => write!(f, "option {word}: {why}; ignored"),
            Self::Strictest { word, why, taken } => {
                write!(f, "option {word}: {why}; taken for {taken}")
            }
            Self::Unread { why } => write!(f, "kexec.sig: {why}; taken for enforce"),
            Self::NotAvailable { word } => {
                write!(f, "option {word}: not available in this version; ignored")
            }
        }
    }
}
