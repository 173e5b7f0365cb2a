//! What is wrong with an archive, and with one of its entries.

use core::fmt;

/// Why an archive cannot be read any further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CpioError {
    /// No newc entry where one should start.
    Magic,
    /// An entry of the old character format (odc).
    OldFormat,
    /// A header field is not eight hexadecimal digits.
    Field {
        /// Number of the field, 0 is the inode.
        number: usize,
    },
    /// The entry runs past the end of the data.
    Truncated {
        /// Bytes that the entry needs.
        need: u64,
        /// Bytes that are left.
        left: usize,
    },
    /// The data ends where an entry or the trailer should start.
    NoTrailer,
}

impl fmt::Display for CpioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("no newc cpio entry; make the archive with `cpio -H newc`"),
            Self::OldFormat => {
                f.write_str("an entry of the odc format; make the archive with `cpio -H newc`")
            }
            Self::Field { number } => {
                write!(f, "header field {number} is no hexadecimal number; the archive is damaged")
            }
            Self::Truncated { need, left } => write!(
                f,
                "the entry needs {need} bytes and {left} are left; the archive is cut short"
            ),
            Self::NoTrailer => {
                f.write_str("the archive ends without its trailer entry; it is cut short")
            }
        }
    }
}

/// Why one entry of an archive can't be used. The others can.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Odd {
    /// The name is empty, has no final zero, or has one inside.
    Name,
    /// The mode is of no type that files have.
    Mode {
        /// The mode.
        mode: u32,
    },
    /// The sum of the contents is not the one that the entry states.
    Checksum {
        /// The sum in the header.
        stated: u32,
        /// The sum of the bytes.
        found: u32,
    },
}

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("the name is empty or has a zero inside or none at its end"),
            Self::Mode { mode } => write!(f, "the mode {mode:#o} is of no known type of file"),
            Self::Checksum { stated, found } => write!(
                f,
                "the checksum in the header is {stated:#x} and that of the contents {found:#x}"
            ),
        }
    }
}
