//! Figures beside those of the table: what costs more, what so much less that the table is out of
//! date.

use std::fmt;

use super::column::Column;
use super::measure::{Figure, Key};
use super::table::{Table, on_off};
use crate::table::render;
use crate::units::grouped;

/// What writes the table anew.
pub const WRITE: &str = "`make bench-table`";

/// How much more than in the table a figure may be, in percent of that.
const DEARER: u64 = 1;
/// How much less, before the table has to be written anew: a bar that hangs too high holds nothing.
const CHEAPER: u64 = 3;
/// And in any case: four ticks of the counter. A figure is the difference of two reads, and where the
/// ticks of 16 instructions fall depends on all that ran before.
const GRAIN: u64 = 64;
/// Steps that are shown below a phase that costs more.
const STEPS: usize = 8;

/// A figure before and now; `None` where there was or is no such phase.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    key: Key,
    before: Option<u64>,
    now: Option<u64>,
}

/// How a figure stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Good,
    Dearer,
    Cheaper,
    Gone,
    New,
}

impl Row {
    fn stand(&self) -> Stand {
        match (self.before, self.now) {
            (Some(before), Some(now)) if now > before + before * DEARER / 100 + GRAIN => {
                Stand::Dearer
            }
            (Some(before), Some(now)) if now + before * CHEAPER / 100 + GRAIN < before => {
                Stand::Cheaper
            }
            (Some(_), None) => Stand::Gone,
            (None, Some(_)) => Stand::New,
            _ => Stand::Good,
        }
    }

    /// How much more it costs.
    fn rise(&self) -> u64 {
        self.now.unwrap_or(0).saturating_sub(self.before.unwrap_or(0))
    }

    fn percent(&self) -> String {
        match (self.before, self.now) {
            (Some(before), Some(now)) if before > 0 => {
                format!("{:+.1} %", (now as f64 / before as f64 - 1.0) * 100.0)
            }
            _ => "-".into(),
        }
    }

    fn cells(&self, word: &str) -> Vec<String> {
        let Key { cpus, warm, group, name } = &self.key;
        let figure = |n: Option<u64>| n.map_or("-".to_string(), grouped);
        let names = [cpus.to_string(), on_off(*warm).into(), group.name().into(), name.clone()];
        let figures = [figure(self.before), figure(self.now), self.percent(), word.into()];
        names.into_iter().chain(figures).collect()
    }
}

/// Figures held against a table.
pub struct Verdict {
    /// Where and by what they were measured.
    here: Column,
    /// The column they are beside; `None` if the table has none at all.
    beside: Option<Column>,
    rows: Vec<Row>,
}

impl Verdict {
    /// Holds figures against the column of their QEMU, or beside the nearest one. Of machines that
    /// were not measured the table's figures are left out.
    pub fn new(table: &Table, here: &Column, figures: &[Figure]) -> Self {
        let beside = table.column(here).or_else(|| table.nearest(here)).cloned();
        let measured =
            |key: &Key| figures.iter().any(|f| (f.key.cpus, f.key.warm) == (key.cpus, key.warm));
        let mut before = beside.as_ref().map(|column| table.figures(column)).unwrap_or_default();
        before.retain(|figure| measured(&figure.key));
        let of = |all: &[Figure], key: &Key| {
            all.iter().find(|figure| figure.key == *key).map(|figure| figure.instructions)
        };
        let row =
            |key: &Key| Row { key: key.clone(), before: of(&before, key), now: of(figures, key) };
        let gone = before.iter().filter(|figure| of(figures, &figure.key).is_none());
        let rows = figures.iter().chain(gone).map(|figure| row(&figure.key)).collect();
        Self { here: here.clone(), beside, rows }
    }

    /// What decides: phases and spans. Steps explain.
    fn deciding(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| !row.key.group.is_steps())
    }

    fn that(&self, stands: &[Stand]) -> Vec<&Row> {
        self.deciding().filter(|row| stands.contains(&row.stand())).collect()
    }

    /// True if the figures are of the same line of QEMU and the same compiler, so that the table is a
    /// bar for them.
    fn binds(&self) -> bool {
        let same = |b: &Column| b.line == self.here.line && b.rustc == self.here.rustc;
        self.beside.as_ref().is_some_and(same)
    }

    /// Why this is a failure, and what to do; `None` if it is none.
    pub fn failure(&self) -> Option<String> {
        if !self.binds() {
            return None;
        }
        let dearer = self.that(&[Stand::Dearer]).len();
        if dearer > 0 {
            return Some(format!(
                "figures more than {DEARER} % over the table: {dearer}; if that is meant, write it \
                 anew: {WRITE}"
            ));
        }
        let other = self.that(&[Stand::Cheaper, Stand::Gone, Stand::New]).len();
        let text = format!(
            "figures that are not those of the table any more: {other}, none of them dearer; write \
             it anew, so that it holds what was gained: {WRITE}"
        );
        (other > 0).then_some(text)
    }

    /// Below the phases of a machine that cost more: the steps of the same direction that do.
    fn steps(&self, of: &Row) -> Vec<&Row> {
        let Some(group) = of.key.group.steps() else { return Vec::new() };
        let same = |row: &&Row| {
            let Key { cpus, warm, .. } = row.key;
            (cpus, warm, row.key.group) == (of.key.cpus, of.key.warm, group)
        };
        let grain = GRAIN * u64::from(of.key.cpus);
        let mut rows: Vec<&Row> =
            self.rows.iter().filter(same).filter(|row| row.rise() > grain).collect();
        rows.sort_by_key(|row| u64::MAX - row.rise());
        rows.truncate(STEPS);
        rows
    }

    /// The lines of the table that is shown: the blackouts, and all that is not good, with steps.
    fn lines(&self) -> Vec<Vec<String>> {
        let mut lines = Vec::new();
        let mut explained = None;
        for row in self.deciding() {
            let stand = row.stand();
            let place = (row.key.cpus, row.key.warm, row.key.group);
            let word = match stand {
                Stand::Good if row.key.name == "blackout" => "ok",
                Stand::Good => continue,
                Stand::Dearer => "DEARER",
                Stand::Cheaper => "cheaper",
                Stand::Gone => "gone",
                Stand::New => "new",
            };
            lines.push((place, row.cells(word)));
            if stand == Stand::Dearer && explained != Some(place) {
                explained = Some(place);
                let steps = self.steps(row).into_iter();
                lines.extend(steps.map(|step| (place, step.cells(""))));
            }
        }
        // Steps stand behind all phases of their direction.
        lines.sort_by_key(|((cpus, warm, group), cells)| {
            (*cpus, !*warm, *group, cells[2] != group.name())
        });
        lines.into_iter().map(|(_, cells)| cells).collect()
    }

    /// What is said when the table is no bar here.
    fn information(&self) -> String {
        let Column { qemu, rustc, .. } = &self.here;
        let Some(beside) = &self.beside else {
            return format!("the table is empty, nothing is compared; {WRITE} fills it");
        };
        let lacking = if beside.line == self.here.line {
            format!("the table's column {beside} is of {}, this is {rustc}", beside.rustc)
        } else {
            format!("the table has no column for {qemu}; the nearest is {beside}")
        };
        format!("{lacking}: for information only; {WRITE} measures a column here")
    }
}

/// The table for people, with a line that says what it is.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, here) = (self.deciding().count(), &self.here);
        writeln!(
            f,
            "A parallel kexec into itself, in instructions of all CPUs, beside the table: {count} \
             figures, {}, {}",
            here.qemu, here.rustc
        )?;
        if !self.binds() {
            writeln!(f, "{}", self.information())?;
        }
        let head = ["CPUs", "warm", "", "figure", "table", "now", "", ""];
        write!(f, "{}", render(&head, &self.lines(), 4))?;
        let good = self.that(&[Stand::Good]).len();
        write!(f, "\n{good} of {count} figures are within {DEARER} % above and {CHEAPER} % below")
    }
}
