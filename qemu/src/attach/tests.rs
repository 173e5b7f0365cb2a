//! A line that damages what goes over it, with a console at its end that answers as baton does.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use baton::results::{Entry, Kind, Lines, MAX_BYTES};
use clap::Parser;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: AttachArgs,
}

fn document() -> Document {
    let mut document = Document::default();
    for generation in 0..40 {
        let text = format!("@baton generation {generation}, {}\n", generation * 7919 % 1000);
        document.push(Entry::new(Kind::Records, 0, generation, &text), MAX_BYTES);
    }
    document
}

/// Answers until the other end goes. Every third line loses letters, every fifth its end, and others
/// talk in between; what is asked for again comes damaged the first time.
fn console(mut stream: TcpStream, stubborn: bool) {
    let lines = Lines::new(&document());
    let (mut typed, mut answers) = (String::new(), 0);
    let mut byte = [0];
    while matches!(stream.read(&mut byte), Ok(1)) {
        if byte[0] != b'\r' {
            typed.push(byte[0] as char);
            continue;
        }
        let mut said = format!("{typed}\r\n");
        match typed.strip_prefix("report") {
            Some("") => (1..=lines.count()).for_each(|n| said += &damaged(&lines, n)),
            Some(number) => {
                answers += 1;
                let number = number.trim().parse().unwrap();
                let whole = answers % 2 == 0 && !(stubborn && number == 3);
                said += &match whole {
                    true => format!("{}\r\n", lines.line(number).unwrap()),
                    false => damaged(&lines, 3),
                };
            }
            None => said += "[    1.5] another kernel's line\r\n\x1b[1;31mSOL banner\x1b[0m\r\n",
        }
        typed.clear();
        if stream.write_all(format!("{said}\x1b[Kbaton> ").as_bytes()).is_err() {
            return;
        }
    }
}

fn damaged(lines: &Lines, number: usize) -> String {
    let line = lines.line(number).unwrap();
    match number {
        n if n % 3 == 0 => format!("{}{}\r\n", &line[..40], &line[43..]),
        n if n % 5 == 0 => line,
        n if n % 7 == 0 => format!("[  2.25] usb 1-1: new device\r\n{line}\r\n"),
        _ => format!("{line}\r\n"),
    }
}

/// What comes over such a line.
fn fetched(stubborn: bool) -> (Attached, Result<Document>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap().to_string();
    thread::spawn(move || console(listener.accept().unwrap().0, stubborn));
    let args = Cli::parse_from(["attach", "--tcp", &place, "--run", "psci bench"]).args;
    let mut attached = Attached::new(args.port.open(None).unwrap(), Duration::from_secs(60));
    attached.port.type_line("").unwrap();
    attached.prompt().unwrap();
    args.run.iter().for_each(|command| attached.command(command).unwrap());
    let results = attached.results();
    (attached, results)
}

#[test]
fn lines_that_were_damaged_are_asked_for_again_until_all_are_there() {
    let (attached, results) = fetched(false);
    assert_eq!(results.unwrap(), document());
    assert!(attached.again > 5 && attached.received.damaged() > 5, "{}", attached.losses());
}

#[test]
fn a_line_that_never_comes_whole_is_named() {
    let (_, results) = fetched(true);
    let why = results.unwrap_err().to_string();
    assert!(why.contains("1 of") && why.contains("missing: 3;"), "{why}");
}

#[test]
fn without_a_prompt_the_last_line_is_told() {
    let args = Cli::parse_from(["attach", "--exec", "sh -c 'echo login:; sleep 20'"]).args;
    let mut attached = Attached::new(args.port.open(None).unwrap(), Duration::from_secs(1));
    let why = attached.prompt().unwrap_err().to_string();
    assert!(why.contains("no prompt of baton within 1 s") && why.contains("login:"), "{why}");
    let args = Cli::parse_from(["attach", "--exec", "true"]).args;
    let mut attached = Attached::new(args.port.open(None).unwrap(), Duration::from_secs(9));
    assert!(attached.prompt().unwrap_err().to_string().contains("closed"));
}
