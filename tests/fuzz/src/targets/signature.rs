//! Signatures.

use baton::kexec::Kind;
use baton::kexec::signature::{Asked, Key, parse};

use super::check_message;

/// Any file. What is read is written the same, and nobody without the key signs for these bytes.
pub fn signature(file: &[u8]) -> bool {
    let signature = match parse(file) {
        Ok(signature) => signature,
        Err(error) => {
            check_message(error);
            return false;
        }
    };
    assert_eq!(signature.to_string().as_bytes(), file);
    let asked = Asked {
        kind: Kind::Image,
        place: None,
        image: b"what nobody has signed",
        initrd: None,
        dtb: None,
        append: b"",
    };
    check_message(signature.verify(&Key::built_in(), &asked).expect_err("signed by nobody"));
    true
}
