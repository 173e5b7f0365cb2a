//! How CPUs come and go: values, chosen at boot or per command.

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

/// How CPUs are brought up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum BringupPolicy {
    /// The boot CPU kicks one CPU and waits for it before it kicks the next.
    Serial,
    /// The boot CPU kicks all CPUs and then waits for all.
    #[default]
    Parallel,
    /// Each CPU that is up kicks more of them.
    Fanout,
}

impl BringupPolicy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Serial, Self::Parallel, Self::Fanout];

    /// `serial`, `parallel` or `fanout`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Serial => "serial",
            Self::Parallel => "parallel",
            Self::Fanout => "fanout",
        }
    }
}

/// How CPUs are taken down.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TeardownMode {
    /// One CPU through all its steps before the next one starts.
    Serial,
    /// All leaving CPUs at once.
    #[default]
    Parallel,
}

impl TeardownMode {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Serial, Self::Parallel];

    /// `serial` or `parallel`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Serial => "serial",
            Self::Parallel => "parallel",
        }
    }
}

/// A word that is none of the names it could be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameError {
    /// The word.
    pub word: String,
    /// The names it could have been, for people.
    pub names: &'static str,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is none of {}", self.word, self.names)
    }
}

impl FromStr for BringupPolicy {
    type Err = NameError;

    fn from_str(word: &str) -> Result<Self, NameError> {
        let found = Self::ALL.into_iter().find(|policy| policy.name() == word);
        let names = "serial, parallel, fanout";
        found.ok_or_else(|| NameError { word: word.to_string(), names })
    }
}

impl FromStr for TeardownMode {
    type Err = NameError;

    fn from_str(word: &str) -> Result<Self, NameError> {
        let found = Self::ALL.into_iter().find(|mode| mode.name() == word);
        found.ok_or_else(|| NameError { word: word.to_string(), names: "serial, parallel" })
    }
}

impl fmt::Display for BringupPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for TeardownMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
