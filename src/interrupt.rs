//! Interrupt numbers, and how a line says that its device wants something.
//!
//! The trigger mode is a property of the source: the device tree says the mode of a device's line,
//! and what software makes pending is an edge. The mode goes with the number from there to the
//! distributor.

/// When an interrupt becomes pending (IHI 0069 4.1, GICD_ICFGR).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Trigger {
    /// As long as the line is up. This kernel's choice where the source does not say.
    #[default]
    Level,
    /// Once, whenever the line goes up or software says so; the line may drop at once.
    Edge,
}

/// An interrupt and its trigger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Interrupt {
    /// Number of the architecture.
    pub intid: u32,
    /// Of its source.
    pub trigger: Trigger,
}

impl Interrupt {
    /// One whose line is a level.
    pub const fn level(intid: u32) -> Self {
        Self { intid, trigger: Trigger::Level }
    }

    /// One whose line has edges, or that software makes pending.
    pub const fn edge(intid: u32) -> Self {
        Self { intid, trigger: Trigger::Edge }
    }
}

impl Trigger {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Level => "level",
            Self::Edge => "edge",
        }
    }

    /// The word of triggers `word` (16 interrupts, two bits each; the upper one says edge) with
    /// this trigger for one of its interrupts (IHI 0069 12.9.9).
    #[must_use]
    pub fn in_word(self, intid: u32, word: u32) -> u32 {
        let edge = 0b10 << (intid % 16 * 2);
        match self {
            Self::Edge => word | edge,
            Self::Level => word & !edge,
        }
    }

    /// What a word of triggers says of one of its interrupts.
    pub fn of_word(intid: u32, word: u32) -> Self {
        if word >> (intid % 16 * 2) & 0b10 != 0 { Self::Edge } else { Self::Level }
    }
}

/// Words that the distributor has for the triggers of its interrupts.
pub const TRIGGER_WORDS: usize = 64;

/// What this kernel has written to the distributor's words of triggers. Each holds the triggers of
/// sixteen interrupts and has no way to change one of these alone: so the contents are kept here,
/// and nothing is read back.
pub struct TriggerWords([Option<u32>; TRIGGER_WORDS]);

impl Default for TriggerWords {
    fn default() -> Self {
        Self([None; TRIGGER_WORDS])
    }
}

impl TriggerWords {
    /// Notes the trigger of a shared interrupt. The word that has to be written, and its new
    /// value; `None` if the register holds that already, or if there is no such interrupt. A word
    /// that is written for the first time is written in any case: the architecture does not say
    /// what a reset leaves there.
    pub fn set(&mut self, interrupt: Interrupt) -> Option<(usize, u32)> {
        let at = interrupt.intid as usize / 16;
        let word = self.0.get_mut(at)?;
        let now = interrupt.trigger.in_word(interrupt.intid, word.unwrap_or(0));
        (word.replace(now) != Some(now)).then_some((at, now))
    }

    /// Words in which an interrupt is an edge: those that are to be taken back.
    pub fn edges(&self) -> impl Iterator<Item = usize> + '_ {
        let edges = self.0.iter().enumerate().filter(|(_, word)| word.is_some_and(|w| w != 0));
        edges.map(|(at, _)| at)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn a_word_keeps_the_triggers_of_its_other_interrupts() {
        let mut words = TriggerWords::default();
        assert_eq!(words.set(Interrupt::edge(48)), Some((3, 0b10)));
        assert_eq!(words.set(Interrupt::edge(63)), Some((3, 0b10 | 1 << 31)));
        assert_eq!(words.set(Interrupt::level(50)), None, "it is a level already");
        assert_eq!(words.set(Interrupt::edge(63)), None);
        assert_eq!(words.set(Interrupt::level(63)), Some((3, 0b10)));
        assert_eq!(Trigger::of_word(48, 0b10), Trigger::Edge);
        assert_eq!(Trigger::of_word(49, 0b10), Trigger::Level);
    }

    #[test]
    fn a_word_is_written_once_even_if_all_in_it_are_levels() {
        let mut words = TriggerWords::default();
        assert_eq!(words.set(Interrupt::level(33)), Some((2, 0)));
        assert_eq!(words.set(Interrupt::level(34)), None);
        assert_eq!(words.set(Interrupt::edge(1019)), Some((63, 1 << 23)));
        assert_eq!(words.set(Interrupt::edge(1024)), None, "extended ones are elsewhere");
        assert_eq!(words.edges().collect::<Vec<_>>(), [63]);
    }
}
