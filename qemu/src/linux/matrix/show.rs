//! The table of all machines, and below it what is wrong.

use super::{Cell, End};
use crate::{table, units};

const HEAD: [&str; 12] = [
    "kernel",
    "EL",
    "GIC",
    "CPUs",
    "online",
    "KVM",
    "off and on\nrefused",
    "other words\nthan cold",
    "order to\nall online",
    "ended by",
    "took",
    "clean",
];

/// A row for each machine, and a line for each that is not clean.
pub(super) fn table(cells: &[Cell]) -> String {
    let mut text = table::render(&HEAD, &cells.iter().map(row).collect::<Vec<_>>(), 1);
    for cell in cells {
        if let Some(why) = &cell.why {
            text += &format!("\n{} CPUs, {}, GICv{}: {why}", cell.cpus, cell.level, cell.gic);
        }
    }
    text
}

fn row(cell: &Cell) -> Vec<String> {
    let nothing = || "-".to_string();
    let said = cell.linux.as_ref();
    let refused = said.and_then(|said| said.refused).map(|count| count.to_string());
    let jump = cell.jump.as_ref().map(|jump| units::time(jump.first_word_ns + jump.online_ns));
    vec![
        cell.kernel.trim_start_matches("vmlinuz-").to_string(),
        cell.level.to_string(),
        format!("v{}", cell.gic),
        cell.cpus.to_string(),
        said.map_or_else(nothing, |said| said.online.clone()),
        cell.kvm.clone().unwrap_or_else(|| "no".to_string()),
        refused.unwrap_or_else(nothing),
        said.map_or_else(nothing, |said| said.differences.len().to_string()),
        jump.unwrap_or_else(nothing),
        if cell.end == End::Reset { "reset" } else { "power-off" }.to_string(),
        format!("{} s", cell.seconds),
        if cell.why.is_some() { "NO" } else { "yes" }.to_string(),
    ]
}
