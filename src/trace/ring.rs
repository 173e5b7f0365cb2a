//! One CPU's ring: a header (events ever written; the CPU's affinity) and a power of two of slots.
//!
//! Only the owning CPU writes. A CPU reads another's ring only when the owner is known to be quiet
//! (OFF, or the reader itself), so the stores are relaxed; the hand-shake by which the reader
//! learned that the owner is quiet makes the stores visible. On overflow the oldest events go, and
//! [`Ring::lost`] says how many.

use crate::sync::words::{Relaxed, Word};

use super::{Event, Untimed};
use crate::cpu::Mpidr;

/// Words of one event.
pub const EVENT_WORDS: usize = 2;

/// Words before the first slot (one cache line, so that two rings never share one).
pub const HEADER_WORDS: usize = 8;

/// Words of a ring for this many events.
pub const fn ring_words(events: usize) -> usize {
    HEADER_WORDS + events * EVENT_WORDS
}

/// Where a ring's label is, in its words.
const LABEL: usize = 1;

/// Set in a label: an affinity may be 0, and so may memory.
const LABELLED: u64 = 1 << 63;

/// The label of the ring over `words`, if that has one.
pub fn label_in(words: &[Word]) -> Option<Mpidr> {
    label(words.get(LABEL)?)
}

fn label(word: &Word) -> Option<Mpidr> {
    let word = word.load(Relaxed);
    if word & LABELLED == 0 { None } else { Mpidr::from_reg(word ^ LABELLED) }
}

/// A view of one ring in memory that outlives the kernel.
#[derive(Clone, Copy)]
pub struct Ring<'a> {
    written: &'a Word,
    label: &'a Word,
    slots: &'a [[Word; EVENT_WORDS]],
}

impl<'a> Ring<'a> {
    /// A ring over `words`; `None` unless the length is [`ring_words`] of a power of two.
    pub fn new(words: &'a [Word]) -> Option<Self> {
        let (slots, rest) = words.get(HEADER_WORDS..)?.as_chunks();
        let ring = Self { written: words.first()?, label: words.get(LABEL)?, slots };
        (slots.len().is_power_of_two() && rest.is_empty()).then_some(ring)
    }

    /// Forgets all events.
    pub fn clear(&self) {
        self.written.store(0, Relaxed); // what the slots hold is not looked at any more
    }

    /// The affinity of the ring's CPU; `None` if the ring has no label.
    pub fn label(&self) -> Option<Mpidr> {
        label(self.label)
    }

    /// Labels the ring with the affinity of its CPU.
    pub fn set_label(&self, mpidr: Mpidr) {
        self.label.store(mpidr.value() | LABELLED, Relaxed);
    }

    /// Appends an event. Called by the ring's owner only.
    pub fn record(&self, event: &Event) {
        let Event { cpu, generation, dir, edge, what, .. } = *event;
        self.append_at(event.at, Untimed::new(cpu, generation, dir, edge, what), None);
    }

    /// Appends one event, or two of the same time.
    #[inline]
    pub fn append_at(&self, at: u64, first: Untimed, second: Option<Untimed>) {
        if let Some(second) = second {
            return self.append_pair(at, first, second);
        }
        let count = self.written();
        self.put(count, first.encode(at));
        self.written.store(count.wrapping_add(1), Relaxed);
    }

    /// Appends two events of the same time.
    #[inline]
    pub fn append_pair(&self, at: u64, first: Untimed, second: Untimed) {
        let count = self.written();
        self.put(count, first.encode(at));
        self.put(count.wrapping_add(1), second.encode(at));
        self.written.store(count.wrapping_add(2), Relaxed);
    }

    #[inline]
    fn put(&self, index: u64, [first, second]: [u64; EVENT_WORDS]) {
        let slot = self.slot(index);
        slot[0].store(first, Relaxed);
        slot[1].store(second, Relaxed);
    }

    /// Events ever written.
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Events that later ones have overwritten.
    pub fn lost(&self) -> u64 {
        self.written().saturating_sub(self.slots.len() as u64)
    }

    /// The events still there, oldest first.
    pub fn events(&self) -> impl Iterator<Item = Event> + use<'a> {
        let ring = *self;
        (self.lost()..self.written()).filter_map(move |i| {
            let slot = ring.slot(i);
            Event::decode([slot[0].load(Relaxed), slot[1].load(Relaxed)])
        })
    }

    #[inline]
    fn slot(&self, index: u64) -> &'a [Word; EVENT_WORDS] {
        &self.slots[index as usize & self.slots.len().wrapping_sub(1)]
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;
    use crate::config::TRACE_EVENTS;
    use crate::cpu::CpuId;
    use crate::trace::{Dir, Edge, Mark, What};

    fn memory() -> Vec<Word> {
        (0..ring_words(TRACE_EVENTS)).map(|_| Word::new(0)).collect()
    }

    fn event(at: u64) -> Event {
        let what = What::Mark(Mark::Online);
        Event { at, cpu: CpuId(7), generation: 3, dir: Dir::Up, edge: Edge::Point, what }
    }

    #[test]
    fn overflow_drops_the_oldest_and_counts_them() {
        let memory = memory();
        let ring = Ring::new(&memory).unwrap();
        let total = TRACE_EVENTS as u64 + 5;
        (0..total).for_each(|at| ring.record(&event(at)));
        let times: Vec<u64> = ring.events().map(|e| e.at).collect();
        assert_eq!(times, (5..total).collect::<Vec<_>>());
        assert_eq!(ring.lost(), 5);
    }

    #[test]
    fn a_second_view_of_the_same_memory_reads_what_the_first_wrote() {
        let memory = memory();
        Ring::new(&memory).unwrap().record(&event(42));
        let old = Ring::new(&memory).unwrap();
        assert_eq!(old.events().collect::<Vec<_>>(), [event(42)]);
        old.clear();
        assert_eq!((old.events().count(), old.written()), (0, 0));
    }

    #[test]
    fn a_garbage_count_yields_only_what_decodes() {
        let memory = memory();
        memory[0].store(u64::MAX, Relaxed);
        assert_eq!(Ring::new(&memory).unwrap().events().count(), 0);
    }
}
