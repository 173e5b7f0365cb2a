//! The kernel command line (`/chosen/bootargs`).
//!
//! Words are separated by white space and quoted with `"` as in Linux
//! (Documentation/admin-guide/kernel-parameters.rst); after a bare `--` the words belong to the
//! next kernel's init. An option given twice keeps its last value, only `cpuhp.fail=` adds up. What
//! is unknown or malformed costs a [`Warning`] and changes nothing else: a kernel that does not boot
//! because of a word on its command line cannot say which one. The options for security are the
//! exception: of these the strictest value counts, and what can't be read with certainty is taken
//! for the strictest.

mod fail;
mod line;
mod nearest;
mod policy;
mod security;
mod warning;
mod words;

#[cfg(all(test, not(loom)))]
mod tests;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Display;
use core::str::FromStr;

pub use fail::{FailError, FailSpec};
pub use line::{CommandLine, Doubt, Shown, without_run};
pub use nearest::nearest;
pub use policy::{NameError, Signatures};
use security::{SIG, Security, VERIFY};
pub use warning::Warning;
use words::OptionWord;

use crate::config::MAX_CPUS;
use crate::cpu::CpuId;
use crate::report::{BringupPolicy, Grace, TeardownMode};

/// Every option that has a meaning, for suggestions.
const KEYS: [&str; 13] = [
    "cpuhp.bringup",
    "cpuhp.teardown",
    "cpuhp.grace",
    "cpuhp.fail",
    "maxcpus",
    "loglevel",
    SIG,
    VERIFY,
    "kexec.warm",
    "report",
    "rcu.tick",
    "model",
    "run",
];

/// The most modelled ticks a second.
pub const MAX_TICK_HZ: u32 = 10_000;

/// The highest log level: everything is printed.
pub const MAX_LOGLEVEL: u8 = 7;

/// What the command line asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// `cpuhp.bringup=`: how CPUs are brought up.
    pub bringup: BringupPolicy,
    /// `cpuhp.teardown=`: how CPUs are taken down.
    pub teardown: TeardownMode,
    /// `cpuhp.grace=`: the grace periods of a teardown; `None`: those of its mode.
    pub grace: Option<Grace>,
    /// `rcu.tick=`: grace periods of a teardown end at so many modelled ticks a second.
    pub tick_hz: Option<u32>,
    /// `maxcpus=`: CPUs to bring up at boot, the boot CPU counted; 0 means the same as 1.
    pub maxcpus: Option<usize>,
    /// `cpuhp.fail=`: steps that are to fail, in the order given.
    pub fail: Vec<FailSpec>,
    /// `loglevel=`: messages of this level and below are printed, 0 to [`MAX_LOGLEVEL`].
    pub loglevel: u8,
    /// `kexec.sig=`: which signatures permit a load.
    pub signatures: Signatures,
    /// `kexec.verify=`: what is loaded is hashed again right before the jump. On by itself where
    /// signatures are enforced.
    pub verify: bool,
    /// `kexec.warm=`: a baton that is loaded is told the machine, so that it can start its CPUs before
    /// it reads its tree.
    pub warm: bool,
    /// `report=brief`: of a kexec one short record is printed in place of all; the results keep all.
    pub brief: bool,
    /// `run=`: console commands to run once the CPUs are up, separated by `;`.
    pub run: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bringup: BringupPolicy::default(),
            teardown: TeardownMode::default(),
            grace: None,
            tick_hz: None,
            maxcpus: None,
            fail: Vec::new(),
            loglevel: 6,
            signatures: Signatures::default(),
            verify: false,
            warm: true,
            brief: false,
            run: None,
        }
    }
}

impl Options {
    /// Reads a command line. Each word that could not be used is named in a warning.
    pub fn parse(line: &CommandLine) -> (Self, Vec<Warning>) {
        let mut options = Self::default();
        let mut security = Security::default();
        let mut warnings = Vec::new();
        for word in words::ours(line.bytes()) {
            let read = security.read(&word).unwrap_or_else(|| options.apply(&word));
            warnings.extend(read.err());
        }
        let of_init = words::of_init(line.bytes());
        warnings.extend(of_init.filter_map(|word| security.read_of_init(&word)));
        warnings.extend(security.look_at(line));
        options.signatures = security.signatures();
        options.verify = security.verify();
        (options, warnings)
    }

    fn apply(&mut self, word: &OptionWord<'_>) -> Result<(), Warning> {
        match word.key {
            b"cpuhp.bringup" => self.bringup = value(word)?,
            b"cpuhp.teardown" => self.teardown = value(word)?,
            b"cpuhp.grace" => self.grace = Some(value(word)?),
            b"rcu.tick" => self.tick_hz = tick(word)?,
            b"cpuhp.fail" => self.fail.push(value(word)?),
            b"maxcpus" => self.maxcpus = Some(bounded(word, usize::MAX as u64)? as usize),
            b"kexec.warm" => self.warm = switch(word)?,
            b"loglevel" => self.loglevel = bounded(word, u64::from(MAX_LOGLEVEL))? as u8,
            b"report" => self.brief = either(word, ["full", "brief"])?,
            b"run" => self.run = Some(text(word)?.to_string()),
            // For a boot loader, and some add them by themselves: the kernel is here, and its initrd.
            b"initrd" | b"BOOT_IMAGE" => {}
            b"model" => {
                return Err(Warning::NotAvailable { word: Shown(word.whole).to_string() });
            }
            _ => return Err(unknown(word)),
        }
        Ok(())
    }
}

fn text<'a>(word: &OptionWord<'a>) -> Result<&'a str, Warning> {
    let value =
        word.value.ok_or_else(|| malformed(word, "it needs a value, as in OPTION=VALUE"))?;
    core::str::from_utf8(value).map_err(|_| malformed(word, "its value is no UTF-8"))
}

fn value<T: FromStr<Err: Display>>(word: &OptionWord<'_>) -> Result<T, Warning> {
    text(word)?.parse().map_err(|why: T::Err| malformed(word, why))
}

fn bounded(word: &OptionWord<'_>, most: u64) -> Result<u64, Warning> {
    let why = "it is not a number in range";
    number(text(word)?).filter(|&n| n <= most).ok_or_else(|| malformed(word, why))
}

/// From 1 on, as in Linux; 0 for none.
fn tick(word: &OptionWord<'_>) -> Result<Option<u32>, Warning> {
    let hz = bounded(word, MAX_TICK_HZ.into())? as u32;
    Ok((hz > 0).then_some(hz))
}

fn switch(word: &OptionWord<'_>) -> Result<bool, Warning> {
    either(word, ["off", "on"])
}

/// False for the first of two words, true for the second.
fn either(word: &OptionWord<'_>, words: [&str; 2]) -> Result<bool, Warning> {
    let [no, yes] = words;
    match text(word)? {
        text if text == yes => Ok(true),
        text if text == no => Ok(false),
        _ => Err(malformed(word, format!("it is neither {yes} nor {no}"))),
    }
}

fn malformed(word: &OptionWord<'_>, why: impl ToString) -> Warning {
    Warning::Malformed { word: Shown(word.whole).to_string(), why: why.to_string() }
}

fn unknown(word: &OptionWord<'_>) -> Warning {
    let key = String::from_utf8_lossy(word.key);
    Warning::Unknown { word: Shown(word.whole).to_string(), nearest: nearest(&key, &KEYS) }
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
