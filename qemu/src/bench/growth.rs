//! Every phase of a parallel kexec at several numbers of CPUs, in instructions.

use anyhow::Result;
use baton::report::Record;
use serde::Serialize;

use super::BenchArgs;
use super::line::{LEAST, Line};
use crate::costs::{self, Group};
use crate::progress::Progress;
use crate::run::with_guest;
use crate::units::Unit;
use crate::{Guest, Options, Outcome, table};

/// What the table shows.
pub(super) const TITLE: &str = "Every phase of a parallel kexec into itself, in instructions of \
                                all CPUs, by the number of CPUs";
/// Heads of the columns that have the line through all figures of a phase.
const LINE_HEAD: [&str; 3] = ["per CPU\nfitted", "constant", "R²"];
/// Kexecs before the one that is read: the first leaves a kernel that no baton has loaded.
const KEXECS: u32 = 2;

/// One phase at each number of CPUs.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// down or up: phases of the boot CPU; kexec: spans between the kernels.
    group: String,
    phase: String,
    /// In the order of the counts; `None` where the phase does not occur.
    instructions: Vec<Option<u64>>,
    /// How it grows with the CPUs, where the phase occurs at enough counts.
    line: Option<Line>,
}

/// A phase of one kexec, and its length.
type Figure = (String, String, u64);

/// Steps of progress.
pub(super) fn steps(args: &BenchArgs) -> u64 {
    args.counts.len() as u64 * u64::from(1 + KEXECS)
}

/// Boots a machine for each count and has it kexec.
///
/// # Errors
/// An [`Outcome`] if a guest failed, after its last lines were shown; else what went wrong here.
pub(super) fn measure(args: &BenchArgs, progress: &Progress) -> Result<Vec<Row>> {
    let mut all = Vec::new();
    for &cpus in &args.counts {
        progress.step(format!("phases at {cpus} CPUs"));
        all.push(one(args, cpus, progress)?);
    }
    Ok(rows(&args.counts, &all))
}

fn one(args: &BenchArgs, cpus: u32, progress: &Progress) -> Result<Vec<Figure>> {
    let machine = Options { cpus, ..args.machine.clone() };
    let log = args.out.join(format!("bench-{cpus}.log"));
    with_guest(&machine, args.limits, &log, |guest| kexecs(args, guest, progress))
}

fn kexecs(
    args: &BenchArgs,
    guest: &mut Guest,
    progress: &Progress,
) -> Result<Vec<Figure>, Outcome> {
    let silence = args.limits.silence();
    guest.wait_for("hello record", |r| matches!(r, Record::Hello(_)), silence)?;
    let mut figures = costs::kexec(guest, KEXECS, silence, progress)?;
    guest.send("poweroff")?;
    guest.wait_end(silence)?;
    figures.retain(|figure| !figure.0.is_steps());
    // The spans come last: they are sums.
    figures.sort_by_key(|figure| figure.0 == Group::Kexec);
    let named = |(group, phase, cost): (Group, String, u64)| (group.name().into(), phase, cost);
    Ok(figures.into_iter().map(named).collect())
}

/// Each phase that occurs at any count, in the order of the last machine that has it.
fn rows(counts: &[u32], all: &[Vec<Figure>]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (group, phase, _) in all.iter().rev().flatten() {
        if !rows.iter().any(|row| (&row.group, &row.phase) == (group, phase)) {
            let same = |f: &&Figure| (&f.0, &f.1) == (group, phase);
            let of = |figures: &Vec<Figure>| figures.iter().find(same).map(|figure| figure.2);
            let instructions: Vec<Option<u64>> = all.iter().map(of).collect();
            let points = counts.iter().zip(&instructions);
            let points: Vec<(u32, u64)> = points.filter_map(|(&x, y)| Some((x, (*y)?))).collect();
            let (group, phase, line) = (group.clone(), phase.clone(), Line::through(&points));
            rows.push(Row { group, phase, instructions, line });
        }
    }
    rows
}

/// The table.
pub(super) fn show(counts: &[u32], rows: &[Row]) -> String {
    let heads = counts.iter().map(|count| match count {
        1 => "1 CPU".to_string(),
        _ => format!("{count} CPUs"),
    });
    let lines = if counts.len() < LEAST { &[][..] } else { &LINE_HEAD[..] };
    let heads = heads.chain(lines.iter().map(ToString::to_string));
    let heads: Vec<String> = ["", "phase"].map(String::from).into_iter().chain(heads).collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut group = "";
    let cells = rows.iter().map(|row| {
        let name = table::unless_same(&mut group, &row.group).unwrap_or_default();
        let figure = |n: &Option<u64>| n.map_or("-".to_string(), |n| Unit::Instructions.figure(n));
        let figures = row.instructions.iter().map(figure);
        let line = Line::cells(row.line).into_iter().take(lines.len());
        [name.to_string(), row.phase.clone()].into_iter().chain(figures).chain(line).collect()
    });
    table::render(&heads, &cells.collect::<Vec<_>>(), 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_that_one_machine_lacks_has_a_gap_there() {
        let figure = |phase: &str, n| ("down".to_string(), phase.to_string(), n);
        let one = vec![figure("quiesce", 700)];
        let eight = vec![figure("dead", 5_000), figure("quiesce", 900)];
        let rows = rows(&[1, 8], &[one, eight]);
        let of = |phase| rows.iter().find(|row| row.phase == phase).unwrap().instructions.clone();
        assert_eq!(of("dead"), [None, Some(5_000)]);
        assert_eq!(of("quiesce"), [Some(700), Some(900)]);
        let text = show(&[1, 8], &rows);
        let line = text.lines().find(|line| line.contains("dead")).unwrap();
        assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["down", "dead", "-", "5,000"]);
        assert!(text.contains("1 CPU ") && text.contains("8 CPUs"), "{text}");
        assert!(!text.contains("fitted"), "{text}");
    }

    #[test]
    fn three_counts_have_the_line_through_their_figures() {
        let counts = [1, 8, 80];
        let machine = |cpus: u32| {
            let figure = |phase: &str, n| ("up".to_string(), phase.to_string(), n);
            let kick = figure("kick", 1_000 + 250 * u64::from(cpus));
            let dead = (cpus > 1).then(|| figure("dead", 7));
            [Some(kick), dead].into_iter().flatten().collect()
        };
        let rows = rows(&counts, &counts.map(machine));
        let text = show(&counts, &rows);
        let words = |name: &str| {
            let line = text.lines().find(|line| line.contains(name)).unwrap();
            line.split_whitespace().map(String::from).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words("kick"), "up kick 1,250 3,000 21,000 250 1,000 1.0000");
        assert_eq!(words("dead"), "dead - 7 7 - - -", "{text}");
        let json = serde_json::to_value(&rows[0]).unwrap();
        let slope = json["line"]["per_cpu"].as_f64().unwrap();
        assert!((slope - 250.0).abs() < 1e-9, "{json}");
    }
}
