//! What firmware costs without a kernel (`psci bench`), as tables.

use baton::report::{Psci, PsciMode, PsciScope, Quantiles, Record, contention};

use crate::table::render;
use crate::units::{Unit, three_digits};

/// Heads of the table.
pub const HEAD: [&str; 9] =
    ["CPUs", "what", "how", "min", "median", "p90", "p99", "max", "at once /\none by one"];

/// What the table shows.
pub const TITLE: &str = "What firmware costs without a kernel (psci bench): the call of CPU_ON, until the \
                         first instruction of the CPU, and from its CPU_OFF until AFFINITY_INFO says OFF";

/// The last figures of all CPUs, of each socket and of each cluster.
pub fn last(records: &[Record]) -> Vec<&Psci> {
    let all: Vec<&Psci> = records
        .iter()
        .filter_map(|record| match record {
            Record::Psci(psci) => Some(psci),
            _ => None,
        })
        .collect();
    let first = all.iter().rposition(|psci| psci.scope == PsciScope::All).unwrap_or(all.len());
    all[first..].to_vec()
}

/// The table as rows.
pub fn rows(all: &[&Psci], unit: Unit) -> Vec<[String; 9]> {
    all.iter().flat_map(|psci| group(psci, unit)).collect()
}

fn group(psci: &Psci, unit: Unit) -> Vec<[String; 9]> {
    let name = match psci.scope.known() {
        Some(PsciScope::All) => format!("all ({})", psci.cpus),
        Some(PsciScope::Socket) => format!("socket {} ({})", psci.number, psci.cpus),
        _ => format!("{} {:#x} ({})", psci.scope, psci.number, psci.cpus),
    };
    let version = psci.version_ns.map(|all| row(&name, "PSCI_VERSION", "", &all, None, unit));
    let modes: [(&str, &PsciMode); 2] =
        [("one by one", &psci.serial), ("all at once", &psci.parallel)];
    let ratios = psci.serial.parts().into_iter().zip(psci.parallel.parts());
    let ratios: Vec<_> = ratios.map(|((_, one), (_, all))| contention(one.p50, all.p50)).collect();
    let parts = (0..ratios.len()).flat_map(|part| modes.map(|(how, mode)| (part, how, mode)));
    let rows = parts.map(|(part, how, mode)| {
        let (what, figures) = mode.parts()[part];
        let ratio = ratios[part].filter(|_| how == "all at once");
        row(&name, what, how, &figures, ratio, unit)
    });
    version.into_iter().chain(rows).collect()
}

fn row(
    name: &str,
    what: &str,
    how: &str,
    of: &Quantiles,
    ratio: Option<u64>,
    unit: Unit,
) -> [String; 9] {
    let [min, median, p90, p99, max] = of.all().map(|value| unit.figure(value));
    let ratio = ratio.map_or(String::new(), |percent| three_digits(percent as f64 / 100.0));
    [name.into(), what.into(), how.into(), min, median, p90, p99, max, ratio]
}

/// The table, or nothing if there are no figures.
pub fn show(records: &[Record], unit: Unit) -> Option<String> {
    let all = last(records);
    let rows: Vec<Vec<String>> = rows(&all, unit).into_iter().map(Vec::from).collect();
    (!rows.is_empty()).then(|| format!("{TITLE}\n{}", render(&HEAD, &rows, 3)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;

    #[test]
    fn the_last_bench_is_shown_with_its_groups() {
        let records = fake::psci(79);
        let again = [records.clone(), fake::psci(7)].concat();
        assert_eq!(last(&again).len(), 2);
        let text = show(&again, Unit::Time).unwrap();
        assert!(text.contains("all (7)") && text.contains("cluster 0x1 (3)"), "{text}");
        assert!(!text.contains("(79)") && text.contains("2.50"), "{text}");
        assert_eq!(show(&[], Unit::Time), None);
    }
}
