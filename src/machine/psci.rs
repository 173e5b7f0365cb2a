//! What PSCI answers (DEN0022).

use core::fmt;

/// The return codes of PSCI other than SUCCESS (DEN0022, table 6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PsciError {
    /// -1
    NotSupported,
    /// -2
    InvalidParameters,
    /// -3
    Denied,
    /// -4
    AlreadyOn,
    /// -5
    OnPending,
    /// -6
    InternalFailure,
    /// -7
    NotPresent,
    /// -8
    Disabled,
    /// -9
    InvalidAddress,
    /// A number that the specification does not list.
    Unknown(i32),
}

impl PsciError {
    /// From the return code; `None` for SUCCESS and other values that are not negative.
    pub const fn from_code(code: i32) -> Option<Self> {
        Some(match code {
            0.. => return None,
            -1 => Self::NotSupported,
            -2 => Self::InvalidParameters,
            -3 => Self::Denied,
            -4 => Self::AlreadyOn,
            -5 => Self::OnPending,
            -6 => Self::InternalFailure,
            -7 => Self::NotPresent,
            -8 => Self::Disabled,
            -9 => Self::InvalidAddress,
            other => Self::Unknown(other),
        })
    }

    /// The return code.
    pub const fn code(self) -> i32 {
        match self {
            Self::NotSupported => -1,
            Self::InvalidParameters => -2,
            Self::Denied => -3,
            Self::AlreadyOn => -4,
            Self::OnPending => -5,
            Self::InternalFailure => -6,
            Self::NotPresent => -7,
            Self::Disabled => -8,
            Self::InvalidAddress => -9,
            Self::Unknown(code) => code,
        }
    }
}

impl fmt::Display for PsciError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::NotSupported => "NOT_SUPPORTED",
            Self::InvalidParameters => "INVALID_PARAMETERS",
            Self::Denied => "DENIED",
            Self::AlreadyOn => "ALREADY_ON",
            Self::OnPending => "ON_PENDING",
            Self::InternalFailure => "INTERNAL_FAILURE",
            Self::NotPresent => "NOT_PRESENT",
            Self::Disabled => "DISABLED",
            Self::InvalidAddress => "INVALID_ADDRESS",
            Self::Unknown(code) => return write!(f, "unknown PSCI code {code}"),
        };
        f.write_str(name)
    }
}

/// What AFFINITY_INFO says of a CPU (DEN0022 5.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Affinity {
    /// The CPU runs.
    On,
    /// The CPU is off.
    Off,
    /// CPU_ON was accepted and is not carried out yet.
    OnPending,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_psci_code_has_its_name_and_comes_back() {
        for code in -40..0 {
            assert_eq!(PsciError::from_code(code).map(PsciError::code), Some(code));
        }
        assert_eq!(PsciError::from_code(0), None);
        assert_eq!(PsciError::from_code(-3), Some(PsciError::Denied));
    }
}
