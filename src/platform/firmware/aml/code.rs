//! Bytes of code, read one after the other; `None` past the end.

use alloc::string::String;

/// Names in one path: more than any has, and all that one byte can count.
const SEGMENT: usize = 4;

/// What is left of a package.
#[derive(Clone, Copy)]
pub struct Code<'t>(pub &'t [u8]);

impl<'t> Code<'t> {
    /// True at the end.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte, which stays.
    pub fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// Some bytes.
    pub fn take(&mut self, count: usize) -> Option<&'t [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of up to eight bytes.
    pub fn number(&mut self, bytes: usize) -> Option<u64> {
        let bytes = self.take(bytes)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A package: its length, which counts itself, and its contents (20.2.4).
    pub fn package(&mut self) -> Option<Self> {
        let before = self.0.len();
        let lead = self.byte()?;
        let more = usize::from(lead >> 6);
        let length = match more {
            0 => u64::from(lead & 0x3f),
            _ => u64::from(lead & 0xf) | self.number(more)? << 4,
        };
        let head = before - self.0.len();
        let body = usize::try_from(length).ok()?.checked_sub(head)?;
        self.take(body).map(Self)
    }

    /// A path: a root, or steps up, and up to 255 names (20.2.2).
    pub fn path(&mut self) -> Option<String> {
        let mut path = String::new();
        while let Some(up @ (b'\\' | b'^')) = self.peek() {
            path.push(char::from(up));
            self.0 = &self.0[1..];
        }
        let names = match self.peek()? {
            0x00 => self.byte().map(|_| 0)?,
            0x2e => self.byte().map(|_| 2)?,
            0x2f => self.take(2).map(|prefix| prefix[1])?,
            _ => 1,
        };
        for index in 0..names {
            if index > 0 {
                path.push('.');
            }
            path.push_str(self.name()?);
        }
        Some(path)
    }

    /// One name.
    fn name(&mut self) -> Option<&'t str> {
        let name = self.take(SEGMENT)?;
        let first = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
        let is_name = first(name[0]) && name[1..].iter().all(|&b| first(b) || b.is_ascii_digit());
        core::str::from_utf8(name).ok().filter(|_| is_name)
    }
}
