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

/// Three words at the start of `bytes`, and what follows; `None` if there are fewer.
#[inline]
pub(super) fn three(bytes: &[u8]) -> Option<([u32; 3], &[u8])> {
    let (words, rest) = bytes.split_first_chunk::<12>()?;
    let words = match <[u32; 3]>::ref_from_bytes(words) {
        Ok(words) => words.map(u32::from_be),
        Err(_) => three_odd(words),
    };
    Some((words, rest))
}

/// The same for words that are not aligned.
#[cold]
#[inline(never)]
fn three_odd(bytes: &[u8; 12]) -> [u32; 3] {
    let (words, _) = bytes.as_chunks::<4>();
    [odd(&words[0]), odd(&words[1]), odd(&words[2])]
}

/// A word that is not aligned. Never inlined: the compiler would make one of the two ways.
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
/// name is empty, does not end before the last whole pair of words, or is not printable.
pub(super) fn words_of_name(bytes: &[u8]) -> Option<usize> {
    let (pairs, _) = bytes.as_chunks::<8>();
    for (at, pair) in pairs.iter().enumerate() {
        let word = pair_of(pair);
        let zeros = word.wrapping_sub(ONES) & !word & TOPS;
        if zeros == 0 {
            if !printable(word) {
                return None;
            }
            continue;
        }
        // All bits below the first zero byte.
        let name = ((zeros & zeros.wrapping_neg()) >> 7) - 1;
        let good = printable(word & name | ONES * 0x61 & !name);
        let words = at * 2 + usize::from(name >> 32 != 0 || name as u32 == u32::MAX) + 1;
        return (good && (at > 0 || name != 0)).then_some(words);
    }
    None
}

/// Two words, the first letter in the lowest byte.
#[inline]
fn pair_of(pair: &[u8; 8]) -> u64 {
    match <[u32; 2]>::ref_from_bytes(pair) {
        Ok([first, second]) => {
            u64::from(u32::from_le(*first)) | u64::from(u32::from_le(*second)) << 32
        }
        Err(_) => pair_odd(pair),
    }
}

/// The same for words that are not aligned.
#[cold]
#[inline(never)]
fn pair_odd(pair: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*pair)
}

/// True if `bytes` begin with `name`.
#[inline]
pub(super) fn begins_with(bytes: &[u8], name: &str) -> bool {
    // Most names differ in the first letter, and comparing the others is a call.
    bytes.first() == name.as_bytes().first() && bytes.starts_with(name.as_bytes())
        || name.is_empty()
}

/// Which names may be among some: a bit for the length, the first and the last letter of each. Most
/// properties that a reader looks for are not there, and a node need not be gone through to find that
/// out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letters(u64);

impl Letters {
    /// No names.
    pub const NONE: Self = Self(0);
    /// Any names.
    pub const ANY: Self = Self(u64::MAX);

    /// One name.
    #[inline]
    pub const fn of(name: &[u8]) -> Self {
        // Chosen so that the names of most trees fall on different bits.
        let number = match name {
            [] => 0,
            [one] => 2 + (23 + 51) * (*one as usize),
            [first, .., last] => name.len() * 2 + 23 * (*first as usize) + 51 * (*last as usize),
        };
        Self(1 << (number & 63))
    }

    /// Adds names.
    #[inline]
    pub fn add(&mut self, names: Self) {
        self.0 |= names.0;
    }

    /// False if this name has not been added.
    #[inline]
    pub fn may_have(self, name: &str) -> bool {
        self.0 & Self::of(name.as_bytes()).0 != 0
    }
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
    fn a_name_that_was_added_is_found() {
        for name in ["a", "reg", "#size-cells"] {
            let mut letters = Letters::NONE;
            assert!(!letters.may_have(name));
            letters.add(Letters::of(name.as_bytes()));
            assert!(letters.may_have(name) && Letters::ANY.may_have(name));
        }
    }
}
