//! What was typed and not read, as text at the end of the script that crosses a jump.
//!
//! Characters stand for themselves; `^` begins all else: `^M` is a control character as terminals
//! write it, `^xE4` any other byte, `^?` DEL, `^d` and `^o` are damaged and lost bytes. The text
//! has no quote and no control character, so it can stand in `'...'` of a script.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use crate::machine::Typed;

/// What begins each element that is no plain character.
const MARK: char = '^';

/// The text for what was typed.
pub(super) fn encode(typed: &[Typed]) -> String {
    let mut text = String::new();
    for run in typed.chunk_by(|a, b| is_byte(*a) && is_byte(*b)) {
        match run {
            [Typed::Damaged] => text.push_str("^d"),
            [Typed::Lost] => text.push_str("^o"),
            bytes => encode_bytes(&mut text, bytes),
        }
    }
    text
}

fn is_byte(typed: Typed) -> bool {
    matches!(typed, Typed::Byte(_))
}

fn encode_bytes(text: &mut String, run: &[Typed]) {
    let byte = |typed: &Typed| if let Typed::Byte(byte) = typed { Some(*byte) } else { None };
    let bytes: Vec<u8> = run.iter().filter_map(byte).collect();
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| encode_char(text, c));
        chunk.invalid().iter().for_each(|byte| hexadecimal(text, *byte));
    }
}

fn encode_char(text: &mut String, c: char) {
    match c {
        '\x00'..' ' => text.extend([MARK, (c as u8 + b'@') as char]),
        '\x7f' => text.extend([MARK, '?']),
        MARK | '\'' => hexadecimal(text, c as u8),
        _ if c.is_control() => {
            c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| hexadecimal(text, byte));
        }
        _ => text.push(c),
    }
}

fn hexadecimal(text: &mut String, byte: u8) {
    let _ = write!(text, "{MARK}x{byte:02X}"); // a String takes everything
}

/// What was typed, from its text; `None` if this is no such text.
pub(super) fn decode(text: &str) -> Option<Vec<Typed>> {
    let mut typed = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c == MARK {
            typed.push(marked(&mut rest)?);
        } else {
            typed.extend(c.encode_utf8(&mut [0; 4]).bytes().map(Typed::Byte));
        }
    }
    Some(typed)
}

/// The element behind a mark.
fn marked(rest: &mut core::str::Chars<'_>) -> Option<Typed> {
    Some(match rest.next()? {
        'd' => Typed::Damaged,
        'o' => Typed::Lost,
        '?' => Typed::Byte(0x7f),
        'x' => {
            let (high, low) = (rest.next()?.to_digit(16)?, rest.next()?.to_digit(16)?);
            Typed::Byte((high * 16 + low) as u8)
        }
        c @ '@'..='_' => Typed::Byte(c as u8 - b'@'),
        _ => return None,
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(bytes: &[u8]) -> Vec<Typed> {
        bytes.iter().copied().map(Typed::Byte).collect()
    }

    #[test]
    fn text_stays_readable() {
        let typed = bytes("set loglevel 5\rkexec load 'größe'\x1b[A\x7f^\n".as_bytes());
        assert_eq!(encode(&typed), "set loglevel 5^Mkexec load ^x27größe^x27^[[A^?^x5E^J");
        let broken = [bytes(b"a\xff"), Vec::from([Typed::Lost, Typed::Damaged])].concat();
        assert_eq!(encode(&broken), "a^xFF^o^d");
        assert_eq!(decode("a^"), None);
        assert_eq!(decode("^z"), None);
        assert_eq!(decode("^xG0"), None);
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_and_fits_into_quotes(codes in proptest::collection::vec(0..258u16, 0..200)) {
            let typed = |code: u16| match code {
                256 => Typed::Lost,
                257 => Typed::Damaged,
                byte => Typed::Byte(byte as u8),
            };
            let typed: Vec<Typed> = codes.into_iter().map(typed).collect();
            let text = encode(&typed);
            prop_assert!(!text.contains('\'') && !text.contains(char::is_control));
            prop_assert_eq!(decode(&text), Some(typed));
        }
    }
}
