//! The options for security: `kexec.sig=` and `kexec.verify=`.
//!
//! An option that was meant to close a door must not leave that door open because it was written
//! badly or read badly. So of several words the strictest counts; a word that may have been meant
//! for one of these options counts as the strictest; and so does a command line that is not known in
//! full.

use alloc::format;
use alloc::string::{String, ToString};

use super::words::OptionWord;
use super::{CommandLine, KEYS, Options, Shown, Signatures, Warning, nearest, switch, value};

/// Which signatures permit a load.
pub(super) const SIG: &str = "kexec.sig";
/// Whether what is loaded is hashed again before a jump.
pub(super) const VERIFY: &str = "kexec.verify";

/// What the words say so far.
#[derive(Default)]
pub(super) struct Security {
    signatures: Signatures,
    verify: Option<bool>,
}

impl Security {
    /// Which signatures permit a load.
    pub(super) fn signatures(&self) -> Signatures {
        self.signatures
    }

    /// Whether what is loaded is hashed again before a jump: as was said, otherwise if signatures
    /// are enforced. A signature that is checked at load would be worth little if the bytes could
    /// change behind the check.
    pub(super) fn verify(&self) -> bool {
        self.verify.unwrap_or(self.signatures == Signatures::Enforce)
    }

    /// A word that has the name of one of the options; `None` for another word.
    pub(super) fn read(&mut self, word: &OptionWord<'_>) -> Option<Result<(), Warning>> {
        if word.key == SIG.as_bytes() {
            Some(self.read_sig(word))
        } else if word.key == VERIFY.as_bytes() {
            Some(self.read_verify(word))
        } else {
            self.suspect(word).map(Err)
        }
    }

    /// A word behind `--`. Boot loaders append what they have to say, so a word for security counts
    /// there too, as far as it closes something.
    pub(super) fn read_of_init(&mut self, word: &OptionWord<'_>) -> Option<Warning> {
        let of = meant(word)?;
        let opens = word.key == of.as_bytes() && word.value == Some(b"off");
        let why = "it stands behind --, where words are for init";
        if opens {
            return Some(Warning::Malformed { word: shown(word), why: why.into() });
        }
        Some(self.strictest(of, word, why))
    }

    /// A command line that is not known in full may have asked for anything.
    pub(super) fn look_at(&mut self, line: &CommandLine) -> Option<Warning> {
        let why = line.doubt()?.to_string();
        self.signatures = Signatures::Enforce;
        self.verify = Some(true);
        Some(Warning::Unread { why })
    }

    fn read_sig(&mut self, word: &OptionWord<'_>) -> Result<(), Warning> {
        match value(word) {
            Ok(read) if read < self.signatures => Err(weaker(word)),
            Ok(read) => {
                self.signatures = read;
                Ok(())
            }
            Err(warning) => Err(self.strictest(SIG, word, &why(warning))),
        }
    }

    fn read_verify(&mut self, word: &OptionWord<'_>) -> Result<(), Warning> {
        match switch(word) {
            Ok(false) if self.verify == Some(true) => Err(weaker(word)),
            Ok(read) => {
                self.verify = Some(read);
                Ok(())
            }
            Err(warning) => Err(self.strictest(VERIFY, word, &why(warning))),
        }
    }

    /// A word that is not known, or has no place for one of these options, but may have been meant.
    fn suspect(&mut self, word: &OptionWord<'_>) -> Option<Warning> {
        let of = meant(word)?;
        Some(self.strictest(of, word, &format!("perhaps {of} was meant")))
    }

    fn strictest(&mut self, of: &'static str, word: &OptionWord<'_>, why: &str) -> Warning {
        let taken = if of == SIG {
            self.signatures = Signatures::Enforce;
            "enforce"
        } else {
            self.verify = Some(true);
            "on"
        };
        Warning::Strictest { word: shown(word), why: why.into(), taken }
    }
}

/// What is left of a command line, with the words added that it takes to be as strict as the whole.
pub(super) fn as_closed_as(whole: &CommandLine, rest: CommandLine) -> CommandLine {
    let before = Options::parse(whole).0;
    let rest = match Options::parse(&rest).0.signatures {
        left if left < before.signatures => rest.with(&format!("{SIG}={}", before.signatures)),
        _ => rest,
    };
    match Options::parse(&rest).0.verify {
        false if before.verify => rest.with(&format!("{VERIFY}=on")),
        _ => rest,
    }
}

fn shown(word: &OptionWord<'_>) -> String {
    Shown(word.whole).to_string()
}

fn weaker(word: &OptionWord<'_>) -> Warning {
    Warning::Malformed { word: shown(word), why: "a stricter one holds".into() }
}

fn why(warning: Warning) -> String {
    match warning {
        Warning::Malformed { why, .. } => why,
        other => other.to_string(),
    }
}

/// The option for security that a word was perhaps meant for: its name with a slip or in other
/// letters, or a word that has the name somewhere inside, as where a separator is none. Commands of
/// a `run=` in quotes may name these options: they are for another kernel.
fn meant(word: &OptionWord<'_>) -> Option<&'static str> {
    // A name that is known was meant; only another one is worth a search.
    let known = KEYS.iter().any(|key| key.as_bytes() == word.key);
    let near = if known { None } else { nearest(&lower_case(word.key), &KEYS) };
    let inside = || [SIG, VERIFY].into_iter().find(|name| has_inside(word.whole, name));
    match near {
        Some(SIG) => Some(SIG),
        Some(VERIFY) => Some(VERIFY),
        _ if word.key == b"run" && is_quoted(word) => None,
        _ => inside(),
    }
}

fn lower_case(key: &[u8]) -> String {
    String::from_utf8_lossy(key).to_lowercase()
}

/// True if the whole value, or the whole word, stands in one pair of quotes.
fn is_quoted(word: &OptionWord<'_>) -> bool {
    let quotes = word.whole.iter().filter(|&&byte| byte == b'"').count();
    let inner = word.value.unwrap_or_default().contains(&b'"');
    quotes == 2 && word.whole.ends_with(b"\"") && !inner
}

/// True if a text has this name inside, in whatever letters, and not as a part of a longer word.
/// Linux takes `-` for `_` in names of options, and both are taken for `.` here.
fn has_inside(text: &[u8], name: &str) -> bool {
    let same = |byte: u8| match byte {
        b'-' | b'_' => b'.',
        byte => byte.to_ascii_lowercase(),
    };
    let ends = |at: usize| !text.get(at).is_some_and(u8::is_ascii_alphanumeric);
    let found = |(at, window): (usize, &[u8])| {
        window.iter().map(|&byte| same(byte)).eq(name.bytes()) && ends(at + name.len())
    };
    text.windows(name.len()).enumerate().any(found)
}
