//! Bytes of a terminal become keys: letters in UTF-8, control characters, and the escape sequences
//! CSI (`ESC [`) and SS3 (`ESC O`) of ECMA-48 and the VT220 keyboard.

/// A key that does something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key {
    /// A letter: no control character.
    Char(char),
    /// A control character that means nothing here.
    Control(char),
    /// Bytes that are no UTF-8.
    Broken,
    Enter,
    Tab,
    Backspace,
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    KillToEnd,
    KillToStart,
    KillWord,
    Cancel,
    Clear,
    /// Ctrl-D.
    EndOfInput,
}

/// Where in a sequence the decoder is.
#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    Ground,
    Escape,
    /// In a CSI sequence; its first parameter so far.
    Csi(u8),
    /// In the second or a later parameter of a CSI sequence, which tell of Shift and the like.
    CsiRest(u8),
    Ss3,
    /// One more byte belongs to the sequence and means nothing here.
    Skip,
}

/// The decoder. Unknown sequences are swallowed whole: these are keys, not text.
#[derive(Default)]
pub(super) struct Keys {
    state: State,
    after_cr: bool,
    /// The first bytes of a letter.
    letter: heapless::Vec<u8, 4>,
}

/// At most two keys: a letter that was cut off, and the key that cut it off.
pub(super) type Pressed = [Option<Key>; 2];

impl Keys {
    /// Takes one byte. A control character ends a sequence that was never finished: a lone ESC must
    /// not eat a following Enter. Neither must a letter that was never finished.
    pub(super) fn feed(&mut self, byte: u8) -> Pressed {
        if byte >= 0x80 {
            return self.part_of_letter(byte);
        }
        [self.cut_off(), self.ascii(byte)]
    }

    fn ascii(&mut self, byte: u8) -> Option<Key> {
        let after_cr = core::mem::replace(&mut self.after_cr, byte == b'\r');
        match byte {
            0x1b => self.state = State::Escape,
            b'\n' if after_cr => {}
            0..0x20 | 0x7f => {
                self.state = State::Ground;
                return Some(control(byte));
            }
            _ => return self.graphic(byte),
        }
        None
    }

    /// What comes in instead of the rest of a letter makes that letter no letter.
    fn cut_off(&mut self) -> Option<Key> {
        let cut = !self.letter.is_empty();
        self.letter.clear();
        cut.then_some(Key::Broken)
    }

    /// A byte of a letter beyond ASCII, which also ends a sequence that was never finished.
    fn part_of_letter(&mut self, byte: u8) -> Pressed {
        (self.state, self.after_cr) = (State::Ground, false);
        let begins = byte & 0xc0 != 0x80;
        let cut = if begins { self.cut_off() } else { None };
        let _ = self.letter.push(byte); // a letter of 4 bytes is never unfinished
        let key = match str::from_utf8(&self.letter) {
            Ok(text) => text.chars().next().map(letter),
            Err(why) if why.error_len().is_none() => return [cut, None],
            Err(_) => Some(Key::Broken),
        };
        self.letter.clear();
        [cut, key]
    }

    fn graphic(&mut self, byte: u8) -> Option<Key> {
        let (next, key) = match (self.state, byte) {
            (State::Ground, _) => (State::Ground, Some(Key::Char(byte.into()))),
            (State::Escape, b'[') => (State::Csi(0), None),
            (State::Escape, b'O') => (State::Ss3, None),
            (State::Csi(0), b'[') => (State::Skip, None), // F1 to F5 of the Linux console
            (State::Csi(number), b'0'..=b'9') => (State::Csi(digit(number, byte)), None),
            (State::Csi(number) | State::CsiRest(number), b' '..=b'?') => {
                (State::CsiRest(number), None)
            }
            (State::Csi(number) | State::CsiRest(number), _) => {
                (State::Ground, sequence(byte, number))
            }
            (State::Ss3, _) => (State::Ground, sequence(byte, 0)),
            (State::Escape | State::Skip, _) => (State::Ground, None),
        };
        self.state = next;
        key
    }
}

/// A letter, unless it is one of the control characters U+0080 to U+009F.
fn letter(c: char) -> Key {
    if c.is_control() { Key::Control(c) } else { Key::Char(c) }
}

fn digit(number: u8, byte: u8) -> u8 {
    number.saturating_mul(10).saturating_add(byte - b'0')
}

fn control(byte: u8) -> Key {
    match byte {
        b'\r' | b'\n' => Key::Enter,
        b'\t' => Key::Tab,
        0x08 | 0x7f => Key::Backspace,
        0x01 => Key::Home,
        0x02 => Key::Left,
        0x03 => Key::Cancel,
        0x04 => Key::EndOfInput,
        0x05 => Key::End,
        0x06 => Key::Right,
        0x0b => Key::KillToEnd,
        0x0c => Key::Clear,
        0x0e => Key::Down,
        0x10 => Key::Up,
        0x15 => Key::KillToStart,
        0x17 => Key::KillWord,
        _ => Key::Control(byte.into()),
    }
}

/// The key of a finished sequence.
fn sequence(last: u8, number: u8) -> Option<Key> {
    Some(match (last, number) {
        (b'A', _) => Key::Up,
        (b'B', _) => Key::Down,
        (b'C', _) => Key::Right,
        (b'D', _) => Key::Left,
        (b'H', _) | (b'~', 1 | 7) => Key::Home,
        (b'F', _) | (b'~', 4 | 8) => Key::End,
        (b'~', 3) => Key::Delete,
        _ => return None,
    })
}
