//! What came of looking at a signature, for `kexec status`.

use core::fmt;

use super::KeyId;

/// What is known of the signer of a loaded kernel. A signature that is checked and found bad
/// refuses the load, so there is no standing for that. Whether `Missing` and `UnknownKey` refuse
/// too, `kexec.sig=` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// `kexec.sig=off`.
    NotLookedAt,
    /// There is no signature.
    Missing,
    /// There is a signature by a key that this kernel does not know, so that nothing is proven.
    UnknownKey(KeyId),
    /// There is a good signature.
    Good {
        /// The signer's key.
        key: KeyId,
        /// By the test key, which proves nothing.
        test: bool,
    },
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLookedAt => f.write_str("not looked at (kexec.sig=off)"),
            Self::Missing => f.write_str("none"),
            Self::UnknownKey(key) => write!(f, "by key {key}, which is not known here"),
            Self::Good { key, test: false } => write!(f, "good, by key {key}"),
            Self::Good { key, test: true } => {
                write!(f, "good, by key {key}, the test key, which proves nothing")
            }
        }
    }
}

/// A standing, and how long the check took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Checked {
    /// The standing.
    pub standing: Standing,
    /// Nanoseconds that hashing and checking took; 0 if nothing was looked at.
    pub ns: u64,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signature: {}", self.standing)?;
        match self.ns {
            0 => Ok(()),
            ns => write!(f, "; checked in {}.{:03} ms", ns / 1_000_000, ns / 1000 % 1000),
        }
    }
}
