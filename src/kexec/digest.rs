//! SHA-256 of a segment (FIPS 180-4).
//!
//! Digests serve two ends: a segment's tells whether memory still holds what was written, and those
//! of the files are what a signature covers.

use core::fmt;

use sha2::{Digest as _, Sha256};

/// A SHA-256; displays as 64 hexadecimal digits, as `sha256sum` prints.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The hash itself.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A digest in the making. Cloned, it tells the digest of what has been read so far, so that the
/// digests of a whole and of its beginning come from one reading.
#[derive(Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Reads on.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all that was read.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_known_message_has_its_known_digest() {
        // The one-block example that NIST publishes with FIPS 180.
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(b"abc").to_string(), text);
        assert_ne!(Digest::of(b"abc"), Digest::of(b"abd"));
        let mut hasher = Hasher::default();
        hasher.update(b"abc");
        let beginning = hasher.clone().finish();
        hasher.update(b"d");
        assert_eq!((beginning, hasher.finish()), (Digest::of(b"abc"), Digest::of(b"abcd")));
    }
}
