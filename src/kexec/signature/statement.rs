//! What is signed, and how it is compared with what is to be loaded.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::{KeyId, Part, Rest, SignatureError, only_signatures, version};
use crate::kexec::digest::{Digest, Hasher};
use crate::kexec::plan::Kind;
use crate::options::Shown;

/// First field of the message: what is signed here is signed for nothing else.
const DOMAIN: &str = "baton kexec signature v";

/// Most bytes that may follow the signed ones of an initrd: hundreds of signatures.
const MAX_REST: usize = 256 << 10;

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

/// Where a flat binary may be loaded: what `kexec load --at` takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Anywhere: it runs where it is put.
    Any,
    /// At this base alone.
    At(u64),
}

impl Place {
    fn field(self) -> Vec<u8> {
        match self {
            Self::Any => b"any".to_vec(),
            Self::At(base) => base.to_le_bytes().to_vec(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::At(base) => write!(f, "{base:#x}"),
        }
    }
}

/// All that a next kernel gets, as bytes.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// How the image is read.
    pub kind: Kind,
    /// Where a flat binary goes; `None` if that is left open.
    pub place: Option<Place>,
    /// The image file's bytes, packed or not.
    pub image: &'a [u8],
    /// The initrd.
    pub initrd: Option<&'a [u8]>,
    /// A device tree in place of the running one.
    pub dtb: Option<&'a [u8]>,
    /// The command line.
    pub append: &'a [u8],
}

/// What is signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    /// The signer's key.
    pub key: KeyId,
    /// How the image is read.
    pub kind: Kind,
    /// Where a flat binary goes; `None` for an arm64 Image, which runs anywhere.
    pub place: Option<Place>,
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
    ///
    /// # Errors
    /// A flat binary without a place, or a command line that no signature can hold.
    pub fn new(key: KeyId, asked: &Asked<'_>) -> Result<Self, SignatureError> {
        let place = match asked.kind {
            Kind::Image => None,
            Kind::Raw => Some(asked.place.ok_or(SignatureError::NoPlace)?),
        };
        Ok(Self {
            key,
            kind: asked.kind,
            place,
            image: Sum::of(asked.image),
            initrd: asked.initrd.map(Sum::of),
            dtb: asked.dtb.map(Sum::of),
            append: one_line(asked.append)?.into(),
        })
    }

    /// The bytes that are signed: each field behind its length, 64 bits, little endian. A sum is
    /// its length as such a number and its 32 bytes; `none` is an empty field. The place is a field
    /// of version 2 only.
    pub fn message(&self) -> Vec<u8> {
        let sum = |sum: &Option<Sum>| sum.as_ref().map(Sum::field).unwrap_or_default();
        let mut fields: Vec<Vec<u8>> = Vec::from([
            alloc::format!("{DOMAIN}{}", version(self.kind)).into_bytes(),
            self.key.0.to_vec(),
            self.kind.name().as_bytes().to_vec(),
        ]);
        fields.extend(self.place.map(Place::field));
        fields.extend([self.image.field(), sum(&self.initrd), sum(&self.dtb)]);
        fields.push(self.append.as_bytes().to_vec());
        fields.iter().flat_map(|field| with_length(field)).collect()
    }

    /// The first part in which this and `asked` differ.
    pub(super) fn compare(&self, asked: &Asked<'_>) -> Result<(), SignatureError> {
        self.terms(asked.kind, asked.place, asked.append)?;
        self.image(Sum::of(asked.image))?;
        self.dtb(asked.dtb.map(Sum::of))?;
        self.initrd(asked.initrd).map(drop)
    }

    /// Compares what is no file: type, place and command line.
    ///
    /// # Errors
    /// What differs, or that no signature can hold the command line.
    pub fn terms(
        &self,
        kind: Kind,
        place: Option<Place>,
        append: &[u8],
    ) -> Result<(), SignatureError> {
        one_line(append)?;
        if self.append.as_bytes() != append {
            let append = Shown(append).to_string();
            return Err(SignatureError::Differs(Part::Append(self.append.clone(), append)));
        }
        if self.kind != kind {
            return Err(SignatureError::Differs(Part::Kind(self.kind, kind)));
        }
        match (self.place, place) {
            (Some(Place::At(signed)), Some(asked)) if asked != Place::At(signed) => {
                Err(SignatureError::Differs(Part::Place(Place::At(signed), asked)))
            }
            _ => Ok(()),
        }
    }

    /// The base at which a flat binary has to be loaded, if the signature says so.
    pub fn base(&self) -> Option<u64> {
        match self.place {
            Some(Place::At(base)) => Some(base),
            _ => None,
        }
    }

    /// Compares the image.
    ///
    /// # Errors
    /// It differs.
    pub fn image(&self, image: Sum) -> Result<(), SignatureError> {
        if self.image == image {
            return Ok(());
        }
        Err(SignatureError::Differs(Part::Image(self.image, image)))
    }

    /// Compares the device tree.
    ///
    /// # Errors
    /// It differs.
    pub fn dtb(&self, dtb: Option<Sum>) -> Result<(), SignatureError> {
        if self.dtb == dtb {
            return Ok(());
        }
        Err(SignatureError::Differs(Part::Dtb(self.dtb, dtb)))
    }

    /// Compares the initrd: the signed bytes are a beginning, and the rest may only be signature
    /// files. Returns the digest of the whole. Each byte is read once, so that the answer and the
    /// digest are about the same bytes, whatever is written there meanwhile.
    ///
    /// # Errors
    /// What differs, or what is wrong with the rest.
    pub fn initrd(&self, initrd: Option<&[u8]>) -> Result<Option<Digest>, SignatureError> {
        let differs = |found| Err(SignatureError::Differs(Part::Initrd(self.initrd, found)));
        let (signed, bytes) = match (self.initrd, initrd) {
            (None, None) => return Ok(None),
            (Some(signed), Some(bytes)) if signed.bytes <= bytes.len() as u64 => (signed, bytes),
            _ => return differs(initrd.map(Sum::of)),
        };
        let (beginning, rest) = bytes.split_at(signed.bytes as usize);
        if rest.len() > MAX_REST {
            return Err(SignatureError::Rest(Rest::TooLong { bytes: rest.len(), most: MAX_REST }));
        }
        let rest = rest.to_vec();
        let mut hasher = Hasher::default();
        hasher.update(beginning);
        let found = hasher.clone().finish();
        hasher.update(&rest);
        let whole = hasher.finish();
        if found != signed.digest {
            return differs(Some(Sum { bytes: bytes.len() as u64, digest: whole }));
        }
        only_signatures(&rest, beginning.len()).map_err(SignatureError::Rest)?;
        Ok(Some(whole))
    }
}

/// The command line as the one line that a signature file has for it.
fn one_line(append: &[u8]) -> Result<&str, SignatureError> {
    let text = str::from_utf8(append)
        .map_err(|error| SignatureError::AppendNotText { at: error.valid_up_to() })?;
    match text.find(char::is_control) {
        Some(at) => Err(SignatureError::AppendControl { at }),
        None => Ok(text),
    }
}

/// A field behind its length, so that no two lists of fields have the same bytes.
fn with_length(field: &[u8]) -> Vec<u8> {
    [&(field.len() as u64).to_le_bytes()[..], field].concat()
}
