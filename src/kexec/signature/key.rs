//! The key that this kernel believes, built in.

use core::fmt;

use ed25519_compact::PublicKey;

use crate::kexec::Digest;

/// The public key that `BATON_KEY` named when this was built; otherwise the test key.
const BUILT_IN: &[u8; 32] = include_bytes!(concat!(env!("OUT_DIR"), "/key"));

/// The public half of the test key, with a secret half that is published.
const TEST: &[u8; 32] = include_bytes!(concat!(env!("OUT_DIR"), "/test-key"));

/// Names a public key: the first 8 bytes of its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A public key that signatures are held against.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key(PublicKey);

impl Key {
    /// The key with these bytes (RFC 8032). One that is no point, or a weak one, verifies nothing.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(PublicKey::new(bytes))
    }

    /// The one that this kernel was built with.
    pub fn built_in() -> Self {
        Self::new(*BUILT_IN)
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        let digest = Digest::of(&*self.0);
        KeyId(core::array::from_fn(|i| digest.bytes()[i]))
    }

    /// True for the test key, whose secret is in the repository: a signature by this key proves
    /// nothing.
    pub fn is_test(&self) -> bool {
        *self.0 == *TEST
    }

    /// True if this key has signed the message. A key that is no point of the curve has signed
    /// nothing.
    pub(super) fn signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify(message, &ed25519_compact::Signature::new(*signature)).is_ok()
    }
}
