//! Interrupts as bits of the distributor's registers, 32 to a word (IHI 0069 12.9, GICD_ISENABLER).

/// Words of an array that has one bit for each interrupt.
pub struct Words([u32; 32]);

impl Words {
    /// With the bits of these; numbers that have none are left out.
    pub fn of(intids: impl Iterator<Item = u32>) -> Self {
        let mut words = [0; 32];
        for intid in intids {
            if let Some(word) = words.get_mut(intid as usize / 32) {
                *word |= 1 << (intid % 32);
            }
        }
        Self(words)
    }

    /// Words in which there is a bit, with their place in the array.
    pub fn iter(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        self.0.iter().copied().enumerate().filter(|(_, word)| *word != 0)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn each_word_is_written_once_whatever_the_order() {
        let words = Words::of([40, 33, 1019, 63, 64, 1024, 40].into_iter());
        let words: Vec<_> = words.iter().collect();
        assert_eq!(words, [(1, 1 << 8 | 1 << 1 | 1 << 31), (2, 1), (31, 1 << 27)]);
    }
}
