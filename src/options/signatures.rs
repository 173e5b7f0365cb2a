//! `kexec.sig=`: what signatures are good for.

use core::str::FromStr;

use super::NameError;
use crate::trace::named;

named! {
    /// What is done about the signature of a kernel that is to be loaded. Set by the command line
    /// alone: nothing changes it while the kernel runs.
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
