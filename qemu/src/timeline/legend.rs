//! What the colours mean.

use baton::report::{Name, TeardownMode};
use baton::trace::{Dir, Phase, StepName};

use super::svg::{Anchor, Rect, Svg, text_width};
use super::{Part, Timeline, colour};

/// Height of a line of the legend.
const LINE: f64 = 18.0;
/// Room for the name of a group.
const HEAD: f64 = 52.0;

/// Phases that a serial teardown goes through for each CPU.
const ROUNDS: [Phase; 6] =
    [Phase::Migrate, Phase::OnlineDown, Phase::Grace, Phase::Stop, Phase::Off, Phase::DeadWork];

struct Entry {
    look: Look,
    text: String,
}

/// What stands before an entry's text.
enum Look {
    /// The colour of a span.
    Block(&'static str),
    /// The colour of a mark, and the tint of the state that it begins.
    State(&'static str),
    /// A class of the style sheet.
    Class(&'static str),
    /// Nothing: it explains the others.
    Word,
}

impl Entry {
    fn new(look: Look, text: impl Into<String>) -> Self {
        Self { look, text: text.into() }
    }

    fn draw(&self, svg: &mut Svg, x: f64, y: f64) {
        let block = Rect { x, y: y + 1.0, w: 11.0, h: 11.0 };
        match self.look {
            Look::Block(colour) => svg.bar(block, colour, ""),
            Look::State(colour) => {
                svg.tint(block, colour);
                svg.bar(Rect { w: 2.0, ..block }, colour, "");
            }
            Look::Class(class) => svg.classed(block, class),
            Look::Word => return svg.text(x, y + 11.0, Anchor::Start, "m", &self.text),
        }
        svg.text(x + 15.0, y + 11.0, Anchor::Start, "", &self.text);
    }
}

/// Draws the legend of some timelines and gives its lower edge.
pub fn draw(svg: &mut Svg, timelines: &[&Timeline], x: f64, y: f64, width: f64) -> f64 {
    let mut end = y;
    for (head, entries) in
        [("phases", phases(timelines)), ("steps", steps(timelines)), ("CPU", marks(timelines))]
    {
        if !entries.is_empty() {
            end = group(svg, head, &entries, x, end, width);
        }
    }
    end
}

/// All names of steps, in the order in which the CPU with most of them comes up.
pub fn step_names(timelines: &[&Timeline]) -> Vec<Name<StepName>> {
    let mut lanes: Vec<_> = timelines.iter().flat_map(|t| &t.lanes).collect();
    lanes
        .sort_by_key(|lane| usize::MAX - lane.bars.iter().filter(|bar| bar.dir == Dir::Up).count());
    let bars = || lanes.iter().flat_map(|lane| &lane.bars);
    let mut names = Vec::new();
    for bar in bars().filter(|b| b.dir == Dir::Up).chain(bars().filter(|b| b.dir != Dir::Up)) {
        if !names.contains(&bar.name) {
            names.push(bar.name.clone());
        }
    }
    names
}

fn group(svg: &mut Svg, head: &str, entries: &[Entry], x: f64, y: f64, width: f64) -> f64 {
    let left = x + HEAD;
    let (mut at, mut line) = (left, y);
    svg.text(left - 6.0, line + 11.0, Anchor::End, "m", head);
    for entry in entries {
        let needed = 18.0 + text_width(&entry.text);
        if at + needed > x + width && at > left {
            (at, line) = (left, line + LINE);
        }
        entry.draw(svg, at, line);
        at += needed + 6.0;
    }
    line + LINE
}

/// Each phase of the boot CPU with the time it took, in the order of a kexec.
fn phases(timelines: &[&Timeline]) -> Vec<Entry> {
    let mut names: Vec<&Part> = Vec::new();
    for bar in timelines.iter().flat_map(|t| &t.phases) {
        if !names.contains(&&bar.name) {
            names.push(&bar.name);
        }
    }
    names.sort_by_key(|name| colour::phase_order(name));
    let entry = |name: &Part| {
        let times: Vec<String> = timelines.iter().map(|t| total(t, name)).collect();
        let text = format!("{name} {}", times.join(" | "));
        Entry::new(Look::Block(colour::phase(name)), text)
    };
    let modes: Vec<String> = timelines.iter().map(|t| t.label()).collect();
    let head = (modes.len() > 1).then(|| Entry::new(Look::Word, format!("{}:", modes.join(" | "))));
    head.into_iter().chain(names.into_iter().map(entry)).collect()
}

/// The time of a phase. A serial teardown has each phase once per CPU; if some of them are no
/// longer in the rings, what is left is a lower bound and is shown as one.
fn total(timeline: &Timeline, part: &Part) -> String {
    let bars = || timeline.phases.iter().filter(|bar| bar.name == *part);
    let time = timeline.unit.figure(bars().map(|bar| bar.end - bar.begin).sum());
    let leaving = timeline.lanes.len().saturating_sub(1);
    let each = matches!(part, Part::Phase(phase) if ROUNDS.contains(phase));
    let rounds = each && timeline.mode == TeardownMode::Serial;
    if rounds && bars().count() < leaving { format!("over {time}") } else { time }
}

fn steps(timelines: &[&Timeline]) -> Vec<Entry> {
    let names = step_names(timelines);
    let entry = |name| Entry::new(Look::Block(colour::step(&names, name)), name.as_str());
    names.iter().map(entry).collect()
}

fn marks(timelines: &[&Timeline]) -> Vec<Entry> {
    let mut entries =
        vec![Entry::new(Look::Class("alive"), "online"), Entry::new(Look::Class("away"), "off")];
    for tick in timelines.iter().flat_map(|t| &t.lanes).flat_map(|lane| &lane.ticks) {
        let known = entries.iter().any(|entry| entry.text == tick.name.as_str());
        if !known {
            entries.push(Entry::new(Look::State(colour::mark(&tick.name)), tick.name.as_str()));
        }
    }
    entries
}
