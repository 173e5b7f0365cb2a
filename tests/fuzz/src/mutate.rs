//! Inputs made from others by a seed: the same seed gives the same inputs everywhere.

/// Longest input that is made.
const LONGEST: usize = 64 << 10;

/// Random numbers (splitmix64, Steele and others, OOPSLA 2014).
pub struct Random(u64);

impl Random {
    /// Those of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 for none.
    pub fn below(&mut self, n: usize) -> usize {
        self.number() as usize % n.max(1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }
}

/// What inputs are made from.
pub struct Stock {
    /// Inputs to start from.
    pub inputs: Vec<Vec<u8>>,
    /// Words that inputs are made of.
    pub words: Vec<Vec<u8>>,
}

impl Stock {
    /// One of the inputs with one to eight changes.
    pub fn make(&self, random: &mut Random) -> Vec<u8> {
        let mut made = random.pick(&self.inputs).cloned().unwrap_or_default();
        for _ in 0..=random.below(8) {
            self.change(&mut made, random);
            made.truncate(LONGEST);
        }
        made
    }

    fn change(&self, made: &mut Vec<u8>, random: &mut Random) {
        let at = random.below(made.len());
        match random.below(9) {
            0 => overwrite(made, at, &[random.number() as u8]),
            1 => overwrite(made, at, &[random.below(16) as u8]),
            2 => overwrite(made, at, &number(random)),
            3 => overwrite(made, at & !3, &number(random)),
            4 => drop(made.drain(stretch(made, random))),
            5 => {
                let copy = made[stretch(made, random)].to_vec();
                insert(made, at, &copy);
            }
            6 => {
                let other = self.inputs.get(random.below(self.inputs.len()));
                let other = other.map_or(&[][..], |other| &other[stretch(other, random)]);
                insert(made, at, other);
            }
            7 => insert(made, at, random.pick(&self.words).map_or(&[][..], |word| word)),
            _ => made.truncate(made.len() - stretch(made, random).len()),
        }
    }
}

/// A number near a border that parsers care about, in either order of bytes.
fn number(random: &mut Random) -> Vec<u8> {
    let near = (1u64 << random.below(64)).wrapping_add_signed(random.below(3) as i64 - 1);
    let bytes = [2, 4, 8][random.below(3)];
    let little = near.to_le_bytes();
    let mut number = little[..bytes].to_vec();
    if random.below(2) == 0 {
        number.reverse();
    }
    number
}

/// A part of `of`, more often a short one.
fn stretch(of: &[u8], random: &mut Random) -> std::ops::Range<usize> {
    let start = random.below(of.len());
    let longest = [4, 16, 64, of.len()][random.below(4)];
    start..of.len().min(start + random.below(longest + 1))
}

fn overwrite(made: &mut [u8], at: usize, with: &[u8]) {
    made.iter_mut().skip(at).zip(with).for_each(|(byte, with)| *byte = *with);
}

fn insert(made: &mut Vec<u8>, at: usize, what: &[u8]) {
    drop(made.splice(at..at, what.iter().copied()));
}

/// The words of a dictionary of libFuzzer: `"..."` on a line each, with `\xAB`, `\"` and `\\`.
pub fn words(dictionary: &str) -> Vec<Vec<u8>> {
    let quoted = dictionary.lines().filter(|line| !line.starts_with('#'));
    quoted.filter_map(|line| word(line.split_once('"')?.1.strip_suffix('"')?)).collect()
}

fn word(text: &str) -> Option<Vec<u8>> {
    let mut word = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        (rest, _) = match (first, more) {
            (b'\\', [b'x', high, low, more @ ..]) => {
                let digits = [*high, *low];
                let digits = str::from_utf8(&digits).ok()?;
                (more, word.push(u8::from_str_radix(digits, 16).ok()?))
            }
            (b'\\', [c @ (b'\\' | b'"'), more @ ..]) => (more, word.push(*c)),
            (b'\\', _) => return None,
            (c, more) => (more, word.push(*c)),
        };
    }
    Some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_inputs_again_and_another_gives_others() {
        let stock = Stock { inputs: vec![b"hello, world".to_vec()], words: vec![b"word".to_vec()] };
        let make = |seed| {
            let mut random = Random::new(seed);
            (0..100).map(|_| stock.make(&mut random)).collect::<Vec<_>>()
        };
        assert_eq!(make(1), make(1));
        assert_ne!(make(1), make(2));
        assert!(make(1).iter().any(|made| made.windows(4).any(|part| part == b"word")));
    }

    #[test]
    fn an_empty_stock_and_empty_inputs_are_no_trouble() {
        let mut random = Random::new(3);
        let stock = Stock { inputs: vec![], words: vec![] };
        (0..1000).for_each(|_| assert!(stock.make(&mut random).len() <= 64));
    }

    #[test]
    fn a_dictionary_is_read_as_libfuzzer_reads_it() {
        let text = "# \"no\"\n\"plain\"\nname=\"a\\x00\\xff\\\"\\\\b\"\n\n\"bad\\n\"\n";
        assert_eq!(words(text), [b"plain".to_vec(), b"a\0\xff\"\\b".to_vec()]);
    }
}
