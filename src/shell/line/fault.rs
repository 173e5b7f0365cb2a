//! Why a line is not run: it is not what was typed.

use core::fmt;

use super::MAX_LINE;

/// The first thing that could not be taken as it was typed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// There were more letters than the line has room for.
    TooLong,
    /// Bytes were no UTF-8.
    NotUtf8,
    /// A control character that is no key.
    Control(char),
    /// The UART received a byte with an error.
    Damaged,
    /// The UART had no room for bytes.
    Lost,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the line is longer than {MAX_LINE} bytes; shorten it"),
            Self::NotUtf8 => f.write_str(
                "the line is not UTF-8 and was not run; set the terminal to UTF-8 and type it again",
            ),
            Self::Control(c) => write!(
                f,
                "the line has the control character U+{:04X} and was not run; type it again without",
                u32::from(*c)
            ),
            Self::Damaged => f.write_str(
                "a byte of the line came in damaged, and the line was not run; type it again",
            ),
            Self::Lost => f.write_str(
                "bytes came faster than they were taken, and the line was not run; type it again",
            ),
        }
    }
}
