extern crate std;
use std::string::String;

use super::*;
use crate::shell::parse::parse;

fn text(write: impl Fn(&mut dyn Write) -> fmt::Result) -> String {
    let mut text = String::new();
    write(&mut text).unwrap();
    text
}

#[test]
fn every_command_has_one_aligned_line() {
    let text = text(overview);
    let mut column = None;
    for entry in &TABLE {
        let line = text.lines().find(|line| line.ends_with(entry.summary)).expect(entry.name);
        assert!(line.starts_with(entry.name) && line.len() < 80, "{line}");
        let at = line.len() - entry.summary.len();
        assert_eq!(*column.get_or_insert(at), at, "{line}");
    }
    assert_eq!(text.lines().count(), TABLE.len() + 2);
}

#[test]
fn every_command_shows_its_options_and_an_example_that_works() {
    for entry in &TABLE {
        let text = text(|out| explain(entry.name, out));
        assert!(text.lines().all(|line| line.len() < 80), "{text}");
        for option in entry.options() {
            assert!(text.contains(option.name) && text.contains(option.value), "{text}");
        }
        assert!(text.contains(entry.example));
        assert!(matches!(parse(entry.example), Ok(Some(_))), "{}", entry.example);
        assert!(entry.example.starts_with(entry.name));
    }
}

#[test]
fn a_first_word_explains_the_whole_group() {
    let text = text(|out| explain("kexec", out));
    for name in ["kexec load", "kexec status", "kexec unload", "kexec exec"] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name}");
    }
    assert!(!text.contains("cycle"));
}

#[test]
fn what_kernels_write_to_each_other_is_not_shown() {
    let text = text(|out| explain("cycle", out));
    assert!(text.contains("--image") && !text.contains("--done") && !text.contains("--asked"));
}

#[test]
fn names_are_the_table_in_order() {
    assert!(NAMES.iter().zip(&TABLE).all(|(&name, entry)| name == entry.name));
}
