//! How CPUs come and go, and what signatures are good for: values by name, chosen at boot or per
//! command.

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use crate::report::{BringupPolicy, Grace, TeardownMode};
use crate::trace::{Named, named};

/// A word that is none of the names allowed here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameError {
    /// The word.
    pub word: String,
    /// The names allowed, for people.
    pub names: &'static str,
}

impl NameError {
    /// The value with this name; `names` are those allowed.
    pub(super) fn or_value<T: Named>(word: &str, names: &'static str) -> Result<T, Self> {
        T::by_name(word).ok_or_else(|| Self { word: word.to_string(), names })
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is none of {}", self.word, self.names)
    }
}

impl FromStr for BringupPolicy {
    type Err = NameError;

    fn from_str(word: &str) -> Result<Self, NameError> {
        NameError::or_value(word, "serial, parallel, fanout")
    }
}

impl FromStr for TeardownMode {
    type Err = NameError;

    fn from_str(word: &str) -> Result<Self, NameError> {
        NameError::or_value(word, "serial, parallel")
    }
}

impl FromStr for Grace {
    type Err = NameError;

    fn from_str(word: &str) -> Result<Self, NameError> {
        NameError::or_value(word, "each, once")
    }
}

named! {
    /// What is done about the signature of a kernel that is to be loaded. Set by the command line
    /// alone: nothing changes it while the kernel runs. In order, the strictest last.
    #[derive(Default)]
    Signatures {
        /// The signature is not checked.
        #[default]
        Off = "off",
        /// One that is there has to be good; to have none, or one by an unknown key, costs a
        /// warning.
        Check = "check",
        /// Without a good one nothing is loaded.
        Enforce = "enforce",
    }
}

impl FromStr for Signatures {
    type Err = NameError;

    fn from_str(word: &str) -> Result<Self, NameError> {
        NameError::or_value(word, "off, check, enforce")
    }
}
