//! Records for programs: one line each, `@baton ` and one JSON object. One definition, used by the
//! kernel, which writes records, and by the host tool, which reads them.
//!
//! Times are nanoseconds of the generic counter. A field that ends in `_ns` is a difference of two
//! counter reads taken where its name says; one that ends in `_at_ns` is a reading of the counter
//! itself, on the one axis that both kernels of a jump share.

mod brief;
mod cost;
mod crc;
mod name;
mod psci;
mod record;
mod span;
mod words;

use alloc::string::{String, ToString};

pub use brief::{Brief, is_told, trace_tag};
pub use cost::{Cost, Spread};
pub use crc::{crc32, crc32_of};
pub use name::Name;
pub use psci::{Psci, PsciMode, Quantiles, contention};
pub use record::{
    Bringup, CommandError, CpuFailure, Cycle, Floor, Hello, Interrupts, Kexec, Panic, Phases,
    Record, Teardown, Torture,
};
use serde::{Deserialize, Serialize};
pub use span::{MarkAt, PhaseSpan, Step};
pub use words::{
    BringupAt, BringupPolicy, FloorMode, Grace, PsciScope, TeardownAt, TeardownMode, TortureKind,
    Verdict,
};

/// What every record line starts with.
pub const PREFIX: &str = "@baton ";

/// Version of the records.
pub const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Line {
    v: u32,
    #[serde(flatten)]
    record: Record,
}

/// A record as its line, without the line end.
pub fn to_line(record: &Record) -> String {
    let line = Line { v: VERSION, record: record.clone() };
    let json = serde_json::to_string(&line).unwrap_or_default();
    let mut text = PREFIX.to_string();
    text.push_str(&json);
    text
}

/// True for a control character that no command line and no script may have. White space is no such
/// character: it separates words.
pub fn is_forbidden(c: char) -> bool {
    c.is_control() && !matches!(c, '\t'..='\r')
}

/// A text as one line for people: control characters, line ends among them, are escaped, so that
/// foreign text can neither steer a terminal nor look like a record.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_debug()) } else { line.push(c) }
    }
    line
}

/// Why a line is not a record.
#[derive(Debug, PartialEq, Eq)]
pub enum LineError {
    /// The line does not start with [`PREFIX`]: ordinary console text.
    NotARecord,
    /// The line starts with [`PREFIX`], but the rest is no record of a known version.
    Malformed(String),
}

/// Reads one console line. Text before the prefix (a prompt, say) is passed over.
///
/// # Errors
/// [`LineError::NotARecord`] for ordinary text, [`LineError::Malformed`] for a broken record.
pub fn from_line(line: &str) -> Result<Record, LineError> {
    let at = line.find(PREFIX).ok_or(LineError::NotARecord)?;
    let json = line[at + PREFIX.len()..].trim_end();
    let parsed: Line =
        serde_json::from_str(json).map_err(|e| LineError::Malformed(e.to_string()))?;
    if parsed.v == VERSION {
        Ok(parsed.record)
    } else {
        Err(LineError::Malformed("record version not known".to_string()))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn a_record_survives_the_line() {
        let record = Record::Cycle(Cycle { done: 3, asked: 10, teardown: "parallel".into() });
        let line = to_line(&record);
        assert_eq!(
            line,
            r#"@baton {"v":1,"record":"cycle","done":3,"asked":10,"teardown":"parallel"}"#
        );
        assert_eq!(from_line(&std::format!("baton> {line}\r")), Ok(record));
    }

    /// Lines that kernels printed before their words were types: every kind of record, and every
    /// step, mark and phase that a boot and both kinds of kexec have.
    const SAMPLES: &str = include_str!("report/samples.txt");

    /// Fields that hold words of closed lists.
    const WORDS: [&str; 11] = [
        "at", "dir", "kind", "mark", "mode", "phase", "policy", "scope", "step", "teardown",
        "verdict",
    ];

    #[test]
    fn each_word_of_a_record_is_known_and_each_line_stays_as_it_was() {
        for line in SAMPLES.lines() {
            let record = from_line(line).unwrap();
            assert_eq!(to_line(&record), line);
            assert!(!std::format!("{record:?}").contains("Other("), "{record:?}");
        }
    }

    #[test]
    fn a_record_of_another_version_keeps_words_that_are_not_known_here() {
        let fields = WORDS.map(|field| std::format!("\"{field}\":\""));
        let cases = fields.iter().flat_map(|field| SAMPLES.lines().map(move |line| (field, line)));
        for (field, line) in cases.filter(|(field, line)| line.contains(field.as_str())) {
            let newer = line.replace(field, &std::format!("{field}new-"));
            let record = from_line(&newer).unwrap();
            assert_eq!(to_line(&record), newer);
            assert!(std::format!("{record:?}").contains("Other(\"new-"), "{record:?}");
        }
    }

    #[test]
    fn a_teardown_without_the_newer_lists_is_understood() {
        let line = r#"@baton {"v":1,"record":"teardown","generation":0,"at":"offline","cpus":3,"mode":"serial","stuck":[],"phases":{"online_down_ns":1,"stop_ns":2,"off_ns":3,"dead_ns":4},"total_ns":10}"#;
        let Ok(Record::Teardown(teardown)) = from_line(line) else { panic!("{line}") };
        assert!(teardown.noted.is_empty() && teardown.exclusive.is_empty());
        assert_eq!((teardown.phases.dead_ns, teardown.phases.grace_ns), (4, 0));
    }

    #[test]
    fn a_kexec_may_say_how_long_a_second_look_took() {
        let line = r#"@baton {"v":1,"record":"kexec","generation":1,"from":"a","to":"b","teardown":"serial","bytes_copied":0,"copy_ns":0,"exec_to_jump_ns":9,"jump_to_entry_ns":1,"entry_to_online_ns":1,"blackout_ns":11,"exec_at_ns":5}"#;
        let Ok(Record::Kexec(without)) = from_line(line) else { panic!("{line}") };
        assert_eq!(without.verify_ns, None);
        assert_eq!(to_line(&Record::Kexec(without.clone())), line);
        let with = Record::Kexec(Kexec { verify_ns: Some(7), ..without });
        assert_eq!(from_line(&to_line(&with)), Ok(with));
    }

    #[test]
    fn text_and_broken_records_are_told_apart() {
        assert_eq!(from_line("baton> help"), Err(LineError::NotARecord));
        assert!(matches!(from_line("@baton {\"v\":1"), Err(LineError::Malformed(_))));
        let future = r#"@baton {"v":2,"record":"cycle","done":1,"asked":1,"teardown":"x"}"#;
        assert!(matches!(from_line(future), Err(LineError::Malformed(_))));
    }
}
