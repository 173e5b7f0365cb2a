//! The firmware's tree, token by token (Devicetree Specification 0.4, chapter 5). Each length is
//! checked before it is used.

use super::TreeError;

const MAGIC: u32 = 0xd00d_feed;
const HEADER: usize = 40;
const OLDEST_READER: u32 = 17;

/// Bytes of a tree at most: what the arm64 boot protocol allows.
const MOST: usize = 2 << 20;

/// The blocks of a tree.
pub(super) struct Blocks<'t> {
    structure: &'t [u8],
    pub strings: &'t [u8],
    pub boot_cpu: u32,
}

/// One token of the structure.
pub(super) enum Token<'t> {
    /// A node begins: its name.
    Begin(&'t [u8]),
    /// A property: the offset of its name, and its value.
    Property(usize, &'t [u8]),
    /// A node ends.
    EndNode,
    /// The structure ends.
    End,
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_be_bytes(*b))
}

/// Bytes of a tree, by its header.
pub(super) fn size(header: &[u8]) -> Result<usize, TreeError> {
    if be32(header, 0) != Some(MAGIC) {
        return Err(TreeError::Header("magic number"));
    }
    let size = be32(header, 4).unwrap_or(0) as usize;
    if (HEADER..=MOST).contains(&size) { Ok(size) } else { Err(TreeError::Header("size")) }
}

impl<'t> Blocks<'t> {
    /// The blocks of a whole tree.
    pub(super) fn of(tree: &'t [u8]) -> Result<Self, TreeError> {
        let tree = tree.get(..size(tree)?).ok_or(TreeError::Header("size"))?;
        let word = |at| be32(tree, at).ok_or(TreeError::Header("length"));
        let (newest, oldest) = (word(20)?, word(24)?);
        if newest < OLDEST_READER || oldest > OLDEST_READER {
            return Err(TreeError::Header("version"));
        }
        let block = |name, start: u32, size: u32| {
            let (start, size) = (start as usize, size as usize);
            let end = start.checked_add(size).filter(|_| start >= HEADER);
            end.and_then(|end| tree.get(start..end)).ok_or(TreeError::Block(name))
        };
        Ok(Self {
            structure: block("structure", word(8)?, word(36)?)?,
            strings: block("strings", word(12)?, word(32)?)?,
            boot_cpu: word(28)?,
        })
    }

    /// The string at an offset, without its NUL.
    pub(super) fn string(&self, at: usize) -> Result<&'t [u8], TreeError> {
        self.strings.get(at..).and_then(to_nul).ok_or(TreeError::Name(at))
    }

    pub(super) fn tokens(&self) -> Tokens<'t> {
        Tokens { structure: self.structure, at: 0 }
    }
}

fn to_nul(bytes: &[u8]) -> Option<&[u8]> {
    bytes.iter().position(|byte| *byte == 0).map(|end| &bytes[..end])
}

/// The structure, read from its beginning.
pub(super) struct Tokens<'t> {
    structure: &'t [u8],
    at: usize,
}

impl<'t> Tokens<'t> {
    /// The next token, and its offset.
    pub(super) fn next_token(&mut self) -> Result<(usize, Token<'t>), TreeError> {
        loop {
            let at = self.at;
            let token = match self.word(at)? {
                1 => {
                    let name = self.structure.get(self.at..).and_then(to_nul);
                    let name = name.ok_or(TreeError::Token(at))?;
                    self.skip(name.len() + 1, at)?;
                    Token::Begin(name)
                }
                2 => Token::EndNode,
                3 => {
                    let (len, name) = (self.word(at)? as usize, self.word(at)? as usize);
                    let end = self.at.checked_add(len);
                    let value = end.and_then(|end| self.structure.get(self.at..end));
                    let value = value.ok_or(TreeError::Token(at))?;
                    self.skip(len, at)?;
                    Token::Property(name, value)
                }
                4 => continue, // NOP
                9 => Token::End,
                _ => return Err(TreeError::Token(at)),
            };
            return Ok((at, token));
        }
    }

    fn word(&mut self, token: usize) -> Result<u32, TreeError> {
        let word = be32(self.structure, self.at).ok_or(TreeError::Token(token))?;
        self.at += 4;
        Ok(word)
    }

    /// Goes on behind so many bytes, on a multiple of 4.
    fn skip(&mut self, bytes: usize, token: usize) -> Result<(), TreeError> {
        let end = self.at.checked_add(bytes).and_then(|end| end.checked_next_multiple_of(4));
        self.at = end.ok_or(TreeError::Token(token))?;
        Ok(())
    }
}
