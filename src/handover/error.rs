//! Why a handover can't be used.

use core::fmt;

use super::FactKind;

/// Why the region that the device tree names can't be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HandoverError {
    /// The region is smaller than this number of CPUs needs.
    Small,
    /// The region is no handover of baton, one of another layout, or one for other CPUs.
    Foreign,
    /// The page was not sealed by a jump, has been written to since, or has a record that is longer
    /// than what is sealed.
    Unsealed,
    /// A record that has no safe default is not there.
    Missing(FactKind),
    /// Two records are of one kind.
    Twice(FactKind),
    /// A record holds what no kernel writes.
    Malformed(FactKind),
}

impl fmt::Display for HandoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Small => f.write_str("handover region is too small for these CPUs"),
            Self::Foreign => f.write_str("handover region is of another kernel or version"),
            Self::Unsealed => {
                f.write_str("handover region was not closed by a jump, or is damaged")
            }
            Self::Missing(kind) => write!(f, "handover region has no record `{kind}`"),
            Self::Twice(kind) => write!(f, "handover region has two records `{kind}`"),
            Self::Malformed(kind) => write!(f, "record `{kind}` of the handover is malformed"),
        }
    }
}
