extern crate std;
use std::format;
use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;

use super::terminal::Terminal;
use super::view::WINDOW;
use super::*;

const NAMES: [&str; 5] = ["cpus", "cpu online", "cpu offline", "crash", "mem"];
const UP: &str = "\x1b[A";
const LEFT: &str = "\x1b[D";

/// Feeds bytes; the lines that came out and the terminal after.
fn play(bytes: &[u8]) -> (Vec<String>, Terminal) {
    let mut terminal = Terminal::new(80);
    let mut editor = Editor::new(&NAMES);
    let mut lines = Vec::new();
    editor.prompt(&mut terminal);
    for &byte in bytes {
        if let Some(line) = editor.feed(byte, &mut terminal) {
            lines.push(line);
            editor.prompt(&mut terminal);
        }
    }
    (lines, terminal)
}

/// The line that the keys leave behind, checked on the screen and as what Enter returns.
fn edited(keys: &str) -> String {
    let (_, terminal) = play(keys.as_bytes());
    let (mut lines, _) = play(format!("{keys}\r").as_bytes());
    let line = lines.pop().unwrap();
    assert_eq!(terminal.current(), format!("{PROMPT}{line}").trim_end(), "{keys:?}");
    line
}

#[test]
fn each_end_of_line_counts_once() {
    let (lines, terminal) = play(b"a\rb\nc\r\nd\r\r\n\n");
    assert_eq!(lines, ["a", "b", "c", "d", "", ""]);
    let rows = ["baton> a", "baton> b", "baton> c", "baton> d", "baton>", "baton>", "baton>"];
    assert_eq!(terminal.screen(), rows);
}

#[test]
fn letters_go_in_and_out_anywhere() {
    assert_eq!(edited("cps\x1b[Du"), "cpus");
    assert_eq!(edited("xcpus\x01\x04"), "cpus");
    assert_eq!(edited("cpuxs\x02\x02\x1b[3~"), "cpus");
    assert_eq!(edited("cpuss\x7f"), "cpus");
    assert_eq!(edited("cpxus\x02\x02\x08"), "cpus");
    assert_eq!(edited("\x7f\x7fcpus"), "cpus");
    assert_eq!(edited("pu\x01c\x05s"), "cpus");
    assert_eq!(edited("pu\x1b[1~c\x1b[4~s"), "cpus");
    assert_eq!(edited("pu\x1bOHc\x1bOFs"), "cpus");
    assert_eq!(edited("pu\x1b[Hc\x1b[Fs"), "cpus");
    assert_eq!(edited("ab\x02\x02\x02\x02c\x06\x06\x06\x06d"), "cabd");
    assert_eq!(edited("cpus\x04\x1b[3~"), "cpus");
}

#[test]
fn the_kills_take_what_they_say() {
    assert_eq!(edited("cpu online 3\x01\x06\x06\x06\x0b"), "cpu");
    assert_eq!(edited("cpu online 3\x02\x15"), "3");
    assert_eq!(edited("cpu online  \x17"), "cpu ");
    assert_eq!(edited("cpu online\x17\x17\x17x"), "x");
}

#[test]
fn the_cursor_on_the_screen_is_where_the_next_letter_goes() {
    let (_, terminal) = play(format!("abcd{LEFT}{LEFT}").as_bytes());
    assert_eq!((terminal.column, terminal.current().as_str()), (PROMPT.len() + 2, "baton> abcd"));
}

#[test]
fn unknown_sequences_and_foreign_bytes_leave_no_trace() {
    let keys = "a\x1b[15~b\x1b[1;5Pc\x1b[[Ad\x1bOPe\x1bxf\x1b[200~g\x1b[>1;2ch";
    assert_eq!(edited(keys), "abcdefgh");
    let (lines, terminal) = play(b"m\xc3\xa9e\xff\x00m\x16\r");
    assert_eq!(lines, ["mem"]);
    assert_eq!(terminal.screen()[0], "baton> mem");
}

#[test]
fn a_modified_arrow_is_still_an_arrow() {
    assert_eq!(edited("cps\x1b[1;5Du"), "cpus");
}

#[test]
fn enter_ends_an_unfinished_sequence() {
    assert_eq!(play(b"mem\x1b\rcpus\x1b[1;\n").0, ["mem", "cpus"]);
}

#[test]
fn ctrl_c_drops_the_line() {
    let (lines, terminal) = play(b"reset\x02\x02\x03mem\r");
    assert_eq!(lines, ["mem"]);
    assert_eq!(terminal.screen(), ["baton> reset^C", "baton> mem", "baton>"]);
}

#[test]
fn ctrl_l_clears_the_screen_and_keeps_the_line() {
    let (_, terminal) = play(b"a\rb\rcpus\x02\x0c");
    assert_eq!(terminal.current(), "baton> cpus");
    assert_eq!((terminal.row, terminal.column), (0, PROMPT.len() + 3));
}

#[test]
fn history_comes_back_and_so_does_the_draft() {
    let (lines, terminal) = play(format!("one\rtwo\r{UP}{UP}\r").as_bytes());
    assert_eq!(lines, ["one", "two", "one"]);
    assert_eq!(terminal.screen()[2], "baton> one");
    let (lines, terminal) = play(format!("one\rdra{UP}\x1b[B{UP}\x1bOBft\r").as_bytes());
    assert_eq!(lines, ["one", "draft"]);
    assert_eq!(terminal.screen()[1], "baton> draft");
    assert_eq!(play(format!("a\r{UP}{UP}\x1b[B\x1b[B").as_bytes()).1.beeps, 2);
}

#[test]
fn tab_completes_and_lists() {
    assert_eq!(edited("m\t"), "mem ");
    assert_eq!(edited("cp\t on\x7f\x7f\x7f off\t3"), "cpu offline 3");
    assert_eq!(edited("help cpu of\t"), "help cpu offline ");
    let (_, terminal) = play(b"c\t\tp\t\t");
    let rows = [
        "baton> c",
        "cpus  cpu online  cpu offline  crash",
        "baton> c",
        "cpus  cpu online  cpu offline  crash",
        "baton> cpu",
        "cpus  cpu online  cpu offline",
        "baton> cpu",
    ];
    assert_eq!(terminal.screen(), rows);
    assert_eq!(play(b"x\t").1.beeps, 1);
}

#[test]
fn many_names_are_listed_in_several_rows() {
    let names: Vec<String> = (0..30).map(|i| format!("name{i:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut terminal = Terminal::new(80);
    let mut editor = Editor::new(&names);
    editor.prompt(&mut terminal);
    // The names share "name0", so the first Tab goes that far and the second one lists.
    b"\t\t".iter().for_each(|&byte| assert_eq!(editor.feed(byte, &mut terminal), None));
    let listed: Vec<String> = terminal.screen();
    assert!(listed.iter().all(|row| row.len() < 80), "{listed:?}");
    let words = listed.iter().flat_map(|row| row.split_whitespace());
    assert_eq!(words.filter(|word| word.len() == 7).count(), 30);
}

#[test]
fn a_full_line_beeps_and_an_overfull_one_is_not_run() {
    let full = "x".repeat(MAX_LINE);
    let (lines, terminal) = play(format!("{full}\n").as_bytes());
    assert_eq!((lines, terminal.beeps), (Vec::from([full.clone()]), 0));
    let (lines, terminal) = play(format!("{full}yz\nmem\n").as_bytes());
    assert_eq!((lines, terminal.beeps), (Vec::from([String::from("mem")]), 2));
    assert!(terminal.screen().iter().any(|row| row.starts_with("error: the line is longer")));
    let (lines, _) = play(format!("{full}y\x7f\n").as_bytes());
    assert_eq!(lines[0].len(), MAX_LINE - 1);
}

#[test]
fn a_pipe_sees_each_long_line_once() {
    let long = format!("kexec load linux --append \"{}\"", "console=ttyAMA0 ".repeat(8));
    let mut echo = String::new();
    let mut editor = Editor::new(&NAMES);
    editor.prompt(&mut echo);
    let lines: Vec<String> =
        format!("{long}\n").bytes().filter_map(|byte| editor.feed(byte, &mut echo)).collect();
    assert_eq!(lines, core::slice::from_ref(&long));
    assert_eq!(echo, format!("{PROMPT}{long}\r\n"));
}

#[test]
fn a_long_line_is_edited_through_a_window() {
    let long: String = ('a'..='z').cycle().take(150).collect();
    let (_, terminal) = play(format!("{long}{LEFT}").as_bytes());
    assert_eq!(terminal.screen().concat(), format!("{PROMPT}{long}{PROMPT}{}", &long[77..149]));
    assert_eq!(terminal.column, PROMPT.len() + WINDOW);
    let (_, terminal) = play(format!("{long}\x01").as_bytes());
    assert_eq!(terminal.current(), format!("{PROMPT}{}", &long[..WINDOW]));
    assert_eq!(terminal.column, PROMPT.len());
    let (_, terminal) = play(format!("{long}{}", "\x7f".repeat(70)).as_bytes());
    assert_eq!(terminal.current(), format!("{PROMPT}{}", &long[64..80]));
    let (lines, _) = play(format!("{long}\x01X\x05Y\x7fZ\r").as_bytes());
    assert_eq!(lines, [format!("X{long}Z")]);
}

#[test]
fn the_edge_of_the_row_is_crossed_both_ways() {
    for typed in WINDOW - 3..WINDOW + 20 {
        let keys = "x".repeat(typed) + &"\x7f".repeat(typed - 65);
        let (_, terminal) = play(keys.as_bytes());
        assert_eq!(terminal.current(), format!("{PROMPT}{}", "x".repeat(65)), "{typed}");
        assert_eq!(terminal.column, PROMPT.len() + 65, "{typed}");
    }
}

#[test]
fn a_prompt_in_the_middle_restores_what_was_typed() {
    let mut terminal = Terminal::new(80);
    let mut editor = Editor::new(&NAMES);
    editor.prompt(&mut terminal);
    b"cpus\x02".iter().for_each(|&byte| assert_eq!(editor.feed(byte, &mut terminal), None));
    put(&mut terminal, "\r\nCPU 3 did not come\r\n");
    editor.prompt(&mut terminal);
    assert_eq!(terminal.current(), "baton> cpus");
    assert_eq!(terminal.column, PROMPT.len() + 3);
}

fn keys() -> impl Strategy<Value = Vec<u8>> {
    let key = prop_oneof![
        8 => "[a-z ]{1,9}".prop_map(String::into_bytes),
        2 => proptest::collection::vec(any::<u8>(), 1..4),
        4 => prop::sample::select(
            [UP, LEFT, "\x1b[B", "\x1b[C", "\x1b[3~", "\x01", "\x05", "\x15", "\x0b", "\x17", "\t",
             "\x7f", "\r", "\x03", "cpu o\t", "\x0c"].map(|k| k.as_bytes().to_vec()).to_vec()),
        1 => "[a-z]{100}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(key, 0..60).prop_map(|keys| keys.concat())
}

proptest! {
    #[test]
    fn screen_and_line_agree_whatever_is_typed(bytes in keys()) {
        let mut terminal = Terminal::new(80);
        let mut editor = Editor::new(&NAMES);
        editor.prompt(&mut terminal);
        for byte in bytes {
            if let Some(line) = editor.feed(byte, &mut terminal) {
                prop_assert!(line.len() <= MAX_LINE && line.bytes().all(|b| (b' '..=b'~').contains(&b)));
                editor.prompt(&mut terminal);
            }
            prop_assert!(editor.cursor <= editor.line.len());
        }
        // A redraw brings any line back into one row.
        editor.draw(&mut terminal);
        let row = terminal.current();
        let column = terminal.column;
        let before = &editor.line[..editor.cursor];
        let shown = row.strip_prefix(PROMPT.trim_end()).unwrap();
        prop_assert!(column >= PROMPT.len() && column < 80);
        let visible = (column - PROMPT.len()).min(before.len());
        prop_assert!(editor.line.contains(shown.trim()));
        let window = format!("{row:<80}");
        prop_assert_eq!(&window[PROMPT.len()..column], &before[before.len() - visible..]);
        if editor.line.len() <= WINDOW {
            let wanted = format!("{PROMPT}{}", editor.line);
            prop_assert_eq!(row, wanted.trim_end());
        }
    }

    #[test]
    fn without_a_redraw_a_short_line_stands_as_it_is(bytes in "[a-d \x02\x06\x08\x01\x05\x0b]{0,70}") {
        let mut terminal = Terminal::new(200);
        let mut editor = Editor::new(&NAMES);
        editor.prompt(&mut terminal);
        bytes.bytes().for_each(|byte| drop(editor.feed(byte, &mut terminal)));
        let wanted = format!("{PROMPT}{}", editor.line);
        prop_assert_eq!(terminal.current(), wanted.trim_end());
        prop_assert_eq!(terminal.column, PROMPT.len() + editor.cursor);
    }
}
