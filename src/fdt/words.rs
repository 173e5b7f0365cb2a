//! Names, several letters at once: of a tree of many CPUs most is names, and to look at these letter
//! by letter would cost more than all else. The first letter is the lowest byte of a word.

use zerocopy::FromBytes;

const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = 0x8080_8080_8080_8080;

/// The number in the four bytes of a word. This target reads no word that is not aligned in one go, and
/// almost every tree is aligned: so that is asked first.
#[inline]
pub(super) fn be(word: &[u8; 4]) -> u32 {
    match u32::ref_from_bytes(word) {
        Ok(word) => u32::from_be(*word),
        Err(_) => odd(word),
    }
}

/// The same for a word that is not aligned. Never inlined: the compiler would make one of the two ways.
#[cold]
#[inline(never)]
fn odd(word: &[u8; 4]) -> u32 {
    u32::from_be_bytes(*word)
}

/// True if a byte of the word is zero: the borrow of a zero byte sets its top bit.
pub(super) const fn has_zero_byte(word: u32) -> bool {
    word.wrapping_sub(ONES as u32) & !word & TOPS as u32 != 0
}

/// True if all bytes are printable ASCII and none is a path separator. The specification allows fewer
/// characters, but names outside its list are met in real trees and do no harm.
const fn printable(word: u64) -> bool {
    // Not exact in which byte it is, but in whether there is one: a borrow begins at such a byte.
    let low = word.wrapping_sub(ONES * 0x21) & !word;
    let high = word | word.wrapping_add(ONES); // 0x7f becomes 0x80
    let separated = word ^ (ONES * b'/' as u64);
    let separator = separated.wrapping_sub(ONES) & !separated;
    (low | high | separator) & TOPS == 0
}

/// True if every byte is zero or printable: each string in there is then a good name.
pub(super) fn all_printable(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    words.iter().chain([&last]).all(|word| {
        let word = u64::from_le_bytes(*word);
        // The top bit of each zero byte, and of no other: nothing is carried out of seven bits.
        let zeros = !(((word & !TOPS) + !TOPS) | word) & TOPS;
        printable(word | ((zeros >> 7) * 0x61))
    })
}

/// Whole words of a name at the start of `bytes`, its NUL and its padding included; `None` if the
/// name is empty, does not end or is not printable, or the padding is cut.
pub(super) fn words_of_name(bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<4>();
    for (at, word) in words.iter().enumerate() {
        let word = be(word).swap_bytes();
        let zeros = word.wrapping_sub(ONES as u32) & !word & TOPS as u32;
        if zeros == 0 {
            if !printable(u64::from(word) | 0x6161_6161 << 32) {
                return None;
            }
            continue;
        }
        // All bits below the first zero byte.
        let name = ((zeros & zeros.wrapping_neg()) >> 7) - 1;
        let good = printable(u64::from(word & name | 0x6161_6161 & !name) | 0x6161_6161 << 32);
        return (good && (at > 0 || name != 0)).then_some(at + 1);
    }
    None
}

/// True if `bytes` begin with `name`.
pub(super) fn begins_with(bytes: &[u8], name: &str) -> bool {
    bytes.len() >= name.len()
        && bytes.iter().zip(name.as_bytes()).all(|(ours, theirs)| ours == theirs)
}

/// The first eight letters of a name, zero where there are fewer.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Key(u64);

impl Key {
    /// Letters that a key holds.
    pub const LETTERS: usize = 8;

    /// The key of the name at the start of `bytes`, up to a NUL or to the end.
    #[inline]
    pub const fn of(bytes: &[u8]) -> Self {
        let (mut key, mut at) = (0, 0);
        while at < Self::LETTERS && at < bytes.len() && bytes[at] != 0 {
            key |= (bytes[at] as u64) << (8 * at);
            at += 1;
        }
        Self(key)
    }
}

/// Which names may be among some: a bit for the first two letters of each. Most properties that a
/// reader looks for are not there, and a node need not be gone through to find that out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letters(u64);

impl Letters {
    /// No names.
    pub const NONE: Self = Self(0);
    /// Any names.
    pub const ANY: Self = Self(u64::MAX);

    /// Adds the name at the start of `bytes`, which is not empty.
    #[inline]
    pub fn add(&mut self, bytes: &[u8]) {
        let second = bytes.get(1).copied().unwrap_or(0);
        self.0 |= bit(bytes.first().copied().unwrap_or(0), second);
    }

    /// Adds a name.
    #[inline]
    pub fn add_key(&mut self, Key(key): Key) {
        self.0 |= bit(key as u8, (key >> 8) as u8);
    }

    /// False if no name with this key has been added.
    #[inline]
    pub fn may_have(self, Key(key): Key) -> bool {
        self.0 & bit(key as u8, (key >> 8) as u8) != 0
    }
}

#[inline]
const fn bit(first: u8, second: u8) -> u64 {
    1 << (first.wrapping_mul(5).wrapping_add(second) & 63)
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    fn good(byte: u8) -> bool {
        byte.is_ascii_graphic() && byte != b'/'
    }

    /// Every byte at every place, beside letters that a carry or a borrow could come from.
    #[test]
    fn a_word_is_as_printable_as_its_bytes() {
        for byte in 0..=255u8 {
            for beside in [b'a', 0, 1, b'!', b'.', b'/', b'0', b'~', 0x7f, 0x80, 0xff] {
                for at in 0..11 {
                    let mut bytes = [beside; 11];
                    bytes[at] = byte;
                    let all = bytes.iter().all(|&byte| byte == 0 || good(byte));
                    assert_eq!(all_printable(&bytes), all, "{bytes:?}");
                    let end = bytes.iter().position(|&byte| byte == 0);
                    let name = end.filter(|&end| end < 8 && end > 0);
                    let name = name.filter(|&end| bytes[..end].iter().copied().all(good));
                    let words = name.map(|end| end / 4 + 1);
                    assert_eq!(words_of_name(&bytes), words, "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn a_beginning_is_compared_to_its_last_letter() {
        let text = "interrupt-controller";
        for length in 0..=text.len() {
            let name = &text[..length];
            assert!(begins_with(text.as_bytes(), name));
            assert!(length == 0 || !begins_with(&text.as_bytes()[..length - 1], name));
            for at in 0..length {
                let mut other: Vec<u8> = text.into();
                other[at] ^= 1;
                assert!(!begins_with(&other, name), "{name} differs at {at}");
            }
        }
    }

    #[test]
    fn a_name_that_was_added_is_found_however_it_ends() {
        for name in ["a", "reg", "#size-cells"] {
            for after in ["", "\0", "\0more"] {
                let mut letters = Letters::NONE;
                let key = Key::of(name.as_bytes());
                assert!(!letters.may_have(key));
                let text = [name, after].concat().into_bytes();
                assert_eq!(Key::of(&text), key);
                letters.add(&text);
                assert!(letters.may_have(key) && Letters::ANY.may_have(key));
                let mut letters = Letters::NONE;
                letters.add_key(key);
                assert!(letters.may_have(key));
            }
        }
    }
}
