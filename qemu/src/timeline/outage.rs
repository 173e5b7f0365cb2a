//! How long the CPUs are away: a curve for each kexec, that rises by one CPU where that CPU is back.

use super::GAP;
use super::axis::Scale;
use super::svg::{Anchor, Rect, Svg, text_width};
use crate::outage::Outages;
use crate::units::Unit;

/// Height of the field.
const HEIGHT: f64 = 220.0;
/// Room for the percents.
const NAMES: f64 = 44.0;
/// Colours of the modes, serial first; dashed where the new kernel was not told the machine.
const COLOURS: [&str; 2] = ["#c2571a", "#2f6db5"];
/// Levels with a line, percent.
const LEVELS: [usize; 4] = [50, 90, 99, 100];

/// The picture.
pub fn picture(all: &[Outages], unit: Unit, width: f64) -> String {
    let span = all.iter().filter_map(|one| one.lengths.last().copied()).max().unwrap_or(1);
    let scale = Scale { left: GAP + NAMES, width: width - 2.0 * GAP - NAMES - 24.0, span, unit };
    let mut svg = Svg::default();
    svg.text(GAP, GAP + 12.0, Anchor::Start, "b", "CPUs that are back, by how long each was away");
    let top = key(&mut svg, all, unit, GAP + 24.0) + 14.0;
    let bottom = top + HEIGHT;
    scale.draw(&mut svg, top, bottom);
    let height = |share: f64| bottom - HEIGHT * share;
    for level in LEVELS {
        let y = height(level as f64 / 100.0);
        svg.level(y, scale.left, scale.right(), "grid");
        // 99 and 100 % lie closer together than their names are high.
        if level != 99 {
            svg.text(scale.left - 6.0, y + 4.0, Anchor::End, "m", &format!("{level} %"));
        }
    }
    for one in all.iter().filter(|one| !one.lengths.is_empty()) {
        let points = points(one, &scale, height);
        svg.curve(&points, colour(one), !one.warm, &told(one, unit));
    }
    svg.finish(width, bottom + 22.0 + GAP)
}

/// A staircase: it rises at the length of each CPU.
fn points(one: &Outages, scale: &Scale, height: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    let share = |n: usize| height(n as f64 / one.left.max(1) as f64);
    let mut points = Vec::new();
    for (i, &length) in one.lengths.iter().enumerate() {
        let x = scale.x(length);
        points.extend([(x, share(i)), (x, share(i + 1))]);
    }
    points
}

fn colour(one: &Outages) -> &'static str {
    COLOURS[usize::from(one.mode != baton::report::TeardownMode::Serial)]
}

fn told(one: &Outages, unit: Unit) -> String {
    let of = |percent| one.quantile(percent).map_or("-".to_string(), |n| unit.figure(n));
    format!("{}: median {}, p90 {}, p99 {}, max {}", one.label(), of(50), of(90), of(99), of(100))
}

/// A line for each curve; gives the lower edge.
fn key(svg: &mut Svg, all: &[Outages], unit: Unit, y: f64) -> f64 {
    let widest = all.iter().map(|one| text_width(&one.label())).fold(0.0, f64::max);
    let mut y = y;
    for one in all {
        let line = Rect { x: GAP, y: y + 6.0, w: 20.0, h: 2.0 };
        svg.curve(&[(line.x, line.y), (line.x + line.w, line.y)], colour(one), !one.warm, "");
        svg.text(GAP + 28.0, y + 11.0, Anchor::Start, "", &one.label());
        let told = told(one, unit);
        let figures = told.split_once(": ").map_or("", |(_, figures)| figures);
        svg.text(GAP + 40.0 + widest, y + 11.0, Anchor::Start, "m", figures);
        y += 18.0;
    }
    y
}

#[cfg(test)]
mod tests {
    use baton::report::TeardownMode::{Parallel, Serial};

    use super::*;
    use crate::fake::Script;

    #[test]
    fn each_kexec_is_a_curve_with_its_figures() {
        let script = Script::new(80);
        let mut all =
            [script.trace(1, Serial), script.trace(2, Parallel)].map(|t| Outages::new(&t));
        all[1].warm = false;
        let svg = picture(&all, Unit::Time, 1200.0);
        assert_eq!(svg.matches("class=\"c\"").count(), 4, "two in the key");
        assert_eq!(svg.matches("stroke-dasharray").count(), 2);
        assert!(svg.contains("parallel, warm off: median ") && svg.contains("<title>serial: "));
        for outside in ["NaN", "inf"] {
            assert!(!svg.contains(outside));
        }
    }

    #[test]
    fn a_curve_ends_below_the_top_if_cpus_are_not_known() {
        let mode = Parallel.into();
        let one = Outages { mode, warm: true, left: 4, lengths: vec![10, 20] };
        let scale = Scale { left: 0.0, width: 100.0, span: 20, unit: Unit::Time };
        let points = points(&one, &scale, |share| share * 100.0);
        assert_eq!(points.last(), Some(&(100.0, 50.0)));
        assert!(picture(&[], Unit::Time, 900.0).contains("</svg>"));
    }
}
