//! Timelines of a kexec: one lane per CPU, both kernels on one axis.

mod axis;
mod colour;
pub mod jumps;
mod legend;
mod model;
pub mod outage;
mod panel;
mod part;
mod strip;
mod svg;

pub use model::{Bar, Lane, Tick, Timeline};
pub use part::Part;

use svg::Svg;
pub use svg::escape;

/// Space around and between the parts of a picture.
const GAP: f64 = 16.0;

/// One timeline as a picture of its own.
pub fn picture(timeline: &Timeline, width: f64) -> String {
    let inner = width - 2.0 * GAP;
    let mut svg = Svg::default();
    let end = panel::draw(&mut svg, timeline, GAP, GAP, inner);
    let end = legend::draw(&mut svg, &[timeline], GAP, end + GAP, inner);
    svg.finish(width, end + GAP)
}

/// Timelines side by side, each on its own scale, with one legend and below it all on one scale.
pub fn beside(timelines: &[Timeline], width: f64) -> String {
    let columns = timelines.len().max(1) as f64;
    let inner = width - 2.0 * GAP;
    let column = (inner - GAP * (columns - 1.0)) / columns;
    let mut svg = Svg::default();
    let mut end = GAP;
    let mut x = GAP;
    for timeline in timelines {
        end = panel::draw(&mut svg, timeline, x, GAP, column).max(end);
        x += column + GAP;
    }
    let all: Vec<&Timeline> = timelines.iter().collect();
    end = legend::draw(&mut svg, &all, GAP, end + GAP, inner);
    end = strip::draw(&mut svg, &all, GAP, end + GAP, inner);
    svg.finish(width, end + GAP)
}

/// All timelines on one scale.
pub fn same_scale(timelines: &[Timeline], width: f64) -> String {
    let all: Vec<&Timeline> = timelines.iter().collect();
    let mut svg = Svg::default();
    let end = strip::draw(&mut svg, &all, GAP, GAP, width - 2.0 * GAP);
    svg.finish(width, end + GAP)
}

#[cfg(test)]
mod tests;
