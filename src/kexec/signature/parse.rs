//! Reads the text of a signature. Takes exactly what [`Signature`] displays as, and nothing else:
//! so one signature has one text, and nothing can be added to a file without being noticed.

use alloc::string::ToString;
use core::str::{self, FromStr};

use super::keyfile::hex;
use super::{FIRST, KeyId, MAX_BYTES, Place, Signature, SignatureError, Statement, Sum, version};
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
    let found = lines.version()?;
    let key = lines.read("key", |value| hex(value).map(KeyId))?;
    let kind = lines.read("type", kind)?;
    if found != version(kind) {
        let line = SignatureError::Line { line: "type" };
        return Err(if kind == Kind::Raw { SignatureError::NoPlace } else { line });
    }
    let place = (kind == Kind::Raw).then(|| lines.read("at", place)).transpose()?;
    let image = lines.read("image", sum)?;
    let initrd = lines.read("initrd", sum_or_none)?;
    let dtb = lines.read("dtb", sum_or_none)?;
    let append =
        lines.read("append", |value| (!value.contains(char::is_control)).then(|| value.into()))?;
    let signature = lines.read("signature", hex)?;
    if !lines.0.is_empty() {
        return Err(SignatureError::Trailing);
    }
    let statement = Statement { key, kind, place, image, initrd, dtb, append };
    Ok(Signature { statement, signature })
}

/// What has not been read yet.
struct StatementLines<'a>(&'a str);

impl<'a> StatementLines<'a> {
    /// The first line. A file that does not begin like a signature is told from one of another
    /// version.
    fn version(&mut self) -> Result<u32, SignatureError> {
        let same = self.0.bytes().zip(FIRST.bytes()).all(|(a, b)| a == b);
        if !same {
            return Err(SignatureError::NotASignature);
        }
        let found = self.read(FIRST, number)?;
        let known = [Kind::Image, Kind::Raw].map(version).contains(&found);
        if known { Ok(found) } else { Err(SignatureError::Version { found }) }
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

/// A place in its displayed form, and no other.
fn place(value: &str) -> Option<Place> {
    let place = match value.strip_prefix("0x") {
        Some(digits) => Place::At(u64::from_str_radix(digits, 16).ok()?),
        None => Place::Any,
    };
    (place.to_string() == value).then_some(place)
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
