//! Which signatures permit a load: `kexec.sig=`.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::kernel::{Level, Reporter};
use crate::kexec::signature::{
    self, Checked, Key, Place, SUFFIX, SignatureError, Standing, Statement, Sum,
};
use crate::kexec::{Digest, Files, KexecLoad, Kind, LoadPart, Packing, Plan};
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

/// What the signature of a load says, for comparing each part when it has been read.
pub(super) struct Permit<'c> {
    clock: &'c dyn Clock,
    /// Path of the signature, for messages.
    path: String,
    standing: Standing,
    /// What is signed, if there is a good signature; otherwise there is nothing to compare with.
    statement: Option<Statement>,
    /// Ticks that checking and hashing have taken.
    ticks: u64,
}

/// Reads the signature of what is asked for, and checks its key, as far as `mode` says.
///
/// # Errors
/// Why the kernel may not be loaded, and what to do.
pub(super) fn permit<'c>(
    out: &mut Reporter,
    clock: &'c dyn Clock,
    mode: Signatures,
    ask: &KexecLoad,
    files: &Files<'_>,
) -> Result<Permit<'c>, String> {
    let path = ask.sig.clone().unwrap_or_else(|| format!("{}{SUFFIX}", ask.path));
    let mut permit =
        Permit { clock, path, standing: Standing::NotLookedAt, statement: None, ticks: 0 };
    if mode == Signatures::Off {
        return Ok(permit);
    }
    let begin = clock.now();
    match files.find(&permit.path) {
        Ok(bytes) => permit.judge(bytes)?,
        Err(why) if ask.sig.is_some() || why.odd.is_some() => return Err(why.to_string()),
        Err(_) => permit.standing = Standing::Missing,
    }
    permit.ticks += clock.now() - begin;
    accept(out, mode, &ask.path, &permit.path, permit.standing)?;
    Ok(permit)
}

impl Permit<'_> {
    /// A signature that can't be read or that its key has not made is an error; a signature by an
    /// unknown key proves nothing.
    fn judge(&mut self, bytes: &[u8]) -> Result<(), String> {
        let key = Key::built_in();
        let signature = signature::parse(bytes).map_err(|why| self.refusal(&why))?;
        match signature.by(&key) {
            Ok(statement) => {
                self.statement = Some(statement.clone());
                self.standing = Standing::Good { key: key.id(), test: key.is_test() };
            }
            Err(SignatureError::UnknownKey { key, .. }) => {
                self.standing = Standing::UnknownKey(key);
            }
            Err(why) => return Err(self.refusal(&why)),
        }
        Ok(())
    }

    /// Compares type, place and command line.
    pub fn terms(&self, kind: Kind, at: Option<u64>, append: &[u8]) -> Result<(), String> {
        self.compare(|statement| statement.terms(kind, at.map(Place::At), append))
    }

    /// Where a flat binary has to go, if the signature says so.
    pub fn base(&self) -> Option<u64> {
        self.statement.as_ref().and_then(Statement::base)
    }

    /// Compares the tree that was given in place of the running one: the copy that is used.
    pub fn dtb(&self, dtb: Option<&[u8]>) -> Result<(), String> {
        self.compare(|statement| statement.dtb(dtb.map(Sum::of)))
    }

    /// Compares the initrd and returns its digest, by which [`Permit::planned`] or the second look
    /// knows the bytes again; `None` if there is nothing to compare with.
    pub fn initrd(&mut self, initrd: Option<&[u8]>) -> Result<Option<Digest>, String> {
        let Some(statement) = &self.statement else { return Ok(None) };
        let begin = self.clock.now();
        let digest = statement.initrd(initrd).map_err(|why| self.refusal(&why));
        self.ticks += self.clock.now() - begin;
        digest
    }

    /// A packed image for unpacking: if there is a signature, a copy that was compared with it.
    pub fn private<'f>(&mut self, file: &'f [u8]) -> Result<Cow<'f, [u8]>, String> {
        let Some(statement) = &self.statement else { return Ok(Cow::Borrowed(file)) };
        let mut copy = Vec::new();
        copy.try_reserve_exact(file.len()).map_err(|_| {
            format!("no memory for a copy of the {} bytes of the packed kernel", file.len())
        })?;
        copy.extend_from_slice(file);
        let begin = self.clock.now();
        statement.image(Sum::of(&copy)).map_err(|why| self.refusal(&why))?;
        self.ticks += self.clock.now() - begin;
        Ok(Cow::Owned(copy))
    }

    /// Compares what will be written with the signature, by the digests of the plan: what is written
    /// is read back and held against these digests. A packed image has been compared before, and
    /// `initrd` is the digest of the initrd that was.
    pub fn planned(
        &self,
        plan: &Plan,
        packing: Packing,
        initrd: Option<Digest>,
    ) -> Result<(), String> {
        let Some(statement) = &self.statement else { return Ok(()) };
        for segment in &plan.segments {
            let Some(digest) = segment.digest else { continue };
            let sum = Sum { bytes: segment.bytes as u64, digest };
            let same = match segment.what {
                LoadPart::Kernel if packing == Packing::Flat => statement.image(sum),
                LoadPart::Initrd if initrd != Some(digest) => Err(SignatureError::Moving),
                _ => Ok(()),
            };
            same.map_err(|why| self.refusal(&why))?;
        }
        Ok(())
    }

    /// For `kexec status`.
    pub fn checked(&self, out: &Reporter) -> Checked {
        Checked { standing: self.standing, ns: out.ns(self.ticks) }
    }

    fn compare(
        &self,
        same: impl FnOnce(&Statement) -> Result<(), SignatureError>,
    ) -> Result<(), String> {
        self.statement.as_ref().map_or(Ok(()), same).map_err(|why| self.refusal(&why))
    }

    fn refusal(&self, why: &SignatureError) -> String {
        format!("signature {}: {why}", self.path)
    }
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::kexec::Segment;
    use crate::kexec::signature::{Asked, KeyId};
    use crate::machine::fake::Fake;
    use crate::memory::Range;

    /// The answer for a kernel without a signature, and what is said meanwhile.
    fn unsigned(mode: Signatures, sig: Option<&str>) -> (Result<Checked, String>, String) {
        let (mut out, paper) = Reporter::on_paper(6);
        let files = Files::default();
        let (path, sig) = ("new".into(), sig.map(String::from));
        let (initrd, append, dtb, at) = (None, None, None, None);
        let ask = KexecLoad { path, kind: Kind::Image, initrd, append, dtb, sig, at };
        let clock = Fake::at(5);
        let permit = permit(&mut out, &clock, mode, &ask, &files);
        (permit.map(|permit| permit.checked(&out)), paper.read())
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

    const SIGNED: Asked<'static> = Asked {
        kind: Kind::Raw,
        place: Some(Place::At(0x4020_0000)),
        image: b"new",
        initrd: Some(b"initrd"),
        dtb: None,
        append: b"",
    };

    fn good(clock: &Fake) -> Permit<'_> {
        let statement = Some(Statement::new(KeyId([0; 8]), &SIGNED).unwrap());
        let standing = Standing::Good { key: KeyId([0; 8]), test: false };
        Permit { clock, path: "new.sig".into(), standing, statement, ticks: 0 }
    }

    /// The plan's digests decide, whatever the source held before or holds now.
    #[test]
    fn what_is_planned_is_what_is_compared() {
        let clock = Fake::at(5);
        let mut permit = good(&clock);
        let compared = permit.initrd(Some(b"initrd")).unwrap();
        let segment = |what, bytes: &[u8]| Segment {
            what,
            dest: Range::new(0, 0x1000),
            bytes: bytes.len(),
            zero_to_end: false,
            digest: Some(Digest::of(bytes)),
        };
        let planned = |image: &[u8], initrd: &[u8]| {
            let segments = [segment(LoadPart::Kernel, image), segment(LoadPart::Initrd, initrd)];
            let (dtb, segments) = (Range::default(), segments.into());
            let plan =
                Plan { entry: 0, dtb, dtb_copy_left_out: None, initrd: None, segments, copy: None };
            permit.planned(&plan, Packing::Flat, compared)
        };
        assert_eq!(planned(b"new", b"initrd"), Ok(()));
        let why = planned(b"nev", b"initrd").unwrap_err();
        assert!(why.starts_with("signature new.sig: ") && why.contains("the image differs"));
        assert!(planned(b"new", b"Initrd").unwrap_err().contains("changes while it is loaded"));
    }

    #[test]
    fn a_packed_kernel_is_unpacked_from_the_copy_that_was_compared() {
        let clock = Fake::at(5);
        let file = b"new".to_vec();
        let mut permit = good(&clock);
        let copy = permit.private(&file).unwrap();
        assert_ne!(copy.as_ptr(), file.as_ptr());
        assert!(permit.private(b"old").unwrap_err().contains("the image differs"));
        // Without a signature there is nothing to compare, and memory is not spent on a copy.
        permit.statement = None;
        assert_eq!(permit.private(&file).unwrap().as_ptr(), file.as_ptr());
    }

    #[test]
    fn a_flat_binary_goes_where_it_is_signed_for() {
        let clock = Fake::at(5);
        let permit = good(&clock);
        assert_eq!(permit.base(), Some(0x4020_0000));
        assert_eq!(permit.terms(Kind::Raw, None, b""), Ok(()));
        assert!(permit.terms(Kind::Raw, Some(0x4040_0000), b"").is_err());
    }

    #[test]
    fn a_signature_that_is_asked_for_must_be_there() {
        for mode in [Signatures::Check, Signatures::Enforce] {
            let why = unsigned(mode, Some("my.sig")).0.unwrap_err();
            assert_eq!(why, "my.sig: no such file; `files` lists them");
        }
    }
}
