//! Writes newc cpio archives: the initrd whose files the console sees.
//!
//! Format: Linux `Documentation/driver-api/early-userspace/buffer-format.rst`.

use std::io::Write;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;

const MAGIC: &str = "070701";
const TRAILER: &str = "TRAILER!!!";
const REGULAR_FILE: u32 = 0o100644;
const PROGRAM: u32 = 0o100755;
const DIRECTORY: u32 = 0o040755;

/// An archive that is being written.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    files: u32,
}

impl Archive {
    /// Appends a regular file.
    ///
    /// # Errors
    /// The name is empty or holds a NUL, or a length does not fit the format's 32 bits.
    pub fn add(&mut self, name: &str, content: &[u8]) -> Result<()> {
        self.add_as(name, REGULAR_FILE, content)
    }

    /// Appends a file that can be run.
    ///
    /// # Errors
    /// As for [`Archive::add`].
    pub fn program(&mut self, name: &str, content: &[u8]) -> Result<()> {
        self.add_as(name, PROGRAM, content)
    }

    /// Appends a directory. It comes before what is in it.
    ///
    /// # Errors
    /// As for [`Archive::add`].
    pub fn directory(&mut self, name: &str) -> Result<()> {
        self.add_as(name, DIRECTORY, &[])
    }

    /// Appends an entry with any mode.
    ///
    /// # Errors
    /// As for [`Archive::add`].
    pub fn add_as(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<()> {
        ensure!(!name.is_empty() && !name.contains('\0'), "{name:?} is no name for a file");
        ensure!(name != TRAILER, "{TRAILER} is the archive's own end mark");
        self.files += 1;
        self.entry(name, self.files, mode, content)
    }

    /// Ends the archive and gives its bytes.
    ///
    /// # Errors
    /// None in practice: the end mark always fits.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.entry(TRAILER, 0, 0, &[])?;
        Ok(self.bytes)
    }

    fn entry(&mut self, name: &str, inode: u32, mode: u32, content: &[u8]) -> Result<()> {
        let size = u32::try_from(content.len()).context("a file of 4 GiB or more")?;
        let name_size = u32::try_from(name.len() + 1).context("a name of 4 GiB or more")?;
        // inode, mode, uid, gid, links, mtime, size, device and rdevice (major, minor), name, check
        let fields = [inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend_from_slice(MAGIC.as_bytes());
        for field in fields {
            write!(self.bytes, "{field:08x}")?;
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// The bytes as a gzip file.
///
/// # Errors
/// None in practice: it writes to memory.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn sample() -> Vec<u8> {
        let mut archive = Archive::default();
        archive.add("baton.Image", b"12345").unwrap();
        archive.add("dir/empty", b"").unwrap();
        archive.finish().unwrap()
    }

    fn listing(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
        cpio_reader::iter_files(bytes)
            .map(|entry| (entry.name().to_string(), entry.file().to_vec()))
            .collect()
    }

    #[test]
    fn another_reader_sees_what_was_added() {
        let wanted =
            [("baton.Image".to_string(), b"12345".to_vec()), ("dir/empty".to_string(), vec![])];
        assert_eq!(listing(&sample()), wanted);
        assert_eq!(sample().len() % 4, 0);
    }

    #[test]
    fn gzip_unpacks_to_the_same_bytes() {
        let mut unpacked = Vec::new();
        let packed = gzip(&sample()).unwrap();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, sample());
        assert_eq!(packed[..2], [0x1f, 0x8b]);
    }

    #[test]
    fn names_that_would_break_the_archive_are_refused() {
        for name in ["", "a\0b", TRAILER] {
            assert!(Archive::default().add(name, b"").is_err(), "{name:?}");
        }
    }
}
