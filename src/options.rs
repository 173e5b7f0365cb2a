//! The kernel command line (`/chosen/bootargs`).
//!
//! Words are separated by white space and quoted with `"` as in Linux
//! (Documentation/admin-guide/kernel-parameters.rst); after a bare `--` the words belong to the
//! next kernel's init. An option given twice keeps its last value, only `cpuhp.fail=` adds up. What
//! is unknown or malformed costs a [`Warning`] and changes nothing else (but a malformed
//! `kexec.sig=`, which is taken for `enforce`): a kernel that does not boot because of a word on
//! its command line cannot say which one.

mod fail;
mod nearest;
mod policy;
mod warning;
mod words;

#[cfg(all(test, not(loom)))]
mod tests;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Display;
use core::str::FromStr;

pub use fail::{FailError, FailSpec};
pub use nearest::nearest;
pub use policy::{NameError, Signatures};
pub use warning::Warning;
use words::{OptionWord, words};

use crate::config::MAX_CPUS;
use crate::cpu::CpuId;
use crate::report::{BringupPolicy, TeardownMode};

/// Every option that has a meaning, for suggestions.
const KEYS: [&str; 9] = [
    "cpuhp.bringup",
    "cpuhp.teardown",
    "cpuhp.fail",
    "maxcpus",
    "loglevel",
    "kexec.sig",
    "kexec.verify",
    "model",
    "run",
];

/// The highest log level: everything is printed.
pub const MAX_LOGLEVEL: u8 = 7;

/// What the command line asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// `cpuhp.bringup=`: how CPUs are brought up.
    pub bringup: BringupPolicy,
    /// `cpuhp.teardown=`: how CPUs are taken down.
    pub teardown: TeardownMode,
    /// `maxcpus=`: CPUs to bring up at boot, the boot CPU counted; 0 means the same as 1.
    pub maxcpus: Option<usize>,
    /// `cpuhp.fail=`: steps that are to fail, in the order given.
    pub fail: Vec<FailSpec>,
    /// `loglevel=`: messages of this level and below are printed, 0 to [`MAX_LOGLEVEL`].
    pub loglevel: u8,
    /// `kexec.sig=`: which signatures permit a load.
    pub signatures: Signatures,
    /// `kexec.verify=`: what is loaded is hashed again right before the jump.
    pub verify: bool,
    /// `run=`: console commands to run once the CPUs are up, separated by `;`.
    pub run: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bringup: BringupPolicy::default(),
            teardown: TeardownMode::default(),
            maxcpus: None,
            fail: Vec::new(),
            loglevel: 6,
            signatures: Signatures::default(),
            verify: false,
            run: None,
        }
    }
}

impl Options {
    /// Reads a command line. Each word that could not be used is named in a warning.
    pub fn parse(bootargs: &str) -> (Self, Vec<Warning>) {
        let mut options = Self::default();
        let warnings = words(bootargs).filter_map(|word| options.apply(&word).err()).collect();
        (options, warnings)
    }

    fn apply(&mut self, word: &OptionWord<'_>) -> Result<(), Warning> {
        match word.key {
            "cpuhp.bringup" => self.bringup = value(word)?,
            "cpuhp.teardown" => self.teardown = value(word)?,
            "cpuhp.fail" => self.fail.push(value(word)?),
            "maxcpus" => self.maxcpus = Some(bounded(word, usize::MAX as u64)? as usize),
            "loglevel" => self.loglevel = bounded(word, u64::from(MAX_LOGLEVEL))? as u8,
            "run" => self.run = Some(text(word)?.to_string()),
            "kexec.sig" => return self.sign(word),
            "kexec.verify" => self.verify = switch(word)?,
            "model" => return Err(Warning::NotAvailable { word: word.whole.to_string() }),
            _ => return Err(unknown(word)),
        }
        Ok(())
    }

    /// A typing error in this option must not allow unsigned kernels: a malformed value counts as
    /// the strictest.
    fn sign(&mut self, word: &OptionWord<'_>) -> Result<(), Warning> {
        self.signatures = Signatures::Enforce;
        self.signatures = value(word).map_err(|warning| match warning {
            Warning::Malformed { word, why } => Warning::Enforced { word, why },
            other => other,
        })?;
        Ok(())
    }
}

/// The command line without its `run=` options, for handing on to the next kernel. One separator is
/// removed with each option; all other bytes stay as they are.
pub fn without_run(bootargs: &str) -> String {
    let mut kept = String::with_capacity(bootargs.len());
    let mut from = 0;
    for word in words(bootargs).filter(|word| word.key == "run" && word.value.is_some()) {
        kept.push_str(&bootargs[from..word.start]);
        from = word.start + word.whole.len();
        match bootargs[from..].chars().next() {
            Some(separator) => from += separator.len_utf8(),
            None => drop(kept.pop()), // the last word: its separator stands before
        }
    }
    kept.push_str(&bootargs[from..]);
    kept
}

fn text<'a>(word: &OptionWord<'a>) -> Result<&'a str, Warning> {
    word.value.ok_or_else(|| malformed(word, "it needs a value, as in OPTION=VALUE"))
}

fn value<T: FromStr<Err: Display>>(word: &OptionWord<'_>) -> Result<T, Warning> {
    text(word)?.parse().map_err(|why: T::Err| malformed(word, why))
}

fn bounded(word: &OptionWord<'_>, most: u64) -> Result<u64, Warning> {
    let why = "it is not a number in range";
    number(text(word)?).filter(|&n| n <= most).ok_or_else(|| malformed(word, why))
}

fn switch(word: &OptionWord<'_>) -> Result<bool, Warning> {
    match text(word)? {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(malformed(word, "it is neither on nor off")),
    }
}

fn malformed(word: &OptionWord<'_>, why: impl ToString) -> Warning {
    Warning::Malformed { word: word.whole.to_string(), why: why.to_string() }
}

fn unknown(word: &OptionWord<'_>) -> Warning {
    Warning::Unknown { word: word.whole.to_string(), nearest: nearest(word.key, &KEYS) }
}

/// A number in digits, or in hexadecimal after `0x`. `None` for anything else, a sign and an empty
/// text included, and for what does not fit.
pub fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let plain = digits.chars().all(|c| c.is_digit(radix));
    if plain { u64::from_str_radix(digits, radix).ok() } else { None }
}

/// A CPU's logical number in digits; `None` for anything else and from [`MAX_CPUS`] on.
pub fn cpu(text: &str) -> Option<CpuId> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    let id = text.parse().ok().filter(|&n| plain && usize::from(n) < MAX_CPUS)?;
    Some(CpuId(id))
}
