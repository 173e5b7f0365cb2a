//! Why a document of results can't be read.

use core::fmt;

/// Why a document of results can't be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResultsError {
    /// There is none: the bytes begin with something else.
    Foreign,
    /// The bytes end before the document does.
    Short {
        /// Bytes that are there.
        has: usize,
        /// Bytes that the document says it has.
        wants: usize,
    },
    /// The document says that it is longer than any is.
    Long(usize),
    /// The checksum does not match.
    Crc,
    /// An entry is of no known kind, or does not fit its place.
    Malformed {
        /// Where in the document.
        at: usize,
    },
    /// An entry does not unpack to what it says.
    Entry {
        /// The generation that it is of.
        generation: u32,
    },
}

impl fmt::Display for ResultsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("this is no document of results of baton"),
            Self::Short { has, wants } => {
                write!(
                    f,
                    "the results end after {has} of {wants} bytes; copy them again, in binary"
                )
            }
            Self::Long(bytes) => write!(f, "the results say that they have {bytes} bytes; none do"),
            Self::Crc => f.write_str("the checksum of the results does not match; copy them again"),
            Self::Malformed { at } => write!(
                f,
                "the results are malformed at byte {at}, though their checksum matches: a newer baton \
                 wrote them; read them with that version's host tool"
            ),
            Self::Entry { generation } => {
                write!(f, "what generation {generation} has kept does not unpack")
            }
        }
    }
}
