//! Why a signature is not good.

use alloc::string::String;
use core::fmt;

use super::{KeyId, MAX_BYTES, Place, Sum};
use crate::kexec::cpio::CpioError;
use crate::kexec::plan::Kind;

/// Why a signature is not good.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SignatureError {
    /// The file has more bytes than any signature.
    TooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// The file is no text in UTF-8.
    NotText {
        /// Offset of the first byte that is no UTF-8.
        at: usize,
    },
    /// The first line is not the one of a signature.
    NotASignature,
    /// The file is of a version that this kernel does not know.
    Version {
        /// Which.
        found: u32,
    },
    /// The file ends inside of or before this line.
    Truncated {
        /// First word of the line.
        line: &'static str,
    },
    /// This line is malformed.
    Line {
        /// First word of the line.
        line: &'static str,
    },
    /// Something follows the last line.
    Trailing,
    /// A flat binary is to be signed, and where it goes is not said; or it was signed by version 1,
    /// which could not say so.
    NoPlace,
    /// The command line is no UTF-8, which no signature can hold.
    AppendNotText {
        /// Offset of the first byte that is no UTF-8.
        at: usize,
    },
    /// The command line has a control character, which no signature can hold.
    AppendControl {
        /// Its offset.
        at: usize,
    },
    /// By a key that this kernel does not know.
    UnknownKey {
        /// The key that the file names.
        key: KeyId,
        /// The key that is known.
        known: KeyId,
    },
    /// The key has not signed what the file says.
    Forged {
        /// The key.
        key: KeyId,
    },
    /// The signature is for another load: this part differs.
    Differs(Part),
    /// The bytes have changed while they were compared and planned.
    Moving,
    /// What follows the signed bytes of the initrd is more than signatures.
    Rest(Rest),
}

/// A part in which what was signed and what is to be loaded differ: signed first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// How the image is read.
    Kind(Kind, Kind),
    /// Where a flat binary goes.
    Place(Place, Place),
    /// The image.
    Image(Sum, Sum),
    /// The initrd.
    Initrd(Option<Sum>, Option<Sum>),
    /// The device tree.
    Dtb(Option<Sum>, Option<Sum>),
    /// The command line.
    Append(String, String),
}

/// What is wrong with the bytes that follow the signed ones of an initrd.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rest {
    /// Not a plain archive.
    Archive {
        /// Offset in the initrd.
        at: usize,
        /// Why.
        error: CpioError,
    },
    /// More bytes than are looked at.
    TooLong {
        /// How many.
        bytes: usize,
        /// How many are looked at.
        most: usize,
    },
    /// An archive does not begin where one may.
    Unaligned {
        /// Offset in the initrd.
        at: usize,
    },
    /// An entry is no plain signature file.
    Entry {
        /// Its name, as it can be shown.
        name: String,
        /// Offset in the initrd.
        at: usize,
        /// What it is or has.
        why: &'static str,
    },
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => {
                write!(f, "{bytes} bytes are no signature, which has at most {MAX_BYTES}")
            }
            Self::NotText { at } => write!(f, "byte {at} is no text; the file is no signature"),
            Self::NotASignature => {
                f.write_str("the first line is not \"baton-signature 1\" or 2; sign again")
            }
            Self::Version { found } => write!(
                f,
                "a signature of version {found}, and versions 1 and 2 are known; sign again"
            ),
            Self::Truncated { line } => {
                write!(f, "it is cut short at the line \"{line}\"; copy it again")
            }
            Self::Line { line } => write!(f, "the line \"{line}\" is malformed; sign again"),
            Self::Trailing => f.write_str("something follows the line \"signature\"; sign again"),
            Self::NoPlace => f.write_str(
                "a flat binary runs where it was linked for, and the signature does not say where \
                 that is; sign it again with --at ADDRESS, or with --at any",
            ),
            Self::AppendNotText { at } => write!(
                f,
                "the command line is no UTF-8 at byte {at}, and no signature can hold that; give \
                 --append plain text"
            ),
            Self::AppendControl { at } => write!(
                f,
                "the command line has a control character at byte {at}, and no signature can hold \
                 that; give --append plain text"
            ),
            Self::UnknownKey { key, known } => write!(
                f,
                "it is by key {key}, and the key known here is {known}; sign with that key, or \
                 build with KEY="
            ),
            Self::Forged { key } => {
                write!(f, "key {key} has not signed this: the file was changed; sign again")
            }
            Self::Differs(part) => write!(f, "it is for something else: {part}"),
            Self::Moving => f.write_str(
                "the initrd changes while it is loaded; suspect a device that writes there",
            ),
            Self::Rest(rest) => rest.fmt(f),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |sum: &Option<Sum>| sum.map_or_else(|| "none".into(), |s| alloc::format!("{s}"));
        match self {
            Self::Kind(signed, got) => write!(f, "type {signed} is signed and this is {got}"),
            Self::Place(signed, got) => {
                write!(f, "--at {signed} is signed and this is {got}")
            }
            Self::Image(signed, got) => {
                write!(f, "the image differs: {signed} is signed and this is {got}")
            }
            Self::Initrd(signed, got) => {
                write!(f, "the initrd differs: ")?;
                write!(f, "{} is signed and this is {}", shown(signed), shown(got))
            }
            Self::Dtb(signed, got) => {
                write!(f, "the tree of --dtb differs: ")?;
                write!(f, "{} is signed and this is {}", shown(signed), shown(got))
            }
            Self::Append(signed, got) => {
                write!(f, "the command line differs: \"{signed}\" is signed and this is \"{got}\"")
            }
        }
    }
}

impl fmt::Display for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("only an archive of signatures may follow the signed bytes of the initrd: ")?;
        match self {
            Self::Archive { at, error } => write!(f, "at byte {at}: {error}"),
            Self::TooLong { bytes, most } => {
                write!(f, "{bytes} bytes follow, and {most} may; sign the whole initrd again")
            }
            Self::Unaligned { at } => write!(
                f,
                "at byte {at}: an archive begins at a multiple of 4 bytes; pad with zeros, sign, \
                 and put the signatures behind"
            ),
            Self::Entry { name, at, why } => write!(f, "{name} at byte {at}: {why}"),
        }
    }
}

impl core::error::Error for SignatureError {}
