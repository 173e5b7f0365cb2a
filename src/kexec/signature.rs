//! Permission to load a kernel: an Ed25519 signature (RFC 8032) over the kernel file and all that
//! the kernel is given.
//!
//! # The file
//!
//! Text in UTF-8, each line ended by one line feed, in this order and no other:
//!
//! ```text
//! baton-signature 1
//! key 16 hexadecimal digits: the first 8 bytes of the SHA-256 of the public key
//! type image
//! image BYTES SHA-256
//! initrd BYTES SHA-256, or: initrd none
//! dtb BYTES SHA-256, or: dtb none
//! append the command line, to the end of the line
//! signature 128 hexadecimal digits
//! ```
//!
//! Of a flat binary, version 2 with one line more, since a flat binary runs where it was linked for:
//!
//! ```text
//! baton-signature 2
//! key ...
//! type raw
//! at 0xADDRESS, or: at any
//! image ... and so on
//! ```
//!
//! Digests are over the files' bytes in the initrd: a packed file is hashed packed. The signature
//! covers the lines above, encoded by [`Statement::message`]: every field behind its length, the
//! first field a text that no other protocol and no other version signs.
//!
//! # An initrd that holds its own signature
//!
//! `kexec load` keeps the running initrd by default, and that is where the signature file lies: no
//! file can hold a signature over itself. So the signed bytes are a beginning of the initrd, exact
//! and with its length, and what follows may only be plain archives of signature files
//! ([`rest`](only_signatures)). Initrds may be several archives one after the other, for baton and
//! Linux alike; so signatures are made last, packed, and put behind. A digest over files in some
//! canonical order would not have covered modes, devices, links or the order of archives, all of
//! which a next kernel obeys.
//!
//! # Bytes that change meanwhile
//!
//! What is compared with a signature has to be what will run. So the parts are compared one by one,
//! each by the digest of a reading that also decides what is loaded: [`Statement`] has a method for
//! each part, and the loader calls it with that digest (`src/kernel/loader.rs`).

mod error;
mod key;
pub mod keyfile;
mod parse;
mod rest;
mod standing;
mod statement;
#[cfg(all(test, not(loom)))]
mod tests;

use core::fmt;

pub use error::{Part, Rest, SignatureError};
pub use key::{Key, KeyId};
pub use parse::parse;
pub use rest::only_signatures;
pub use standing::{Checked, Standing};
pub use statement::{Asked, Place, Statement, Sum};

use super::plan::Kind;

/// What the name of a signature file ends in.
pub const SUFFIX: &str = ".sig";

/// Most bytes of a signature file: the longest command line and some.
pub const MAX_BYTES: usize = 4096;

/// First word of the file.
const FIRST: &str = "baton-signature";

/// Version of the file and of the message.
const fn version(kind: Kind) -> u32 {
    match kind {
        Kind::Image => 1,
        Kind::Raw => 2,
    }
}

/// What a signature file says. Displays as the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    /// What is signed.
    pub statement: Statement,
    /// The signature over the statement.
    pub signature: [u8; 64],
}

impl Signature {
    /// Compares the signature with what is to be loaded: first the key and the Ed25519 check, then
    /// each signed part. In this order, because a statement is worth reading only once its signer
    /// is known: before that, it proves nothing.
    ///
    /// # Errors
    /// [`SignatureError::UnknownKey`], [`SignatureError::Forged`], or the part that differs.
    pub fn verify(&self, key: &Key, asked: &Asked<'_>) -> Result<(), SignatureError> {
        self.by(key)?.compare(asked)
    }

    /// What is signed, if `key` has signed it.
    ///
    /// # Errors
    /// [`SignatureError::UnknownKey`] or [`SignatureError::Forged`].
    pub fn by(&self, key: &Key) -> Result<&Statement, SignatureError> {
        let (signer, known) = (self.statement.key, key.id());
        if signer != known {
            return Err(SignatureError::UnknownKey { key: signer, known });
        }
        if !key.signed(&self.statement.message(), &self.signature) {
            return Err(SignatureError::Forged { key: known });
        }
        Ok(&self.statement)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Statement { key, kind, place, image, initrd, dtb, append } = &self.statement;
        writeln!(f, "{FIRST} {}\nkey {key}\ntype {kind}", version(*kind))?;
        if let Some(place) = place {
            writeln!(f, "at {place}")?;
        }
        writeln!(f, "image {image}")?;
        for (name, sum) in [("initrd", initrd), ("dtb", dtb)] {
            match sum {
                Some(sum) => writeln!(f, "{name} {sum}")?,
                None => writeln!(f, "{name} none")?,
            }
        }
        write!(f, "append {append}\nsignature ")?;
        self.signature.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        writeln!(f)
    }
}
