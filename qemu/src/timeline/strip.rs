//! All timelines on one scale: how much longer one is than the other.

use super::Timeline;
use super::axis::Scale;
use super::svg::{Anchor, Rect, Svg, text_width};
use crate::units::Unit;

/// Height of a bar, and from one bar to the next.
const BAR: f64 = 16.0;
const LINE: f64 = 22.0;
/// Colours of the three parts of a blackout.
const PARTS: [&str; 3] = ["#2f6db5", "#8c8c8c", "#2e7d32"];

/// Draws the strip and gives its lower edge.
pub fn draw(svg: &mut Svg, timelines: &[&Timeline], x: f64, y: f64, width: f64) -> f64 {
    let span = timelines.iter().map(|t| t.end).max().unwrap_or(1);
    let unit = timelines.first().map_or(Unit::Time, |t| t.unit);
    let names = timelines.iter().map(|t| text_width(&t.label())).fold(0.0, f64::max) + 12.0;
    let scale = Scale { left: x + names, width: width - names - 90.0, span, unit };
    svg.text(x, y + 12.0, Anchor::Start, "b", "The blackout on one scale");
    let key = x + width - 430.0;
    let words = ["exec to jump (teardown)", "jump", "entry to online (boot, bring-up)"];
    for ((name, colour), at) in words.iter().zip(PARTS).zip([0.0, 160.0, 215.0]) {
        svg.bar(Rect { x: key + at, y: y + 2.0, w: 11.0, h: 11.0 }, colour, "");
        svg.text(key + at + 15.0, y + 12.0, Anchor::Start, "", name);
    }
    let top = y + 24.0;
    let bottom = top + LINE * timelines.len() as f64;
    scale.draw(svg, top, bottom);
    for (i, timeline) in timelines.iter().enumerate() {
        bar(svg, timeline, &scale, x, top + LINE * i as f64 + 3.0);
    }
    bottom + 22.0
}

fn bar(svg: &mut Svg, timeline: &Timeline, scale: &Scale, x: f64, y: f64) {
    let label = timeline.label();
    svg.text(x, y + 12.0, Anchor::Start, "", &label);
    for ((name, begin, end), colour) in timeline.parts().into_iter().zip(PARTS) {
        let left = scale.x(begin);
        let rect = Rect { x: left, y, w: (scale.x(end) - left).max(0.3), h: BAR };
        svg.bar(rect, colour, &format!("{label}: {name} {}", timeline.unit.told(end - begin)));
    }
    let total = timeline.unit.figure(timeline.end);
    svg.text(scale.x(timeline.end) + 6.0, y + 12.0, Anchor::Start, "", &total);
}
