extern crate std;
use std::format;
use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;
use unicode_width::UnicodeWidthChar;

use super::terminal::Terminal;
use super::view::{WINDOW, width};
use super::*;

const NAMES: [&str; 5] = ["cpus", "cpu online", "cpu offline", "crash", "mem"];
const UP: &str = "\x1b[A";
const LEFT: &str = "\x1b[D";

fn bytes(bytes: &[u8]) -> Vec<Typed> {
    bytes.iter().copied().map(Typed::Byte).collect()
}

/// Feeds bytes; the lines that came out and the terminal after.
fn play(keys: &[u8]) -> (Vec<String>, Terminal) {
    play_typed(&bytes(keys))
}

/// Feeds what was typed.
fn play_typed(typed: &[Typed]) -> (Vec<String>, Terminal) {
    let mut terminal = Terminal::new(80);
    let mut editor = Editor::new(&NAMES);
    let mut lines = Vec::new();
    editor.prompt(&mut terminal);
    for &typed in typed {
        if let Some(line) = editor.feed(typed, &mut terminal) {
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
}

/// The error for a line that is not run, and that the next one is.
fn refused(keys: &[u8]) -> String {
    let keys = bytes(&[keys, b"\rcpus\r"].concat());
    refused_typed(&keys)
}

fn refused_typed(typed: &[Typed]) -> String {
    let (lines, terminal) = play_typed(typed);
    assert_eq!(lines, ["cpus"], "{typed:?}");
    assert!(terminal.beeps > 0, "{typed:?}");
    let screen = terminal.screen();
    let mut errors = screen.iter().filter_map(|row| row.strip_prefix("error: "));
    let (error, more) = (errors.next().unwrap(), errors.next());
    assert_eq!(more, None, "{screen:?}");
    error.into()
}

#[test]
fn what_is_no_text_makes_a_line_that_is_not_run() {
    for keys in [
        &b"m\xffem"[..],
        b"m\xc3em",
        b"mem\xc3",
        b"m\xe2\x80em",
        b"m\x80em",
        b"m\xed\xa0\x80em",
        b"m\xf5em",
        b"m\xc0\xafem",
        b"m\xc3\x1bxem",
        b"mem\xe2\x80\xc3\xa4",
        b"mem\xff\x7f\x08",
        b"mem\xff\x01\x04",
        b"mem\xff\x17",
    ] {
        assert!(refused(keys).contains("not UTF-8"), "{keys:?}");
    }
    assert!(refused(b"mem\x00").contains("U+0000"));
    assert!(refused(b"m\x07em").contains("U+0007"));
    assert!(refused("m\u{85}em".as_bytes()).contains("U+0085"));
}

#[test]
fn what_the_uart_spoilt_is_not_run() {
    for (fault, why) in [(Typed::Damaged, "damaged"), (Typed::Lost, "faster")] {
        for at in 0..3 {
            let mut typed = bytes(b"mem\rcpus\r");
            typed.insert(at, fault);
            let error = refused_typed(&typed);
            assert!(error.contains(why), "{error}");
        }
    }
}

#[test]
fn a_spoilt_line_is_whole_again_only_on_purpose() {
    assert_eq!(play(b"m\xffem\x03mem\r").0, ["mem"]);
    assert_eq!(play(b"m\xffem\x15mem\r").0, ["mem"]);
    // The history has what was taken, which the user sees before Enter.
    assert_eq!(play(format!("m\x00em\r{UP}\r").as_bytes()).0, ["mem"]);
}

#[test]
fn letters_are_utf8() {
    assert_eq!(edited("root=größe"), "root=größe");
    assert_eq!(edited("größe\x02\x02\x7fü"), "grüße");
    assert_eq!(edited("größe\x01\x06\x06\x04o"), "große");
    assert_eq!(edited("ä\x7f\x7fö"), "ö");
    assert_eq!(edited("日本x\x02\x02語\x05y"), "日語本xy");
    assert_eq!(edited("a日\x7fb"), "ab");
    assert_eq!(edited("“quiet” – ½"), "“quiet” – ½");
    let (_, terminal) = play(format!("日本é{LEFT}{LEFT}").as_bytes());
    assert_eq!((terminal.column, terminal.current().as_str()), (PROMPT.len() + 2, "baton> 日本é"));
    // An accent of its own: the letter before stays.
    assert_eq!(edited("e\u{301}\x7fa"), "ea");
}

#[test]
fn a_letter_ends_an_unfinished_sequence() {
    assert_eq!(edited("a\x1bäb\x1b[1;öc\x1bOüd"), "aäböcüd");
}

#[test]
fn a_tab_separates_arguments_and_is_a_letter_in_quotes() {
    assert_eq!(edited("cpu online\t3\t4"), "cpu online 3 4");
    assert_eq!(play(b"x \"a\tb\"\r").0, ["x \"a\tb\""]);
    assert_eq!(play(b"x 'a\tb'\t\r").0, ["x 'a\tb'"]);
    assert_eq!(play(b"x \"a\t").1.current(), "baton> x \"a");
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
    b"\t\t"
        .iter()
        .for_each(|&byte| assert_eq!(editor.feed(Typed::Byte(byte), &mut terminal), None));
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
    // A tab that completes nothing, or a key that takes a letter away, does not bring back what
    // found no room.
    for key in ["\t", "\x7f", "\x01\x04"] {
        assert_eq!(play(format!("{full}y{key}\nmem\n").as_bytes()).0, ["mem"]);
    }
    let umlauts = "ü".repeat(MAX_LINE / 2);
    assert_eq!(play(format!("{umlauts}\n{umlauts}x\n").as_bytes()).0, [umlauts]);
}

#[test]
fn a_pipe_sees_each_long_line_once() {
    let long = format!("kexec load linux --append \"{}\"", "console=ttyAMA0 ".repeat(8));
    let mut echo = String::new();
    let mut editor = Editor::new(&NAMES);
    editor.prompt(&mut echo);
    let lines: Vec<String> = bytes(format!("{long}\n").as_bytes())
        .into_iter()
        .filter_map(|typed| editor.feed(typed, &mut echo))
        .collect();
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
    b"cpus\x02"
        .iter()
        .for_each(|&byte| assert_eq!(editor.feed(Typed::Byte(byte), &mut terminal), None));
    put(&mut terminal, "\r\nCPU 3 did not come\r\n");
    editor.prompt(&mut terminal);
    assert_eq!(terminal.current(), "baton> cpus");
    assert_eq!(terminal.column, PROMPT.len() + 3);
}

fn keys() -> impl Strategy<Value = Vec<u8>> {
    let key = prop_oneof![
        8 => "[a-z ]{1,9}".prop_map(String::into_bytes),
        2 => "[äöü日本\u{301}“é]{1,4}".prop_map(String::into_bytes),
        2 => proptest::collection::vec(any::<u8>(), 1..4),
        4 => prop::sample::select(
            [UP, LEFT, "\x1b[B", "\x1b[C", "\x1b[3~", "\x01", "\x05", "\x15", "\x0b", "\x17", "\t",
             "\x7f", "\r", "\x03", "cpu o\t", "\x0c"].map(|k| k.as_bytes().to_vec()).to_vec()),
        1 => "[a-z]{100}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(key, 0..60).prop_map(|keys| keys.concat())
}

/// What is sent as one line without any key, and the line it has to become if it is one.
fn sent() -> impl Strategy<Value = (Vec<Typed>, Option<String>)> {
    let element = prop_oneof![
        40 => "[ -~]{1,20}".prop_map(|text| bytes(text.as_bytes())),
        10 => any::<char>().prop_map(|c| bytes(c.encode_utf8(&mut [0; 4]).as_bytes())),
        1 => (0x80..=0xff_u8).prop_map(|byte| Vec::from([Typed::Byte(byte)])),
        1 => Just(Vec::from([Typed::Lost])),
        1 => Just(Vec::from([Typed::Damaged])),
    ];
    let keys = |typed: &Vec<Typed>| {
        typed.iter().any(|t| matches!(t, Typed::Byte(byte) if *byte < 0x20 || *byte == 0x7f))
    };
    let line = proptest::collection::vec(element, 0..8).prop_map(|parts| parts.concat());
    line.prop_filter("a key", move |typed| !keys(typed)).prop_map(|typed| {
        let text = text(&typed).filter(|text| !text.contains(char::is_control));
        (typed, text)
    })
}

/// What was typed as text; `None` if it is none.
fn text(typed: &[Typed]) -> Option<String> {
    let byte = |typed: &Typed| if let Typed::Byte(byte) = typed { Some(*byte) } else { None };
    String::from_utf8(typed.iter().map(byte).collect::<Option<_>>()?).ok()
}

proptest! {
    #[test]
    fn screen_and_line_agree_whatever_is_typed(keys in keys()) {
        let mut terminal = Terminal::new(80);
        let mut editor = Editor::new(&NAMES);
        editor.prompt(&mut terminal);
        for typed in bytes(&keys) {
            if let Some(line) = editor.feed(typed, &mut terminal) {
                prop_assert!(line.len() <= MAX_LINE && !line.contains(|c: char| c.is_control() && c != '\t'));
                editor.prompt(&mut terminal);
            }
            prop_assert!(editor.line.is_char_boundary(editor.cursor));
        }
        // A redraw brings any line back into one row.
        editor.draw(&mut terminal);
        let row = terminal.current();
        let column = terminal.column;
        let line = editor.line.replace('\t', " ");
        let shown = row.strip_prefix(PROMPT.trim_end()).unwrap();
        prop_assert!(column >= PROMPT.len() && column < 80);
        prop_assert!(line.contains(shown.trim()));
        // A mark without a width that is behind the cursor stands on the letter before it.
        let plain = |text: &str| text.replace(|c: char| c.width() == Some(0), "");
        let before = plain(&line[..editor.cursor]);
        prop_assert!(before.ends_with(&plain(&terminal.part(PROMPT.len(), column))));
        if width(&line) <= WINDOW {
            let wanted = format!("{PROMPT}{line}");
            prop_assert_eq!(row, wanted.trim_end());
        }
    }

    /// A line comes out as it was sent, or an error was printed and nothing comes out.
    #[test]
    fn no_line_is_altered(lines in proptest::collection::vec(sent(), 1..6)) {
        let mut typed = Vec::new();
        for (line, _) in &lines {
            typed.extend(line);
            typed.push(Typed::Byte(b'\r'));
        }
        let (got, terminal) = play_typed(&typed);
        let wanted: Vec<String> = lines.iter().filter_map(|(_, text)| text.clone()).collect();
        let refused = lines.iter().filter(|(_, text)| text.is_none()).count();
        prop_assert_eq!(got, wanted);
        prop_assert_eq!(terminal.screen().iter().filter(|row| row.starts_with("error: ")).count(), refused);
    }

    #[test]
    fn without_a_redraw_a_short_line_stands_as_it_is(bytes in "[a-d \x02\x06\x08\x01\x05\x0b]{0,70}") {
        let mut terminal = Terminal::new(200);
        let mut editor = Editor::new(&NAMES);
        editor.prompt(&mut terminal);
        bytes.bytes().for_each(|byte| drop(editor.feed(Typed::Byte(byte), &mut terminal)));
        let wanted = format!("{PROMPT}{}", editor.line);
        prop_assert_eq!(terminal.current(), wanted.trim_end());
        prop_assert_eq!(terminal.column, PROMPT.len() + editor.cursor);
    }
}
