//! What is said about a word of the command line that could not be used.

use alloc::string::String;
use core::fmt;

/// A word of the command line that was ignored, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Warning {
    /// No option of this kernel; often one of another kernel's (`console=`, `root=`, `quiet`).
    Unknown {
        /// The word on the command line.
        word: String,
        /// The option that was perhaps meant.
        nearest: Option<&'static str>,
    },
    /// An option of this kernel with a value that is not allowed.
    Malformed {
        /// The word on the command line.
        word: String,
        /// What is wrong with the value.
        why: String,
    },
    /// A malformed `kexec.sig=`, taken for the strictest value.
    Enforced {
        /// The word on the command line.
        word: String,
        /// What is wrong with the value.
        why: String,
    },
    /// An option that this version knows by name only.
    NotAvailable {
        /// The word on the command line.
        word: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { word, nearest: None } => {
                write!(f, "option {}: not known here; ignored", word.escape_debug())
            }
            Self::Unknown { word, nearest: Some(name) } => {
                write!(f, "option {}: not known, perhaps {name}; ignored", word.escape_debug())
            }
            Self::Malformed { word, why } => {
                write!(f, "option {}: {why}; ignored", word.escape_debug())
            }
            Self::Enforced { word, why } => {
                write!(f, "option {}: {why}; taken for enforce", word.escape_debug())
            }
            Self::NotAvailable { word } => {
                write!(f, "option {}: not available in this version; ignored", word.escape_debug())
            }
        }
    }
}
