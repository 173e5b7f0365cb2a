//! Reads the text of a signature. Takes exactly what [`Signature`] displays as, and nothing else:
//! so one signature has one text, and nothing can be added to a file without being noticed.

use core::str::{self, FromStr};

use super::keyfile::hex;
use super::{FIRST, KeyId, MAX_BYTES, Signature, SignatureError, Statement, Sum, VERSION};
use crate::kexec::Digest;
use crate::kexec::plan::Kind;

/// Reads a signature.
///
/// # Errors
/// What is malformed, and in which line. Whether the signature is good, [`Signature::verify`]
/// decides.
pub fn parse(bytes: &[u8]) -> Result<Signature, SignatureError> {
    if bytes.len() > MAX_BYTES {
        return Err(SignatureError::TooLong { bytes: bytes.len() });
    }
    let text = str::from_utf8(bytes)
        .map_err(|error| SignatureError::NotText { at: error.valid_up_to() })?;
    let mut lines = StatementLines(text);
    lines.version()?;
    let key = lines.read("key", |value| hex(value).map(KeyId))?;
    let kind = lines.read("type", kind)?;
    let image = lines.read("image", sum)?;
    let initrd = lines.read("initrd", sum_or_none)?;
    let dtb = lines.read("dtb", sum_or_none)?;
    let append =
        lines.read("append", |value| (!value.contains(char::is_control)).then(|| value.into()))?;
    let signature = lines.read("signature", hex)?;
    if !lines.0.is_empty() {
        return Err(SignatureError::Trailing);
    }
    Ok(Signature { statement: Statement { key, kind, image, initrd, dtb, append }, signature })
}

/// What has not been read yet.
struct StatementLines<'a>(&'a str);

impl<'a> StatementLines<'a> {
    /// The first line. A file that does not begin like a signature is told from one of another
    /// version.
    fn version(&mut self) -> Result<(), SignatureError> {
        let same = self.0.bytes().zip(FIRST.bytes()).all(|(a, b)| a == b);
        if !same {
            return Err(SignatureError::NotASignature);
        }
        let found = self.read(FIRST, number)?;
        if found == VERSION { Ok(()) } else { Err(SignatureError::Version { found }) }
    }

    /// The line that starts with `line` and one space.
    fn read<T>(
        &mut self,
        line: &'static str,
        value: impl Fn(&'a str) -> Option<T>,
    ) -> Result<T, SignatureError> {
        let (whole, rest) = self.0.split_once('\n').ok_or(SignatureError::Truncated { line })?;
        self.0 = rest;
        let text = whole.strip_prefix(line).and_then(|rest| rest.strip_prefix(' '));
        text.and_then(value).ok_or(SignatureError::Line { line })
    }
}

fn kind(value: &str) -> Option<Kind> {
    [Kind::Image, Kind::Raw].into_iter().find(|kind| kind.name() == value)
}

fn sum_or_none(value: &str) -> Option<Option<Sum>> {
    if value == "none" { Some(None) } else { sum(value).map(Some) }
}

fn sum(value: &str) -> Option<Sum> {
    let (bytes, digest) = value.split_once(' ')?;
    Some(Sum { bytes: number(bytes)?, digest: Digest::from(hex(digest)?) })
}

/// A decimal number in its displayed form: no sign, no zeros in front.
fn number<T: FromStr>(text: &str) -> Option<T> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let shortest = text == "0" || !text.starts_with('0');
    (plain && shortest).then(|| text.parse().ok())?
}
