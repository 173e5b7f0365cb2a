//! The axis of time: from ns to pixels, and ticks at round numbers.

use super::svg::{Anchor, Svg, text_width};
use crate::units::Unit;

/// Pixels between two ticks, at least.
const TICK_SPACE: f64 = 72.0;

/// A linear scale.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Where 0 ns is.
    pub left: f64,
    /// Pixels for `span`.
    pub width: f64,
    /// Length of the axis.
    pub span: u64,
    /// What the axis counts.
    pub unit: Unit,
}

impl Scale {
    /// Where a moment is.
    pub fn x(&self, ns: u64) -> f64 {
        self.left + self.width * (ns as f64 / self.span.max(1) as f64)
    }

    /// Where the axis ends.
    pub fn right(&self) -> f64 {
        self.left + self.width
    }

    /// Round moments with their labels.
    pub fn ticks(&self) -> Vec<(u64, String)> {
        let step = step(self.span, (self.width / TICK_SPACE).max(1.0) as u64);
        (0..=self.span / step).map(|i| (i * step, label(i * step, step, self))).collect()
    }

    /// Draws grid lines between two heights and the labels below them.
    pub fn draw(&self, svg: &mut Svg, top: f64, bottom: f64) {
        for (at, label) in self.ticks() {
            let x = self.x(at);
            svg.upright(x, top, bottom + 4.0, "grid");
            let fits = x + text_width(&label) / 2.0 <= self.right() + 12.0;
            let (x, anchor) = if fits { (x, Anchor::Middle) } else { (self.right(), Anchor::End) };
            svg.text(x, bottom + 16.0, anchor, "m", &label);
        }
    }
}

/// The least of 1, 2, 5 times a power of ten that makes no more than `most` steps.
fn step(span: u64, most: u64) -> u64 {
    let fits = |step: &u64| span / step <= most;
    let powers = (0..18).map(|power| 10u64.pow(power));
    powers.flat_map(|p| [p, 2 * p, 5 * p]).find(fits).unwrap_or(u64::MAX)
}

/// The moment in the unit that suits the whole axis, with as many decimals as the step needs.
fn label(at: u64, step: u64, scale: &Scale) -> String {
    let [one, thousand, million, billion] = match scale.unit {
        Unit::Time => ["ns", "us", "ms", "s"],
        Unit::Instructions => ["", "k", "M", "G"],
    };
    let (unit, length) = match scale.span {
        0..1_000 => (one, 1),
        1_000..1_000_000 => (thousand, 1_000),
        1_000_000..1_000_000_000 => (million, 1_000_000),
        _ => (billion, 1_000_000_000),
    };
    let decimals = (length / step.max(1)).checked_ilog10().map_or(0, |log| log as usize + 1);
    let decimals = if step >= length { 0 } else { decimals };
    let value = format!("{:.decimals$}", at as f64 / length as f64);
    let short =
        if decimals > 0 { value.trim_end_matches('0').trim_end_matches('.') } else { &value };
    if at == 0 { "0".to_string() } else { format!("{short} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(span: u64, unit: Unit) -> Scale {
        Scale { left: 0.0, width: 300.0, span, unit }
    }

    #[test]
    fn ticks_are_round_and_not_too_many() {
        for (span, width) in [(1, 100.0), (4_870_000, 1000.0), (30_912_345_678, 480.0), (999, 72.0)]
        {
            let scale = Scale { left: 0.0, width, span, unit: Unit::Time };
            let ticks = scale.ticks();
            assert!(
                !ticks.is_empty() && ticks.len() as f64 <= width / TICK_SPACE + 1.0,
                "{ticks:?}"
            );
            assert!(ticks.iter().all(|(at, _)| *at <= span));
        }
        let labels: Vec<_> = scale(4_870_000, Unit::Time).ticks();
        let labels: Vec<_> = labels.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, ["0", "1 ms", "2 ms", "3 ms", "4 ms"]);
    }

    #[test]
    fn labels_keep_the_unit_of_the_axis() {
        let time = |at, step, span| label(at, step, &scale(span, Unit::Time));
        assert_eq!(time(2_200_000, 200_000, 2_230_000), "2.2 ms");
        assert_eq!(time(2_000_000, 200_000, 2_230_000), "2 ms");
        assert_eq!(time(50_000, 50_000, 524_000), "50 us");
        assert_eq!(time(1_500_000_000, 500_000_000, 1_700_000_000), "1.5 s");
        assert_eq!(time(20_000_000_000, 5_000_000_000, 30_000_000_000), "20 s");
        let counted = scale(2_230_000, Unit::Instructions);
        assert_eq!(label(2_200_000, 200_000, &counted), "2.2 M");
    }

    #[test]
    fn the_scale_ends_where_it_says() {
        let scale = Scale { left: 50.0, width: 200.0, span: 1000, unit: Unit::Time };
        assert_eq!((scale.x(0), scale.x(500), scale.x(1000)), (50.0, 150.0, scale.right()));
    }
}
