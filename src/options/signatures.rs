//! `kexec.sig=`: what signatures are good for.

use alloc::string::ToString;
use core::fmt;
use core::str::FromStr;

use super::NameError;

/// What is done about the signature of a kernel that is to be loaded. Set by the command line
/// alone: nothing changes it while the kernel runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Signatures {
    /// The signature is not checked.
    #[default]
    Off,
    /// One that is there has to be good; to have none, or one by an unknown key, costs a warning.
    Check,
    /// Without a good one nothing is loaded.
    Enforce,
}

impl Signatures {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Off, Self::Check, Self::Enforce];

    /// `off`, `check` or `enforce`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Check => "check",
            Self::Enforce => "enforce",
        }
    }
}

impl FromStr for Signatures {
    type Err = NameError;

    fn from_str(word: &str) -> Result<Self, NameError> {
        let found = Self::ALL.into_iter().find(|mode| mode.name() == word);
        found.ok_or_else(|| NameError { word: word.to_string(), names: "off, check, enforce" })
    }
}

impl fmt::Display for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
