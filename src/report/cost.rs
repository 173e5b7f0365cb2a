//! What several spans of one thing come to: one way to count, for the kernel's tables and for the
//! host tool's.

use alloc::vec::Vec;
use core::ops::Range;

use serde::{Deserialize, Serialize};

/// Median, least and greatest of some lengths. The host tool's are ns, the kernel's are ticks.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The middle one; of an even number, the mean of the two in the middle.
    pub median: u64,
    /// The least.
    pub min: u64,
    /// The greatest.
    pub max: u64,
}

impl Spread {
    /// Of some values, in any order; `None` if there are none.
    pub fn of(values: impl IntoIterator<Item = u64>) -> Option<Self> {
        Self::of_all(&mut values.into_iter().collect::<Vec<u64>>())
    }

    fn of_all(values: &mut [u64]) -> Option<Self> {
        values.sort_unstable();
        let (&min, &max) = (values.first()?, values.last()?);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self { median: low.midpoint(high), min, max })
    }
}

/// A step or a phase in one direction: how often, and how long.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Spans: CPUs, or, of a step that acts once for all, calls.
    pub count: usize,
    /// Lengths of the spans.
    pub spread: Spread,
    /// Sum.
    pub sum: u64,
}

impl Cost {
    /// The cost of one thing, out of spans of several; `None` if the thing has no span. A span
    /// whose end lies before its begin has no length.
    pub fn among<T: PartialEq>(
        spans: impl IntoIterator<Item = (T, Range<u64>)>,
        wanted: &T,
    ) -> Option<Self> {
        let same = spans.into_iter().filter(|(thing, _)| thing == wanted);
        let mut lengths: Vec<u64> =
            same.map(|(_, span)| span.end.saturating_sub(span.start)).collect();
        let spread = Spread::of_all(&mut lengths)?;
        Some(Self { count: lengths.len(), spread, sum: lengths.iter().sum() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Dir, Phase};

    #[test]
    fn the_median_of_odd_even_one_and_none() {
        assert_eq!(Spread::of([5, 1, 9]), Some(Spread { median: 5, min: 1, max: 9 }));
        assert_eq!(Spread::of([4, 1, 9, 7]), Some(Spread { median: 5, min: 1, max: 9 }));
        assert_eq!(Spread::of([7]), Some(Spread { median: 7, min: 7, max: 7 }));
        assert_eq!(Spread::of([u64::MAX, u64::MAX]).map(|s| s.median), Some(u64::MAX));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn a_cost_is_of_one_thing_in_one_direction() {
        let spans = [
            ((Phase::Stop, Dir::Down), 10..13),
            ((Phase::Stop, Dir::Down), 20..21),
            ((Phase::Stop, Dir::Down), 30..40),
            ((Phase::Stop, Dir::Up), 50..99),
            ((Phase::Off, Dir::Down), 60..99),
        ];
        let cost = Cost::among(spans.clone(), &(Phase::Stop, Dir::Down)).unwrap();
        let spread = Spread { median: 3, min: 1, max: 10 };
        assert_eq!(cost, Cost { count: 3, spread, sum: 14 });
        assert_eq!(Cost::among(spans, &(Phase::Kick, Dir::Up)), None);
    }

    #[test]
    #[expect(clippy::reversed_empty_ranges, reason = "a clock that went back")]
    fn a_span_that_ends_before_it_begins_has_no_length() {
        let cost = Cost::among([((), 9..4), ((), 1..3)], &()).unwrap();
        assert_eq!((cost.count, cost.spread.min, cost.sum), (2, 0, 2));
    }
}
