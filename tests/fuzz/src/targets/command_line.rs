//! The kernel command line, and the scripts in it.

use baton::config::{MAX_BOOTARGS_READ, MAX_CPUS, MAX_SCRIPT};
use baton::kexec::script::{join, split};
use baton::options::{CommandLine, FailSpec, MAX_LOGLEVEL, Options, Signatures, without_run};

use super::check_message;

/// A kernel command line.
pub fn bootargs(data: &[u8]) -> bool {
    // As a tree has it: text and a NUL, or something else.
    let line = CommandLine::of_tree(&[data]);
    check_doubt(data, &line);
    let line = &CommandLine::from(data.strip_suffix(b"\0").unwrap_or(data));
    let (options, warnings) = Options::parse(line);
    assert!(options.loglevel <= MAX_LOGLEVEL);
    warnings.iter().for_each(|warning| {
        // What is wrong with a value quotes the value.
        assert!(!warning.to_string().contains('\n'), "{warning}");
    });
    options.fail.iter().for_each(check_fail);
    check_without_run(line, &options);
    warnings.is_empty() && options != Options::default()
}

fn check_fail(spec: &FailSpec) {
    assert!(spec.times > 0 && spec.cpu.is_none_or(|cpu| cpu.index() < MAX_CPUS));
    assert_eq!(spec.to_string().parse().as_ref(), Ok(spec));
}

/// Without its scripts a command line means the same in all else.
fn check_without_run(line: &CommandLine, options: &Options) {
    let rest = without_run(line);
    assert_eq!(without_run(&rest), rest);
    if !line.bytes().windows(4).any(|window| window == b"run=") {
        assert_eq!(rest, *line);
    }
    let (without, _) = Options::parse(&rest);
    assert_eq!((without.signatures, without.verify), (options.signatures, options.verify));
    if line.doubt().is_none() {
        assert_eq!(without, Options { run: None, ..options.clone() });
    }
}

/// What is not a text with its NUL is taken for the strictest, whatever it says.
fn check_doubt(data: &[u8], line: &CommandLine) {
    let text = data.strip_suffix(b"\0");
    let whole = text.is_some_and(|text| !text.contains(&0) && text.len() <= MAX_BOOTARGS_READ);
    let quotes = line.bytes().iter().filter(|byte| **byte == b'"').count();
    let zeros = data.iter().skip_while(|byte| **byte != 0).all(|byte| *byte == 0);
    assert_eq!(line.doubt().is_none(), (whole || (data.contains(&0) && zeros)) && quotes % 2 == 0);
    if line.doubt().is_some() {
        let (options, warnings) = Options::parse(line);
        assert_eq!((options.signatures, options.verify), (Signatures::Enforce, true));
        assert!(warnings.iter().any(|w| w.to_string().ends_with("; taken for enforce")));
    }
}

/// A script of console commands, as it crosses a jump.
pub fn script(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else { return false };
    match split(text) {
        Ok(commands) => {
            check_script(text, &commands);
            !commands.is_empty()
        }
        Err(error) => {
            check_message(error);
            false
        }
    }
}

fn check_script(text: &str, commands: &[&str]) {
    assert!(text.len() <= MAX_SCRIPT);
    // A blank at the end is there only behind a backslash.
    let trimmed = |c: &&str| *c == c.trim_ascii() || c.trim_ascii().ends_with('\\');
    assert!(commands.iter().all(|c| !c.is_empty() && trimmed(c)));
    match join(commands.iter().copied()) {
        Ok(joined) => assert_eq!(split(&joined).as_deref(), Ok(commands)),
        // `a;b` becomes `a; b`, so it may grow out of bounds.
        Err(_) => assert!(text.len() + commands.len() > MAX_SCRIPT),
    }
}
