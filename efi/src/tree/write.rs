//! A tree, written token by token into a buffer (Devicetree Specification 0.4, chapter 5).

use super::TreeError;

const HEADER: usize = 40;
/// Behind the header: a memory reservation block that is empty.
const STRUCTURE: usize = HEADER + 16;
const VERSION: u32 = 17;
const OLDEST_READER: u32 = 16;

pub(super) struct Writer<'o> {
    out: &'o mut [u8],
    at: usize,
}

impl<'o> Writer<'o> {
    pub(super) fn new(out: &'o mut [u8]) -> Result<Self, TreeError> {
        let head = out.get_mut(..STRUCTURE).ok_or(TreeError::TooLarge)?;
        head.fill(0);
        Ok(Self { out, at: STRUCTURE })
    }

    /// Begins a node.
    pub(super) fn begin(&mut self, name: &[u8]) -> Result<(), TreeError> {
        self.word(1)?;
        self.bytes(name)?;
        self.bytes(&[0])?;
        self.align(4)
    }

    /// Ends a node.
    pub(super) fn end(&mut self) -> Result<(), TreeError> {
        self.word(2)
    }

    /// A property; returns where its value lies.
    pub(super) fn property(&mut self, name: usize, value: &[u8]) -> Result<usize, TreeError> {
        self.head(name, value.len())?;
        let at = self.at;
        self.bytes(value)?;
        self.align(4)?;
        Ok(at)
    }

    /// A property that is text, with a NUL behind.
    pub(super) fn text(&mut self, name: usize, value: &[u8]) -> Result<(), TreeError> {
        self.head(name, value.len() + 1)?;
        self.bytes(value)?;
        self.bytes(&[0])?;
        self.align(4)
    }

    fn head(&mut self, name: usize, len: usize) -> Result<(), TreeError> {
        self.word(3)?;
        self.word(len as u32)?;
        self.word(name as u32)
    }

    /// Ends the structure, and writes strings and header. Returns the bytes of the whole tree.
    pub(super) fn finish(
        mut self,
        boot_cpu: u32,
        old: &[u8],
        names: &[&str],
    ) -> Result<usize, TreeError> {
        self.word(9)?;
        let strings = self.at;
        self.bytes(old)?;
        for name in names {
            self.bytes(name.as_bytes())?;
            self.bytes(&[0])?;
        }
        let strings_size = self.at - strings;
        self.align(8)?;
        let total = self.at;
        self.at = 0;
        let structure = [STRUCTURE, strings, HEADER].map(|at| at as u32);
        self.word(0xd00d_feed)?;
        self.word(total as u32)?;
        structure.into_iter().try_for_each(|at| self.word(at))?;
        let rest = [VERSION, OLDEST_READER, boot_cpu, strings_size as u32];
        rest.into_iter().try_for_each(|word| self.word(word))?;
        self.word((strings - STRUCTURE) as u32)?;
        Ok(total)
    }

    fn word(&mut self, word: u32) -> Result<(), TreeError> {
        self.bytes(&word.to_be_bytes())
    }

    fn align(&mut self, to: usize) -> Result<(), TreeError> {
        let padding = self.at.next_multiple_of(to) - self.at;
        self.bytes(&[0; 8][..padding])
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), TreeError> {
        let room = self.out.get_mut(self.at..self.at + bytes.len()).ok_or(TreeError::TooLarge)?;
        room.copy_from_slice(bytes);
        self.at += bytes.len();
        Ok(())
    }
}
