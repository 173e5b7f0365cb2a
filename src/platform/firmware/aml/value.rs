//! Constants (ACPI specification 6.5, 20.2.3 and 20.2.5.4).

use alloc::format;

use super::code::Code;

/// How deep a package in a package is looked at.
const MAX_DEPTH: usize = 8;

/// The constant of a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value<'t> {
    /// A number.
    Number(u64),
    /// A text, without its NUL.
    Text(&'t [u8]),
    /// Bytes.
    Buffer(&'t [u8]),
    /// Something else, whose length is known.
    Other,
}

impl<'t> Value<'t> {
    /// Reads one; of a package its first. `None` if what is there has no known length.
    pub fn read(code: &mut Code<'t>) -> Option<Self> {
        Self::at_depth(code, 0)
    }

    fn at_depth(code: &mut Code<'t>, depth: usize) -> Option<Self> {
        Some(match code.peek()? {
            b'\\' | b'^' | b'_' | b'A'..=b'Z' | 0x2e | 0x2f => code.path().map(|_| Self::Other)?,
            _ => match code.byte()? {
                0x00 => Self::Number(0),
                0x01 => Self::Number(1),
                0x0a => Self::Number(code.number(1)?),
                0x0b => Self::Number(code.number(2)?),
                0x0c => Self::Number(code.number(4)?),
                0x0e => Self::Number(code.number(8)?),
                0xff => Self::Number(u64::MAX),
                0x0d => Self::text(code)?,
                0x11 => Self::buffer(code.package()?)?,
                0x12 if depth < MAX_DEPTH => Self::first_of(code.package()?, depth),
                0x12 | 0x13 => code.package().map(|_| Self::Other)?,
                0x5b if code.byte()? == 0x30 => Self::Number(2), // the revision of the interpreter
                _ => return None,
            },
        })
    }

    fn text(code: &mut Code<'t>) -> Option<Self> {
        let length = code.0.iter().position(|&byte| byte == 0)?;
        let text = code.take(length)?;
        code.byte().map(|_| Self::Text(text))
    }

    /// The bytes that are written down; the size before them may say that there are more.
    fn buffer(mut package: Code<'t>) -> Option<Self> {
        Self::at_depth(&mut package, MAX_DEPTH)?;
        Some(Self::Buffer(package.0))
    }

    /// A list of identifiers counts by its first.
    fn first_of(mut package: Code<'t>, depth: usize) -> Self {
        let first = package.byte().and_then(|_| Self::at_depth(&mut package, depth + 1));
        first.unwrap_or(Self::Other)
    }

    /// True if it is the identifier of a device, as text or compressed to a number.
    pub fn is_id(&self, id: &str) -> bool {
        match *self {
            Self::Text(text) => text == id.as_bytes(),
            Self::Number(number) => u32::try_from(number).is_ok_and(|n| is_eisa(n, id)),
            _ => false,
        }
    }
}

/// True if a compressed identifier says `id`: three letters of five bits each, then four digits.
fn is_eisa(number: u32, id: &str) -> bool {
    let number = number.swap_bytes();
    let letter = |shift: u32| char::from((number >> shift & 0x1f) as u8 + b'@');
    let text = format!("{}{}{}{:04X}", letter(26), letter(21), letter(16), number & 0xffff);
    text == id
}
