use std::time::{Duration, Instant};

use baton::report::{CommandError, Panic, Record};

use super::*;
use crate::fake::{self, Script};

const SOON: Duration = Duration::from_secs(20);
const NOW: Duration = Duration::from_millis(300);

/// A guest whose stand-in answers as told.
fn guest(answers: &[(&str, String)]) -> (tempfile::TempDir, Guest) {
    let boot = format!("booting\r\n{}", fake::print(&[Script::new(4).hello(0)]));
    let (directory, options) = fake::qemu(&boot, answers);
    let guest = Guest::start(&options).expect("the stand-in starts");
    (directory, guest)
}

#[test]
fn records_and_commands_in_turn() {
    let answers = [("cpus", "4 CPUs\r\n\r\n".to_string()), ("poweroff", "bye\r\nEXIT".into())];
    let (_keep, mut guest) = guest(&answers);
    let hello = guest.wait_record(|r| matches!(r, Record::Hello(_)), SOON).unwrap();
    assert_eq!(hello, Script::new(4).hello(0));
    assert_eq!(guest.command("cpus").unwrap(), ["4 CPUs", ""]);
    assert_eq!(guest.command("").unwrap(), Vec::<String>::new());
    guest.send("poweroff").unwrap();
    assert_eq!(guest.wait_text("by", SOON).unwrap(), "bye");
    assert!(guest.wait_end(SOON).unwrap().success());
    assert_eq!((guest.records().len(), guest.transcript()[0].as_str()), (1, "booting"));
}

#[test]
fn a_panic_record_ends_any_other_wait_but_can_be_waited_for() {
    let (what, place) = ("oh no".to_string(), "x.rs:1".to_string());
    let panic =
        Record::Panic(Panic { what, place, cpu: Some(2), mark: baton::trace::Mark::Alive.into() });
    let answers = [("die", format!("{}HANG", fake::print(std::slice::from_ref(&panic))))];
    let (_keep, mut first) = guest(&answers);
    first.send("die").unwrap();
    let outcome = first.wait_text("never", SOON).unwrap_err();
    assert_eq!(outcome, Outcome::Panic("oh no at x.rs:1 on CPU 2 (ALIVE)".into()));
    let (_keep, mut second) = guest(&answers);
    second.send("die").unwrap();
    assert_eq!(second.wait_record(|r| matches!(r, Record::Panic(_)), SOON), Ok(panic));
}

#[test]
fn panic_text_alone_is_a_panic_soon() {
    let text = "CPU 3 panicked at src/kernel.rs:7: no\r\nHANG".to_string();
    let (_keep, mut guest) = guest(&[("die", text)]);
    guest.send("die").unwrap();
    let start = Instant::now();
    let outcome = guest.wait_text("never", Duration::from_secs(100)).unwrap_err();
    assert_eq!(outcome, Outcome::Panic("CPU 3 panicked at src/kernel.rs:7: no".into()));
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn silence_is_a_timeout_and_an_early_end_is_no_verdict() {
    let (_keep, mut silent) = guest(&[("wait", "HANG".into())]);
    silent.send("wait").unwrap();
    let outcome = silent.wait_record(|_| true, NOW).and_then(|_| silent.wait_record(|_| true, NOW));
    assert!(matches!(outcome, Err(Outcome::Timeout { .. })), "{outcome:?}");
    let (_keep, mut ended) = guest(&[("leave", "EXIT".into())]);
    ended.send("leave").unwrap();
    let outcome = ended.wait_text("never", SOON).unwrap_err();
    assert!(
        matches!(&outcome, Outcome::NoVerdict(how) if how.contains("exit status: 0")),
        "{outcome}"
    );
}

#[test]
fn broken_records_end_the_run_and_error_records_are_kept() {
    let broken = "@baton {\"v\":1,\"record\":\"hel\r\n".to_string();
    let (what, place) = ("no such CPU; see cpus".to_string(), "cpu".to_string());
    let error = Record::Error(CommandError { what, place });
    let answers = [("bad", broken), ("refused", fake::print(std::slice::from_ref(&error)))];
    let (_keep, mut guest) = guest(&answers);
    assert_eq!(guest.command("refused").unwrap().len(), 1);
    assert_eq!(guest.records().last(), Some(&error));
    assert!(matches!(guest.command("bad"), Err(Outcome::Malformed(_))));
}

#[test]
fn a_drop_leaves_no_process_behind() {
    let (_keep, mut guest) = guest(&[("wait", "HANG".into())]);
    guest.send("wait").unwrap();
    let pid = guest.qemu.id();
    assert!(std::fs::exists(format!("/proc/{pid}")).unwrap());
    drop(guest);
    assert!(!std::fs::exists(format!("/proc/{pid}")).unwrap());
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let (_keep, mut options) = fake::qemu("", &[]);
    options.qemu = "/nowhere/qemu".into();
    let error = Guest::start(&options).map(|_| ()).unwrap_err();
    assert!(format!("{error:#}").contains("/nowhere/qemu"));
}
