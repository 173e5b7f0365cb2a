//! How a run ended when it did not end well.

use std::fmt;

use baton::report::Panic;

/// What went wrong with the guest, by name. Each has its own exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The kernel panicked; its own words.
    Panic(String),
    /// What was waited for did not come in time.
    Timeout {
        /// What was waited for.
        waiting_for: String,
        /// For how long, in seconds.
        seconds: u64,
    },
    /// QEMU ended before the guest had said how it went.
    NoVerdict(String),
    /// The guest refused something; its own words.
    ErrorRecord(String),
    /// A record that is none of ours or is broken; the line.
    Malformed(String),
    /// CPUs that did not come or would not leave, or a kexec without its figures.
    Incomplete(String),
    /// Ctrl-C or SIGTERM.
    Interrupted,
}

impl Outcome {
    /// The exit code of the process.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Panic(_) => 10,
            Self::Timeout { .. } => 11,
            Self::NoVerdict(_) => 12,
            Self::ErrorRecord(_) => 13,
            Self::Malformed(_) => 14,
            Self::Incomplete(_) => 15,
            Self::Interrupted => 130,
        }
    }
}

impl From<Panic> for Outcome {
    fn from(panic: Panic) -> Self {
        let cpu = panic.cpu.map_or("an unknown CPU".to_string(), |cpu| format!("CPU {cpu}"));
        Self::Panic(format!("{} at {} on {cpu} ({})", panic.what, panic.place, panic.mark))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic(what) => write!(f, "PANIC: {what}"),
            Self::Timeout { waiting_for, seconds } => {
                write!(f, "TIMEOUT: waited {seconds} s for: {waiting_for}")
            }
            Self::NoVerdict(how) => write!(f, "NO VERDICT: {how}"),
            Self::ErrorRecord(what) => write!(f, "ERROR: {what}"),
            Self::Malformed(line) => write!(f, "MALFORMED RECORD: {line}"),
            Self::Incomplete(what) => write!(f, "INCOMPLETE: {what}"),
            Self::Interrupted => write!(f, "INTERRUPTED"),
        }
    }
}

impl std::error::Error for Outcome {}
