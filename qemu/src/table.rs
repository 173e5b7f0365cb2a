//! The tables on the terminal.

use baton::report::{Cost, Spread};
use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

use crate::stats::Row;
use crate::steps::{PhaseRow, StepRow, Way};
use crate::units::{self, Unit};

const RULE: LineStyle = LineStyle::none().fill('─').junction('─');
const STYLE: TableStyle =
    TableStyle::new().top_border(RULE).header_separator(RULE).bottom_border(RULE);

/// A table with right-aligned columns after the first `names` ones, as lines.
pub fn render(head: &[&str], rows: &[Vec<String>], names: usize) -> String {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(head);
    rows.iter().for_each(|row| {
        table.add_row(row);
    });
    for column in table.column_iter_mut().skip(names) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// The table of `baton run`.
pub fn kexec(rows: &[Row], unit: Unit) -> String {
    let head = [
        "",
        "phase",
        "serial\nmedian",
        "\nmin",
        "\nmax",
        "parallel\nmedian",
        "\nmin",
        "\nmax",
        "serial /\nparallel",
    ];
    let mut group = "";
    let cells = rows.iter().map(|row| {
        let name = unless_same(&mut group, &row.group).unwrap_or_default();
        line(name, row, unit)
    });
    render(&head, &cells.collect::<Vec<_>>(), 2)
}

/// The name of a group of rows where the group begins: in its first row.
pub fn unless_same<'a>(last: &mut &'a str, name: &'a str) -> Option<&'a str> {
    (std::mem::replace(last, name) != name).then_some(name)
}

fn line(group: &str, row: &Row, unit: Unit) -> Vec<String> {
    let mut line = vec![group.to_string(), row.phase.clone()];
    line.extend(spread(row.serial, unit));
    line.extend(spread(row.parallel, unit));
    line.push(row.ratio.map_or("-".to_string(), units::three_digits));
    line
}

/// What the table of warm on beside warm off shows.
pub fn warm_title(unit: Unit) -> String {
    let what = match unit {
        Unit::Time => "",
        Unit::Instructions => ", in instructions of all CPUs",
    };
    format!(
        "kexec.warm=on (median) beside one kexec of each mode with kexec.warm=off, where the next \
         kernel reads its tree before it starts its CPUs{what}"
    )
}

/// Heads of that table.
pub const WARM_HEAD: [&str; 8] = [
    "",
    "phase",
    "serial\nwarm on",
    "\noff",
    "\noff / on",
    "parallel\nwarm on",
    "\noff",
    "\noff / on",
];

/// The rows that show where warm on and off differ: the bring-up and the spans.
pub fn warm_rows(told: &[Row], long_way: &[Row], unit: Unit) -> Vec<[String; 8]> {
    let rows = told.iter().filter(|row| row.group == "kexec");
    let pair = |on: Option<Spread>, off: Option<Spread>| {
        let figure = |s: Option<Spread>| s.map_or("-".to_string(), |s| unit.figure(s.median));
        let ratio =
            on.zip(off).map_or("-".to_string(), |(on, off)| units::ratio(off.median, on.median));
        [figure(on), figure(off), ratio]
    };
    let row = |row: &Row| {
        let off = long_way.iter().find(|r| (&r.group, &r.phase) == (&row.group, &row.phase));
        let [a, b, c] = pair(row.serial, off.and_then(|off| off.serial));
        let [d, e, f] = pair(row.parallel, off.and_then(|off| off.parallel));
        [row.group.clone(), row.phase.clone(), a, b, c, d, e, f]
    };
    rows.map(row).collect()
}

/// That table.
pub fn warm(told: &[Row], long_way: &[Row], unit: Unit) -> String {
    let rows = warm_rows(told, long_way, unit).into_iter().map(Vec::from);
    render(&WARM_HEAD, &rows.collect::<Vec<_>>(), 2)
}

/// What the table of steps shows.
pub fn steps_title(unit: Unit) -> String {
    let unit = unit.of_small();
    format!(
        "Each hotplug step in the last kexec of each mode, over its CPUs, in {unit}; \
         once: for all CPUs at once, on the boot CPU (serially for each)"
    )
}

/// The table of steps.
pub fn steps(rows: &[StepRow], unit: Unit) -> String {
    let cells = rows.iter().map(|row| step(row, unit).to_vec());
    render(&STEP_HEAD, &cells.collect::<Vec<_>>(), 3)
}

/// Heads of the table of steps.
pub const STEP_HEAD: [&str; 11] = [
    "step",
    "section",
    "once",
    "up serial\nmedian",
    "\nmax",
    "parallel\nmedian",
    "\nmax",
    "down serial\nmedian",
    "\nmax",
    "parallel\nmedian",
    "\nmax",
];

/// A step as cells.
pub fn step(row: &StepRow, unit: Unit) -> [String; 11] {
    let once = match (row.up_once, row.down_once) {
        (true, true) => "up, down",
        (true, false) => "up",
        (false, true) => "down",
        (false, false) => "",
    };
    let [us, um, up, uq] = way(row.up, unit);
    let [ds, dm, dp, dq] = way(row.down, unit);
    [row.step.to_string(), row.section.clone(), once.into(), us, um, up, uq, ds, dm, dp, dq]
}

/// Median and greatest, serially and in parallel.
fn way(way: Way, unit: Unit) -> [String; 4] {
    let both = |cost: Option<Cost>| match cost {
        Some(cost) => [cost.spread.median, cost.spread.max].map(|n| unit.small(n)),
        None => ["-", "-"].map(String::from),
    };
    let ([serial, worst], [parallel, last]) = (both(way.serial), both(way.parallel));
    [serial, worst, parallel, last]
}

/// What the table of phases shows.
pub fn phases_title(unit: Unit) -> String {
    format!("What the boot CPU does or waits for in these two kexecs, in {}", unit.of_small())
}

/// The table of phases.
pub fn phases(rows: &[PhaseRow], unit: Unit) -> String {
    let cells = rows.iter().map(|row| phase(row, unit).to_vec());
    render(&PHASE_HEAD, &cells.collect::<Vec<_>>(), 3)
}

/// Heads of the table of phases.
pub const PHASE_HEAD: [&str; 10] = [
    "phase",
    "dir",
    "waits for",
    "serial\ntimes",
    "\nmedian",
    "\nmax",
    "\nsum",
    "parallel\ntimes",
    "\nmax",
    "\nsum",
];

/// A phase as cells.
pub fn phase(row: &PhaseRow, unit: Unit) -> [String; 10] {
    let figures = |cost: Option<Cost>| match cost {
        Some(Cost { count, spread, sum }) => {
            let [median, max, sum] = [spread.median, spread.max, sum].map(|n| unit.small(n));
            [count.to_string(), median, max, sum]
        }
        None => ["-", "-", "-", "-"].map(String::from),
    };
    let [times, median, max, sum] = figures(row.cost.serial);
    let [together, _, last, whole] = figures(row.cost.parallel);
    let (name, dir, what) = (row.phase.to_string(), row.dir.to_string(), row.what.clone());
    [name, dir, what, times, median, max, sum, together, last, whole]
}

/// Median, least and greatest as cells.
pub fn spread(spread: Option<Spread>, unit: Unit) -> [String; 3] {
    match spread {
        Some(Spread { median, min, max }) => [median, min, max].map(|n| unit.figure(n)),
        None => ["-", "-", "-"].map(String::from),
    }
}

#[cfg(test)]
mod tests {
    use baton::report::TeardownMode::{Parallel, Serial};

    use super::*;
    use crate::fake::Script;
    use crate::{collect, stats};

    #[test]
    fn every_step_and_what_the_boot_cpu_waits_for_is_a_line() {
        let script = Script::new(8);
        let traces = [script.trace(1, Serial), script.trace(2, Parallel)];
        let text = steps(&crate::steps::steps(&traces), Unit::Time);
        let line = text.lines().find(|line| line.contains("gic:starting")).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..2], ["gic:starting", "starting"], "{text}");
        assert_eq!(words[2..], ["12.0"; 8], "{text}");
        let text = phases(&crate::steps::phases(&traces), Unit::Time);
        let line = text.lines().find(|line| line.trim().starts_with("stop")).unwrap();
        assert!(line.contains("all assemble"), "{text}");
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[words.len() - 7..], ["7", "24.0", "24.0", "168.0", "1", "17.2", "17.2"]);
    }

    #[test]
    fn warm_on_stands_beside_warm_off() {
        let report = crate::fake::report(8);
        let text = warm(&report.summary, &report.long_way, Unit::Time);
        let line = text.lines().find(|line| line.contains("blackout")).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..4], ["kexec", "blackout", "1.27", "ms"], "{text}");
        assert_eq!((words.len(), words[6]), (12, "1.72"), "{text}");
        assert_eq!(text.lines().count(), 5 + 4, "{text}");
        let none = warm(&report.summary, &[], Unit::Time);
        assert!(
            none.lines().any(|line| line.contains("blackout") && line.contains(" - ")),
            "{none}"
        );
    }

    #[test]
    fn every_phase_is_a_line_and_columns_line_up() {
        let script = Script::new(8);
        let records = [script.jump(1, Serial, 1, 1), script.jump(2, Parallel, 1, 1)].concat();
        let text = kexec(&stats::summary(&collect::jumps(&records).unwrap()), Unit::Time);
        let lines: Vec<&str> = text.lines().collect();
        let width = lines[0].chars().count();
        assert!(lines.iter().all(|line| line.chars().count() == width), "{text}");
        let total = lines.iter().find(|line| line.contains(" total ")).unwrap();
        let cells: Vec<&str> = total.split_whitespace().collect();
        assert_eq!(cells[..3], ["total", "840", "us"], "{text}");
        assert_eq!(cells.last(), Some(&"9.73"), "{text}");
        for phase in ["online-down", "jump -> entry", "blackout", "kick"] {
            assert_eq!(lines.iter().filter(|line| line.contains(phase)).count(), 1, "{text}");
        }
    }
}
