//! Which signatures permit a load: `kexec.sig=`.

use alloc::format;
use alloc::string::{String, ToString};

use super::{Kernel, Level};
use crate::kexec::signature::{self, Asked, Checked, Key, SUFFIX, SignatureError, Standing};
use crate::kexec::{Digest, Files, InitrdChoice, KexecLoad};
use crate::options::Signatures;

impl Kernel {
    /// Warns if signatures are asked for and the built-in key is the test key, whose secret is
    /// public.
    pub(super) fn warn_of_test_key(&mut self) {
        let key = Key::built_in();
        let mode = self.options.signatures;
        if mode != Signatures::Off && key.is_test() {
            let text = format!(
                "kexec.sig={mode}, and the key built in is the test key {}, with which anybody can \
                 sign; build with KEY=",
                key.id()
            );
            self.say(Level::Warning, &text);
        }
    }

    /// The bytes of the initrd that the next kernel gets.
    pub(super) fn chosen_initrd<'f>(&self, choice: InitrdChoice<'f>) -> Option<&'f [u8]> {
        match choice {
            InitrdChoice::None => None,
            InitrdChoice::Keep(_) => self.initrd().map(|(bytes, _)| bytes),
            InitrdChoice::Bytes(bytes) => Some(bytes),
        }
    }

    /// What a kept initrd hashes to, for a second look before the jump.
    pub(super) fn kept_digest(&self, choice: InitrdChoice<'_>) -> Option<Digest> {
        let kept = matches!(choice, InitrdChoice::Keep(_));
        self.chosen_initrd(choice).filter(|_| kept).map(Digest::of)
    }

    /// Holds what is asked for against its signature, as far as `kexec.sig=` says.
    ///
    /// # Errors
    /// Why the kernel may not be loaded, and what to do.
    pub(super) fn check_signature(
        &mut self,
        ask: &KexecLoad,
        files: &Files<'_>,
        asked: &Asked<'_>,
    ) -> Result<Checked, String> {
        let mode = self.options.signatures;
        if mode == Signatures::Off {
            return Ok(Checked { standing: Standing::NotLookedAt, ns: 0 });
        }
        let begin = self.board.now();
        let path = ask.sig.clone().unwrap_or_else(|| format!("{}{SUFFIX}", ask.path));
        let standing = match files.get(&path) {
            Some(bytes) => judge(bytes, asked).map_err(|why| format!("signature {path}: {why}"))?,
            None if ask.sig.is_some() => {
                return Err(format!("{path}: no such file; `files` lists them"));
            }
            None => Standing::Missing,
        };
        let ns = self.ns(self.board.now() - begin);
        self.accept_standing(mode, &ask.path, &path, standing)?;
        Ok(Checked { standing, ns })
    }

    fn accept_standing(
        &mut self,
        mode: Signatures,
        image: &str,
        path: &str,
        standing: Standing,
    ) -> Result<(), String> {
        let known = Key::built_in().id();
        let what = match standing {
            Standing::Missing => format!("{image} has no signature: there is no {path}"),
            Standing::UnknownKey(key) => {
                format!("signature {path}: it is by key {key}, and this kernel knows {known}")
            }
            Standing::Good { .. } | Standing::NotLookedAt => return Ok(()),
        };
        if mode == Signatures::Enforce {
            return Err(format!(
                "{what}; kexec.sig=enforce wants a good one: sign it with `baton sign`"
            ));
        }
        self.say(Level::Warning, &format!("{what}; kexec.sig={mode} lets it pass"));
        Ok(())
    }
}

/// A signature that can't be read or does not match is an error; a signature by an unknown key
/// proves nothing.
fn judge(bytes: &[u8], asked: &Asked<'_>) -> Result<Standing, String> {
    let key = Key::built_in();
    let signature = signature::parse(bytes).map_err(|e| e.to_string())?;
    match signature.verify(&key, asked) {
        Ok(()) => Ok(Standing::Good { key: key.id(), test: key.is_test() }),
        Err(SignatureError::UnknownKey { key, .. }) => Ok(Standing::UnknownKey(key)),
        Err(why) => Err(why.to_string()),
    }
}
