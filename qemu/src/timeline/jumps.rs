//! Jumps from one system to another on one scale: a row each, in parts that follow each other.

use super::GAP;
use super::axis::Scale;
use super::svg::{Anchor, Rect, Svg, text_width};
use crate::units::{self, Unit};

/// Height of a bar, and from one bar to the next.
const BAR: f64 = 18.0;
const LINE: f64 = 30.0;
/// Colours of the parts, in order.
const COLOURS: [&str; 3] = ["#2f6db5", "#e08a1e", "#2e7d32"];

/// A row.
pub struct Row {
    /// Who hands over to whom.
    pub name: String,
    /// Where each part ends, ns from the order to leave; a part that was not seen ends where the one
    /// before it did.
    pub ends: [u64; 3],
}

/// The picture. `parts` are the names of the parts.
pub fn picture(title: &str, parts: [&str; 3], rows: &[Row], width: f64) -> String {
    let names = rows.iter().map(|row| text_width(&row.name)).fold(0.0, f64::max) + 16.0;
    let span = rows.iter().map(|row| row.ends[2]).max().unwrap_or(1);
    let (left, width_of_bars) = (GAP + names, width - 2.0 * GAP - names - 70.0);
    let scale = Scale { left, width: width_of_bars, span, unit: Unit::Time };
    let mut svg = Svg::default();
    svg.text(GAP, GAP + 12.0, Anchor::Start, "b", title);
    key(&mut svg, parts, GAP + 22.0);
    let top = GAP + 48.0;
    let bottom = top + LINE * rows.len() as f64;
    scale.draw(&mut svg, top, bottom);
    for (i, row) in rows.iter().enumerate() {
        bar(&mut svg, row, parts, &scale, top + LINE * i as f64 + 5.0);
    }
    svg.finish(width, bottom + 22.0 + GAP)
}

fn key(svg: &mut Svg, parts: [&str; 3], y: f64) {
    let mut x = GAP;
    for (name, colour) in parts.iter().zip(COLOURS) {
        svg.bar(Rect { x, y: y + 2.0, w: 11.0, h: 11.0 }, colour, "");
        svg.text(x + 15.0, y + 12.0, Anchor::Start, "", name);
        x += 15.0 + text_width(name) + 24.0;
    }
}

fn bar(svg: &mut Svg, row: &Row, parts: [&str; 3], scale: &Scale, y: f64) {
    svg.text(GAP, y + 13.0, Anchor::Start, "", &row.name);
    let mut begin = 0;
    for ((&end, name), colour) in row.ends.iter().zip(parts).zip(COLOURS) {
        if end == begin {
            continue; // not seen
        }
        let left = scale.x(begin);
        let rect = Rect { x: left, y, w: (scale.x(end) - left).max(0.3), h: BAR };
        svg.bar(rect, colour, &format!("{}: {name} {}", row.name, units::time(end - begin)));
        begin = end;
    }
    let total = units::time(row.ends[2]);
    svg.text(scale.x(row.ends[2]) + 6.0, y + 13.0, Anchor::Start, "", &total);
}
