//! The kernel command line, and the scripts in it.

use baton::config::{MAX_CPUS, MAX_SCRIPT};
use baton::kexec::script::{join, split};
use baton::options::{FailSpec, MAX_LOGLEVEL, Options, without_run};

use super::check_message;

/// A kernel command line.
pub fn bootargs(data: &[u8]) -> bool {
    let Ok(line) = str::from_utf8(data) else { return false };
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
fn check_without_run(line: &str, options: &Options) {
    let rest = without_run(line);
    assert!(rest.len() <= line.len());
    let (without, _) = Options::parse(&rest);
    assert_eq!(without, Options { run: None, ..options.clone() }, "{rest:?}");
    assert_eq!(without_run(&rest), rest);
    if options.run.is_none() && !line.contains("run=") {
        assert_eq!(rest, line);
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
    assert!(
        text.len() <= MAX_SCRIPT && commands.iter().all(|c| !c.is_empty() && *c == c.trim_ascii())
    );
    match join(commands.iter().copied()) {
        Ok(joined) => assert_eq!(split(&joined).as_deref(), Ok(commands)),
        // `a;b` becomes `a; b`, so it may grow out of bounds.
        Err(_) => assert!(text.len() + commands.len() > MAX_SCRIPT),
    }
}
