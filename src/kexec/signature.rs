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
//! type image|raw
//! image BYTES SHA-256
//! initrd BYTES SHA-256, or: initrd none
//! dtb BYTES SHA-256, or: dtb none
//! append the command line, to the end of the line
//! signature 128 hexadecimal digits
//! ```
//!
//! Digests are over the files' bytes in the initrd: a packed file is hashed packed. The signature
//! covers the lines above, encoded by [`Statement::message`]: every field behind its length, the
//! first field a text that no other protocol signs.
//!
//! # An initrd that holds its own signature
//!
//! `kexec load` keeps the running initrd by default, and that is where the signature file lies: no
//! file can hold a signature over itself. So the signed bytes are a beginning of the initrd, exact
//! and with its length, and what follows may only be plain archives of regular files named `*.sig`.
//! Initrds may be several archives one after the other, for baton and Linux alike; so signatures
//! are made last, packed, and put behind. A digest over files in some canonical order would not
//! have covered modes, devices, links or the order of archives, all of which a next kernel obeys.

mod error;
mod key;
pub mod keyfile;
mod parse;
mod standing;
#[cfg(all(test, not(loom)))]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub use error::{Part, Rest, SignatureError};
pub use key::{Key, KeyId};
pub use parse::parse;
pub use standing::{Checked, Standing};

use super::cpio;
use super::digest::Digest;
use super::plan::Kind;

/// What the name of a signature file ends in.
pub const SUFFIX: &str = ".sig";

/// Most bytes of a signature file: the longest command line and some.
pub const MAX_BYTES: usize = 4096;

/// Version of the file and of the message.
const VERSION: u32 = 1;

/// First word of the file.
const FIRST: &str = "baton-signature";

/// First field of the message: what is signed here is signed for nothing else.
const DOMAIN: &[u8] = b"baton kexec signature v1";

/// Length and digest of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sum {
    /// Bytes.
    pub bytes: u64,
    /// Their SHA-256.
    pub digest: Digest,
}

impl Sum {
    /// Of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len() as u64, digest: Digest::of(bytes) }
    }

    fn field(&self) -> Vec<u8> {
        [&self.bytes.to_le_bytes()[..], self.digest.bytes()].concat()
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.bytes, self.digest)
    }
}

/// All that a next kernel gets, as bytes.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// How the image is read.
    pub kind: Kind,
    /// The image file's bytes, packed or not.
    pub image: &'a [u8],
    /// The initrd.
    pub initrd: Option<&'a [u8]>,
    /// A device tree in place of the running one.
    pub dtb: Option<&'a [u8]>,
    /// The command line.
    pub append: &'a str,
}

/// What is signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    /// The signer's key.
    pub key: KeyId,
    /// How the image is read.
    pub kind: Kind,
    /// The image.
    pub image: Sum,
    /// The initrd, or a beginning of the initrd.
    pub initrd: Option<Sum>,
    /// The device tree given in place of the running one.
    pub dtb: Option<Sum>,
    /// The command line.
    pub append: String,
}

impl Statement {
    /// About all of `asked`, for `key` to sign.
    pub fn new(key: KeyId, asked: &Asked<'_>) -> Self {
        Self {
            key,
            kind: asked.kind,
            image: Sum::of(asked.image),
            initrd: asked.initrd.map(Sum::of),
            dtb: asked.dtb.map(Sum::of),
            append: asked.append.into(),
        }
    }

    /// The bytes that are signed: each field behind its length, 64 bits, little endian. A sum is
    /// its length as such a number and its 32 bytes; `none` is an empty field.
    pub fn message(&self) -> Vec<u8> {
        let sum = |sum: &Option<Sum>| sum.as_ref().map(Sum::field).unwrap_or_default();
        let fields: [&[u8]; 7] = [
            DOMAIN,
            &self.key.0,
            self.kind.name().as_bytes(),
            &self.image.field(),
            &sum(&self.initrd),
            &sum(&self.dtb),
            self.append.as_bytes(),
        ];
        fields.iter().flat_map(|field| with_length(field)).collect()
    }

    /// The first part in which this and `asked` differ.
    fn compare(&self, asked: &Asked<'_>) -> Result<(), SignatureError> {
        let differs = |part| Err(SignatureError::Differs(part));
        let image = Sum::of(asked.image);
        let dtb = asked.dtb.map(Sum::of);
        if self.append != asked.append {
            differs(Part::Append(self.append.clone(), asked.append.into()))
        } else if self.kind != asked.kind {
            differs(Part::Kind(self.kind, asked.kind))
        } else if self.image != image {
            differs(Part::Image(self.image, image))
        } else if self.dtb != dtb {
            differs(Part::Dtb(self.dtb, dtb))
        } else {
            self.compare_initrd(asked.initrd)
        }
    }

    /// The signed bytes are a beginning of the initrd; the rest may only be signature files.
    fn compare_initrd(&self, initrd: Option<&[u8]>) -> Result<(), SignatureError> {
        let differs = || SignatureError::Differs(Part::Initrd(self.initrd, initrd.map(Sum::of)));
        match (self.initrd, initrd) {
            (None, None) => Ok(()),
            (Some(signed), Some(bytes)) => {
                let length = usize::try_from(signed.bytes).map_err(|_| differs())?;
                let beginning = bytes.get(..length).ok_or_else(differs)?;
                if Digest::of(beginning) != signed.digest {
                    return Err(differs());
                }
                only_signatures(bytes, length).map_err(SignatureError::Rest)
            }
            _ => Err(differs()),
        }
    }
}

/// A field behind its length, so that no two lists of fields have the same bytes.
fn with_length(field: &[u8]) -> Vec<u8> {
    [&(field.len() as u64).to_le_bytes()[..], field].concat()
}

/// What follows `at` is plain archives of regular files named `*.sig`, or nothing, and zeros.
fn only_signatures(initrd: &[u8], mut at: usize) -> Result<(), Rest> {
    // Each round reads one archive; its end is behind its beginning, so this ends.
    while let Some(zeros) = initrd[at..].iter().position(|&byte| byte != 0) {
        let begin = at + zeros;
        let mut stranger = None;
        let see = |name: &[u8], mode| {
            let allowed = name.ends_with(SUFFIX.as_bytes()) && cpio::is_regular(mode);
            if !allowed && stranger.is_none() {
                stranger = Some(String::from_utf8_lossy(name).into_owned());
            }
        };
        at = cpio::walk(initrd, begin, see).map_err(|(at, error)| Rest::Archive { at, error })?;
        if let Some(name) = stranger {
            return Err(Rest::Entry { name });
        }
    }
    Ok(())
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
        let (signer, known) = (self.statement.key, key.id());
        if signer != known {
            return Err(SignatureError::UnknownKey { key: signer, known });
        }
        if !key.signed(&self.statement.message(), &self.signature) {
            return Err(SignatureError::Forged { key: known });
        }
        self.statement.compare(asked)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Statement { key, kind, image, initrd, dtb, append } = &self.statement;
        writeln!(f, "{FIRST} {VERSION}\nkey {key}\ntype {kind}\nimage {image}")?;
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
