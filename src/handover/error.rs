//! Why a handover can't be used.

use core::fmt;

use super::FactKind;

/// Why the region that the device tree names can't be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HandoverError {
    /// The region is smaller than its number of CPUs needs.
    Small,
    /// The region is no handover of baton, or one of another layout.
    Foreign,
    /// No kernel has so many CPUs.
    Cpus(u64),
    /// The page was not sealed by a jump, has been written to since, or has a record that is longer
    /// than what is sealed.
    Unsealed,
    /// A record that has no safe default is not there.
    Missing(FactKind),
    /// Two records are of one kind.
    Twice(FactKind),
    /// A record has another form than those that kernels write.
    Malformed(FactKind),
    /// A value is one that no kernel writes, or that does not fit the others.
    Range {
        /// The record that the value is in.
        kind: FactKind,
        /// The value.
        what: &'static str,
    },
}

impl fmt::Display for HandoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Small => f.write_str("handover region is too small for its CPUs"),
            Self::Cpus(cpus) => write!(f, "handover region is said to be for {cpus} CPUs"),
            Self::Foreign => f.write_str("handover region is of another kernel or version"),
            Self::Unsealed => {
                f.write_str("handover region was not closed by a jump, or is damaged")
            }
            Self::Missing(kind) => write!(f, "handover region has no record `{kind}`"),
            Self::Twice(kind) => write!(f, "handover region has two records `{kind}`"),
            Self::Malformed(kind) => write!(f, "record `{kind}` of the handover is malformed"),
            Self::Range { kind, what } => {
                write!(f, "record `{kind}` of the handover: {what} is out of range")
            }
        }
    }
}
