//! The text form of a key: comment lines with `#`, and one line with the kind and 64 hexadecimal
//! digits. Also compiled into the build script, so nothing but `core` here.

use core::fmt;

/// What a line with a public key starts with.
pub const PUBLIC: &str = "baton-public";

/// What a line with a secret key (the seed of RFC 8032) starts with.
pub const SECRET: &str = "baton-secret";

/// Why a text is no key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyFileError {
    /// There is no line of the kind that was asked for.
    Missing {
        /// That kind.
        kind: &'static str,
    },
    /// The file holds a secret where a public key belongs, or the other way round.
    Other {
        /// The kind that was expected.
        kind: &'static str,
    },
    /// The line is not the kind, one space and 64 lower-case hexadecimal digits.
    Digits,
    /// There is more than one key.
    Several,
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { kind } => write!(f, "no key in it: a line \"{kind} HEX\" is missing"),
            Self::Other { kind } => {
                write!(f, "it is the other half of the key; give the one with a line \"{kind}\"")
            }
            Self::Digits => f.write_str("the key is not 64 lower-case hexadecimal digits"),
            Self::Several => f.write_str("there is more than one key in it; keep one"),
        }
    }
}

impl core::error::Error for KeyFileError {}

/// The key in a text. `kind` is [`PUBLIC`] or [`SECRET`].
///
/// # Errors
/// Why the text is no key file.
pub fn read(text: &str, kind: &'static str) -> Result<[u8; 32], KeyFileError> {
    let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let line = lines.next().ok_or(KeyFileError::Missing { kind })?;
    let digits = match line.split_once(' ') {
        Some((word, digits)) if word == kind => digits,
        Some((PUBLIC | SECRET, _)) => return Err(KeyFileError::Other { kind }),
        _ => return Err(KeyFileError::Missing { kind }),
    };
    if lines.next().is_some() {
        return Err(KeyFileError::Several);
    }
    hex(digits).ok_or(KeyFileError::Digits)
}

/// Lower-case hexadecimal digits as bytes; `None` unless there are two for each of `N`.
pub fn hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let digits = digits.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

const fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}
