//! The console: lines, and the keys that make them.

use baton::machine::Typed;
use baton::shell::command::Command;
use baton::shell::help::NAMES;
use baton::shell::line::{Editor, MAX_LINE};
use baton::shell::parse::{commands, parse};

use super::check_message;

/// What is typed, or given as `run=`.
pub fn console(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else { return false };
    let pieces: Vec<&str> = commands(text).collect();
    assert_eq!(pieces.iter().map(|piece| piece.len() + 1).sum::<usize>(), text.len() + 1);
    pieces.into_iter().filter(|line| accepted(line)).count() > 0
}

fn accepted(line: &str) -> bool {
    let command = match parse(line) {
        Ok(Some(command)) => command,
        Ok(None) => return false,
        Err(error) => {
            check_message(&error);
            assert!(error.to_string().contains(';'), "{error}: it does not say what to do");
            return false;
        }
    };
    // Line ends are white space, comments end with the line.
    assert_eq!(parse(&format!("\t{line} ")), Ok(Some(command.clone())));
    if let Command::Cycle(cycle) = &command {
        assert!(cycle.done <= cycle.asked && cycle.asked > 0);
        assert_eq!(parse(&cycle.to_string()), Ok(Some(command)));
    }
    true
}

/// Bytes from a terminal, however they came over the wire.
pub fn keys(data: &[u8]) -> bool {
    let mut shown = String::new();
    let mut editor = Editor::new(&NAMES);
    editor.prompt(&mut shown);
    let mut lines = Vec::new();
    for byte in data {
        if let Some(line) = editor.feed(Typed::Byte(*byte), &mut shown) {
            assert!(
                line.len() <= MAX_LINE && !line.contains(|c: char| c.is_control() && c != '\t')
            );
            editor.prompt(&mut shown);
            lines.push(line);
        }
    }
    let control = |c: char| c.is_control() && !"\r\n\x08\x07\x1b".contains(c);
    assert!(!shown.contains(control), "{shown:?}");
    check_whole(data, &lines);
    !lines.is_empty()
}

/// Where nothing but letters and Enter was sent, each line is what was sent, or is not run.
fn check_whole(data: &[u8], lines: &[String]) {
    if data.iter().any(|byte| byte.is_ascii_control() && *byte != b'\r') {
        return;
    }
    let ended = data.rsplitn(2, |byte| *byte == b'\r').nth(1);
    let sent = ended.into_iter().flat_map(|all| all.split(|byte| *byte == b'\r'));
    let whole = |line: &&[u8]| {
        line.len() <= MAX_LINE
            && str::from_utf8(line).is_ok_and(|text| !text.contains(char::is_control))
    };
    assert!(sent.filter(whole).eq(lines.iter().map(String::as_bytes)), "{data:?} gave {lines:?}");
}
