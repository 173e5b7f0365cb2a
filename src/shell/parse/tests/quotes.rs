//! Quotes, and the cuts between commands.

use super::*;

#[test]
fn quotes_and_backslashes() {
    let words = tokens::tokens(r#"a 'b  c'"d'e" \'f\ g 'h\' '' #"#).unwrap();
    assert_eq!(words, ["a", "b  cd'e", "'f g", "h\\", ""]);
    assert_eq!(parse("set fail 'x"), Err(ParseError::OpenQuote('\'')));
    assert_eq!(parse("set fail \"x\\\""), Err(ParseError::OpenQuote('"')));
    assert_eq!(parse("mem \\"), Err(ParseError::LoneBackslash));
    assert!(bad("mem '").contains("close it"));
}

#[test]
fn scripts_are_cut_outside_quotes() {
    let cut = |script| commands(script).map(str::trim).collect::<Vec<_>>();
    assert_eq!(cut("a; b ;;c"), ["a", "b", "", "c"]);
    assert_eq!(cut("a 'x;y' \"p;q\" \\; z; b"), ["a 'x;y' \"p;q\" \\; z", "b"]);
    assert_eq!(cut("a # x; y 'z\nb#c;d"), ["a # x; y 'z", "b#c", "d"]);
    assert_eq!(cut("a 'x; y"), ["a 'x; y"]);
    assert_eq!(cut(""), [""]);
}
