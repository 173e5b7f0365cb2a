//! One kexec: head, phases of the boot CPU, a lane per CPU, axis.

use std::fmt::Display;

use baton::report::Name;
use baton::trace::{Mark, StepName};

use super::axis::Scale;
use super::svg::{Anchor, Rect, Svg, text_width};
use super::{Bar, Lane, Timeline, colour, legend};
use crate::units::Unit;

/// Room for the names of the lanes.
const NAMES: f64 = 52.0;
/// Height of the band of phases.
const BAND: f64 = 22.0;
/// All lanes together are about this high, if that leaves each within its limits.
const LANES: f64 = 640.0;
/// Height of one lane.
const LANE_LIMITS: (f64, f64) = (2.0, 20.0);
/// Height that the name of a lane needs.
const NAME_HEIGHT: f64 = 13.0;
/// Bars narrower than this are joined with their neighbours: nobody could tell them apart.
const NARROW: f64 = 0.5;

/// Width of a mark. Marks lie under the steps, so that they never hide one.
const TICK: f64 = 1.6;

/// In lanes lower than this nobody hits a mark with a pointer.
const POINTABLE: f64 = 3.0;

/// Where the parts of a panel are.
struct Layout {
    scale: Scale,
    /// Upper edge of the band of phases.
    band: f64,
    /// Upper edge of the first lane.
    lanes: f64,
    lane: f64,
    /// Lower edge of the last lane.
    bottom: f64,
}

impl Layout {
    fn new(timeline: &Timeline, x: f64, y: f64, width: f64) -> Self {
        let (span, unit) = (timeline.end, timeline.unit);
        let scale = Scale { left: x + NAMES, width: width - NAMES - 12.0, span, unit };
        let count = timeline.lanes.len().max(1) as f64;
        let lane = (LANES / count).clamp(LANE_LIMITS.0, LANE_LIMITS.1);
        let band = y + 46.0;
        let lanes = band + BAND + 8.0;
        Self { scale, band, lanes, lane, bottom: lanes + lane * count }
    }

    /// A lane's rectangle between two moments.
    fn rect(&self, cpu: usize, begin: u64, end: u64) -> Rect {
        let gap = if self.lane >= 5.0 { 1.0 } else { 0.0 };
        let (x, y) = (self.scale.x(begin), self.lanes + self.lane * cpu as f64);
        Rect { x, y, w: self.scale.x(end) - x, h: self.lane - gap }
    }
}

/// Draws the panel and gives its lower edge.
pub fn draw(svg: &mut Svg, timeline: &Timeline, x: f64, y: f64, width: f64) -> f64 {
    let layout = Layout::new(timeline, x, y, width);
    head(svg, timeline, &layout, x, y);
    layout.scale.draw(svg, layout.band, layout.bottom);
    let steps = legend::step_names(&[timeline]);
    for (cpu, lane) in timeline.lanes.iter().enumerate() {
        draw_lane(svg, timeline, &layout, cpu, lane, &steps);
    }
    names(svg, timeline, &layout);
    jump(svg, timeline, &layout);
    band(svg, timeline, &layout);
    layout.bottom + 22.0
}

fn head(svg: &mut Svg, timeline: &Timeline, layout: &Layout, x: f64, y: f64) {
    let (mode, cpus) = (timeline.label(), timeline.lanes.len());
    let title = format!("{mode}: {} blackout, {cpus} CPUs", timeline.unit.told(timeline.end));
    svg.text(x, y + 13.0, Anchor::Start, "b", &title);
    let jump = format!("jump {}", timeline.unit.figure(timeline.jump.1 - timeline.jump.0));
    let old = format!("kernel {}", timeline.generation.saturating_sub(1));
    let new = format!("kernel {}", timeline.generation);
    let (left, right) = (layout.scale.left, layout.scale.right());
    let middle = layout.scale.x(timeline.jump.0).midpoint(layout.scale.x(timeline.jump.1));
    let half = text_width(&jump) / 2.0;
    let lowest = left + text_width(&old) + half + 8.0;
    // A panel among many is so narrow that the three do not fit beside each other.
    let highest = (right - text_width(&new) - half - 8.0).max(lowest);
    let at = middle.clamp(lowest, highest);
    svg.text(left, y + 38.0, Anchor::Start, "m", &old);
    svg.text(at, y + 38.0, Anchor::Middle, "", &jump);
    svg.text(right, y + 38.0, Anchor::End, "m", &new);
}

fn draw_lane(
    svg: &mut Svg,
    t: &Timeline,
    layout: &Layout,
    cpu: usize,
    lane: &Lane,
    steps: &[Name<StepName>],
) {
    svg.open(&format!("class=\"lane\" data-cpu=\"{cpu}\""));
    svg.classed(layout.rect(cpu, 0, t.end), "alive");
    for (state, begin, end) in t.states(cpu) {
        let rect = layout.rect(cpu, begin, end);
        if rect.w >= NARROW {
            draw_state(svg, rect, state);
        }
    }
    draw_ticks(svg, t, layout, cpu, lane);
    for (bar, count) in join(&lane.bars, t.end, layout.scale.width) {
        let mut rect = layout.rect(cpu, bar.begin, bar.end);
        rect.w = rect.w.max(NARROW);
        svg.bar(rect, colour::step(steps, &bar.name), &tell(t.unit, cpu, &bar, count));
    }
    svg.close();
}

/// A state as the lane's ground: a tint of its mark's colour.
fn draw_state(svg: &mut Svg, rect: Rect, state: &Name<Mark>) {
    match state.known() {
        Some(Mark::Online) => {}
        Some(Mark::Dead | Mark::Offline) => svg.classed(rect, "off"),
        _ => {
            svg.classed(rect, "off");
            svg.tint(rect, colour::mark(state));
        }
    }
}

fn draw_ticks(svg: &mut Svg, timeline: &Timeline, layout: &Layout, cpu: usize, lane: &Lane) {
    for tick in &lane.ticks {
        let colour = colour::mark(&tick.name);
        let mut rect = layout.rect(cpu, tick.at, tick.at);
        rect.x -= TICK / 2.0;
        rect.w = TICK;
        let told = format!("CPU {cpu} {} at {}", tick.name, timeline.unit.told(tick.at));
        svg.bar(rect, colour, if layout.lane < POINTABLE { "" } else { &told });
    }
}

/// What a pointer over a bar tells.
fn tell<T: Display>(unit: Unit, cpu: usize, bar: &Bar<T>, count: usize) -> String {
    let (begin, length) = (unit.told(bar.begin), unit.told(bar.end - bar.begin));
    let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    format!("CPU {cpu} {} {}{more}: {length} at {begin}", bar.name, bar.dir)
}

/// Joins neighbours that end within one narrow column of the picture; gives how many they were.
/// The name of the longest stays.
fn join<T: Clone>(bars: &[Bar<T>], span: u64, width: f64) -> Vec<(Bar<T>, usize)> {
    let narrow = (span as f64 * NARROW / width.max(1.0)) as u64;
    let mut joined: Vec<(Bar<T>, usize, u64)> = Vec::new();
    for bar in bars {
        let length = bar.end - bar.begin;
        match joined.last_mut() {
            Some((last, count, longest)) if bar.end.saturating_sub(last.begin) < narrow => {
                if length > *longest {
                    *longest = length;
                    *last = Bar { begin: last.begin, end: last.end, ..bar.clone() };
                }
                last.end = last.end.max(bar.end);
                *count += 1;
            }
            _ => joined.push((bar.clone(), 1, length)),
        }
    }
    joined.into_iter().map(|(bar, count, _)| (bar, count)).collect()
}

/// Names of as many lanes as there is room for.
fn names(svg: &mut Svg, timeline: &Timeline, layout: &Layout) {
    let every = (0..).map(|power| 1usize << power);
    let every = every.take(12).find(|&n| n as f64 * layout.lane >= NAME_HEIGHT).unwrap_or(1);
    for cpu in (0..timeline.lanes.len()).step_by(every) {
        let middle = layout.lanes + layout.lane * (cpu as f64 + 0.5);
        let name = if cpu == 0 { "CPU 0".to_string() } else { cpu.to_string() };
        svg.text(layout.scale.left - 6.0, middle + 4.0, Anchor::End, "m", &name);
    }
}

fn jump(svg: &mut Svg, timeline: &Timeline, layout: &Layout) {
    let (begin, end) = (layout.scale.x(timeline.jump.0), layout.scale.x(timeline.jump.1));
    let rect = Rect {
        x: begin,
        y: layout.band - 4.0,
        w: (end - begin).max(2.0),
        h: layout.bottom - layout.band + 4.0,
    };
    svg.classed(rect, "jump");
    svg.upright(begin, rect.y, layout.bottom, "edge");
}

fn band(svg: &mut Svg, timeline: &Timeline, layout: &Layout) {
    svg.open("class=\"phases\"");
    svg.text(layout.scale.left - 6.0, layout.band + 15.0, Anchor::End, "m", "phases");
    for (bar, count) in join(&timeline.phases, timeline.end, layout.scale.width) {
        let (begin, end) = (layout.scale.x(bar.begin), layout.scale.x(bar.end));
        let rect = Rect { x: begin, y: layout.band, w: (end - begin).max(NARROW), h: BAND };
        svg.bar(
            rect,
            colour::phase(&bar.name),
            &tell(timeline.unit, timeline.boot_cpu, &bar, count),
        );
        let name = bar.name.to_string();
        if text_width(&name) + 8.0 <= rect.w {
            let middle = begin.midpoint(end);
            svg.text(middle, layout.band + 15.0, Anchor::Middle, "w", &name);
        }
    }
    svg.close();
}

#[cfg(test)]
mod tests {
    use baton::trace::Dir;

    use super::*;

    fn bar(name: &'static str, begin: u64, end: u64) -> Bar<&'static str> {
        Bar { name, dir: Dir::Up.into(), begin, end }
    }

    #[test]
    fn narrow_neighbours_become_one_bar_named_by_the_longest() {
        // 1000 ns on 100 pixels: 5 ns are half a pixel.
        let bars = [bar("a", 0, 1), bar("b", 1, 4), bar("c", 10, 30), bar("d", 31, 32)];
        let joined: Vec<_> = join(&bars, 1000, 100.0);
        let seen: Vec<_> = joined.iter().map(|(b, n)| (b.name, b.begin, b.end, *n)).collect();
        assert_eq!(seen, [("b", 0, 4, 2), ("c", 10, 30, 1), ("d", 31, 32, 1)]);
    }
}
