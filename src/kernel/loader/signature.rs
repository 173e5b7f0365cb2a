//! Which signatures permit a load: `kexec.sig=`.

use alloc::format;
use alloc::string::{String, ToString};

use crate::kernel::{Level, Reporter};
use crate::kexec::signature::{self, Asked, Checked, Key, SUFFIX, SignatureError, Standing};
use crate::kexec::{Files, KexecLoad};
use crate::machine::Clock;
use crate::options::Signatures;

/// Warns if signatures are asked for and the built-in key is the test key, whose secret is public.
pub(super) fn warn_of_test_key(out: &mut Reporter, mode: Signatures) {
    let key = Key::built_in();
    if mode != Signatures::Off && key.is_test() {
        let text = format!(
            "kexec.sig={mode}, and the key built in is the test key {}, with which anybody can \
             sign; build with KEY=",
            key.id()
        );
        out.say(Level::Warning, &text);
    }
}

/// Holds what is asked for against its signature, as far as `mode` says.
///
/// # Errors
/// Why the kernel may not be loaded, and what to do.
pub(super) fn check(
    out: &mut Reporter,
    clock: &dyn Clock,
    mode: Signatures,
    ask: &KexecLoad,
    files: &Files<'_>,
    asked: &Asked<'_>,
) -> Result<Checked, String> {
    if mode == Signatures::Off {
        return Ok(Checked { standing: Standing::NotLookedAt, ns: 0 });
    }
    let begin = clock.now();
    let path = ask.sig.clone().unwrap_or_else(|| format!("{}{SUFFIX}", ask.path));
    let standing = match files.get(&path) {
        Some(bytes) => judge(bytes, asked).map_err(|why| format!("signature {path}: {why}"))?,
        None if ask.sig.is_some() => {
            return Err(format!("{path}: no such file; `files` lists them"));
        }
        None => Standing::Missing,
    };
    let ns = out.ns(clock.now() - begin);
    accept(out, mode, &ask.path, &path, standing)?;
    Ok(Checked { standing, ns })
}

fn accept(
    out: &mut Reporter,
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
    out.say(Level::Warning, &format!("{what}; kexec.sig={mode} lets it pass"));
    Ok(())
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::kexec::Kind;
    use crate::machine::fake::Fake;

    /// The answer for a kernel without a signature, and what is said meanwhile.
    fn unsigned(mode: Signatures, sig: Option<&str>) -> (Result<Checked, String>, String) {
        let (mut out, paper) = Reporter::on_paper(6);
        let files = Files::default();
        let (path, sig) = ("new".into(), sig.map(String::from));
        let (initrd, append, dtb, at) = (None, None, None, None);
        let ask = KexecLoad { path, kind: Kind::Image, initrd, append, dtb, sig, at };
        let asked = Asked { kind: Kind::Image, image: b"new", initrd: None, dtb: None, append: "" };
        let checked = check(&mut out, &Fake::at(5), mode, &ask, &files, &asked);
        (checked, paper.read())
    }

    #[test]
    fn without_a_signature_the_mode_decides() {
        let (checked, said) = unsigned(Signatures::Off, None);
        assert_eq!(checked.unwrap().standing, Standing::NotLookedAt);
        assert_eq!(said, "");
        let (checked, said) = unsigned(Signatures::Check, None);
        assert_eq!(checked.unwrap().standing, Standing::Missing);
        assert!(said.starts_with("warning: new has no signature: there is no new.sig"), "{said}");
        let (checked, said) = unsigned(Signatures::Enforce, None);
        assert!(checked.unwrap_err().contains("kexec.sig=enforce wants a good one"));
        assert_eq!(said, "");
    }

    #[test]
    fn a_signature_that_is_asked_for_must_be_there() {
        for mode in [Signatures::Check, Signatures::Enforce] {
            let why = unsigned(mode, Some("my.sig")).0.unwrap_err();
            assert_eq!(why, "my.sig: no such file; `files` lists them");
        }
    }
}
