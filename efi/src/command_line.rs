//! The kernel's command line from UEFI's load options.
//!
//! Load options are any bytes, and for a kernel UTF-16, by custom with a NUL at the end. What cannot be
//! told in UTF-8 is refused, not replaced: a command line that was changed on the way might say
//! something else.

use core::fmt;

#[cfg(test)]
mod tests;

/// Bytes of a command line that the kernel reads.
pub const MAX: usize = 16 << 10;

/// Why load options are no command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommandLineError {
    /// A byte is left over at the end.
    Odd(usize),
    /// Half of a surrogate pair, by the index of its 16 bits.
    Surrogate(usize),
    /// More bytes than fit.
    TooLong,
    /// `initrd=` stands there more than once.
    TwoInitrds,
    /// The name of the initrd does not fit.
    LongInitrd,
}

impl fmt::Display for CommandLineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = "set them again, as text in UTF-16";
        match self {
            Self::Odd(bytes) => {
                write!(f, "the load options have {bytes} bytes, an odd number; {text}")
            }
            Self::Surrogate(at) => {
                write!(f, "the load options have half of a letter at index {at}; {text}")
            }
            Self::TooLong => {
                write!(f, "the load options have more than {MAX} bytes of text; shorten them")
            }
            Self::TwoInitrds => {
                f.write_str("initrd= is given more than once; join the archives to one file")
            }
            Self::LongInitrd => f.write_str("the path of initrd= is too long; move the file"),
        }
    }
}

/// Writes load options as UTF-8 to `out`, up to the first NUL; returns the number of bytes.
///
/// # Errors
/// What they have that is no text, or that they do not fit.
pub fn from_utf16(options: &[u8], out: &mut [u8]) -> Result<usize, CommandLineError> {
    let units = || options.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    let end = units().position(|unit| unit == 0);
    if end.is_none() && options.chunks_exact(2).remainder().iter().any(|byte| *byte != 0) {
        return Err(CommandLineError::Odd(options.len()));
    }
    let mut at = 0;
    let mut index = 0;
    for letter in char::decode_utf16(units().take(end.unwrap_or(usize::MAX))) {
        let letter = letter.map_err(|_| CommandLineError::Surrogate(index))?;
        index += letter.len_utf16();
        let room = out.get_mut(at..at + letter.len_utf8()).ok_or(CommandLineError::TooLong)?;
        letter.encode_utf8(room);
        at += letter.len_utf8();
    }
    Ok(at)
}

/// The path that `initrd=` names, as UEFI writes paths: in UTF-16 with backslashes and a NUL. Returns
/// the part of `out` that was written, or `None` if there is no `initrd=`.
///
/// # Errors
/// There are two, or the path does not fit.
pub fn initrd<'o>(
    line: &str,
    out: &'o mut [u16],
) -> Result<Option<&'o mut [u16]>, CommandLineError> {
    let mut paths = words(line).filter_map(|word| word.strip_prefix("initrd="));
    let Some(path) = paths.next() else { return Ok(None) };
    if paths.next().is_some() {
        return Err(CommandLineError::TwoInitrds);
    }
    let path = path.trim_matches('"');
    let units = path.encode_utf16().chain([0]);
    let mut len = 0;
    for unit in units {
        let slash = u16::from(b'/');
        *out.get_mut(len).ok_or(CommandLineError::LongInitrd)? =
            if unit == slash { u16::from(b'\\') } else { unit };
        len += 1;
    }
    Ok(Some(&mut out[..len]))
}

/// The words of a command line before `--`; blanks between quotes end no word.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let ends = move |letter: char| {
        quoted ^= letter == '"';
        !quoted && letter.is_ascii_whitespace()
    };
    line.split(ends).filter(|word| !word.is_empty()).take_while(|word| *word != "--")
}
