//! The table as a file: plain text, a line for each figure, a column for each line of QEMU's versions.
//!
//! ```text
//! column 7.2 | QEMU emulator version 7.2.22 | rustc 1.96.0
//! cpus | warm | group | figure    |   7.2
//!    1 | on   | down  | preflight | 1,504
//! ```

use std::fmt;

use anyhow::{Context, Result, ensure};

use super::column::{self, Column};
use super::measure::{Figure, Group, Key};
use crate::units::grouped;

/// What the file says of itself.
const HEAD: &str = "\
# What a parallel kexec of baton into itself costs, in instructions of all CPUs: the second in a row
# (warm on: the next kernel is told the machine; off: kexec.warm=off), GICv3, EL1, 1 GiB, no load.
# Groups: kexec, spans between the kernels; down and up, phases of the boot CPU; outage, how long the
# CPUs are away; step down and step up, the sum of a hotplug step over its CPUs. `make bench-check` and `make test` hold the image
# against the column of their QEMU; `make bench-table` writes that column. doc/instructions.md.
";
/// Columns of the file that name a figure.
const NAMES: [&str; 4] = ["cpus", "warm", "group", "figure"];
/// What stands where nothing was measured.
const NONE: &str = "-";

/// All figures that are committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    columns: Vec<Column>,
    /// Each with a value for every column.
    rows: Vec<(Key, Vec<Option<u64>>)>,
}

impl Table {
    /// Reads a table.
    ///
    /// # Errors
    /// The line that is not what it should be.
    pub fn parse(text: &str) -> Result<Self> {
        let mut table = Self::default();
        let lines = text.lines().enumerate();
        for (i, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            if !line.starts_with('#') {
                table.line(line).with_context(|| format!("line {}: {line:?}", i + 1))?;
            }
        }
        Ok(table)
    }

    fn line(&mut self, line: &str) -> Result<()> {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let Some(version) = cells[0].strip_prefix("column ") {
            ensure!(cells.len() == 3, "a column has a version, a QEMU and a compiler");
            let line = column::line(version).context("no version")?;
            self.columns.push(Column { line, qemu: cells[1].into(), rustc: cells[2].into() });
            return Ok(());
        }
        ensure!(cells.len() == NAMES.len() + self.columns.len(), "not as many cells as columns");
        if cells[0] == NAMES[0] {
            let heads = cells[NAMES.len()..].iter().copied();
            ensure!(heads.eq(self.columns.iter().map(Column::to_string)), "not the columns above");
            return Ok(());
        }
        let values = cells[NAMES.len()..].iter().map(|cell| value(cell));
        self.rows.push((key(&cells)?, values.collect::<Result<_>>()?));
        Ok(())
    }

    /// How many figures each column may have.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The column of this line of QEMU's versions; `None` if nothing was measured under one.
    pub fn column(&self, here: &Column) -> Option<&Column> {
        self.columns.iter().find(|column| column.line == here.line)
    }

    /// The column whose line is nearest.
    pub fn nearest(&self, here: &Column) -> Option<&Column> {
        self.columns.iter().min_by_key(|column| column.distance(here))
    }

    /// The figures of a column.
    pub fn figures(&self, of: &Column) -> Vec<Figure> {
        let at = self.columns.iter().position(|column| column == of);
        let figure = |(key, values): &(Key, Vec<Option<u64>>)| {
            let instructions = values[at?]?;
            Some(Figure { key: key.clone(), instructions })
        };
        self.rows.iter().filter_map(figure).collect()
    }

    /// Puts figures into the column of `here`, which is made or replaced; other columns stay.
    pub fn replace(&mut self, here: Column, figures: Vec<Figure>) {
        let mut all: Vec<(Column, Vec<Figure>)> =
            self.columns.iter().map(|column| (column.clone(), self.figures(column))).collect();
        all.retain(|(column, _)| column.line != here.line);
        all.push((here, figures));
        all.sort_by_key(|(column, _)| column.line);
        // The newest QEMU says in which order the figures come.
        let mut keys: Vec<Key> = Vec::new();
        for figure in all.iter().rev().flat_map(|(_, figures)| figures) {
            if !keys.contains(&figure.key) {
                keys.push(figure.key.clone());
            }
        }
        keys.sort_by_key(|key| (key.cpus, !key.warm, key.group));
        let of = |figures: &[Figure], key: &Key| {
            figures.iter().find(|figure| figure.key == *key).map(|figure| figure.instructions)
        };
        let row = |key: Key| {
            let values = all.iter().map(|(_, figures)| of(figures, &key)).collect();
            (key, values)
        };
        self.rows = keys.into_iter().map(row).collect();
        self.columns = all.into_iter().map(|(column, _)| column).collect();
    }

    /// All lines of the table itself, as cells.
    fn cells(&self) -> Vec<Vec<String>> {
        let heads = NAMES.iter().map(ToString::to_string);
        let heads = heads.chain(self.columns.iter().map(Column::to_string)).collect();
        let row = |(key, values): &(Key, Vec<Option<u64>>)| {
            let Key { cpus, warm, group, name } = key;
            let names = [cpus.to_string(), on_off(*warm).into(), group.name().into(), name.clone()];
            let value = |value: &Option<u64>| value.map_or(NONE.to_string(), grouped);
            names.into_iter().chain(values.iter().map(value)).collect()
        };
        std::iter::once(heads).chain(self.rows.iter().map(row)).collect()
    }
}

/// The file.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        for column in &self.columns {
            writeln!(f, "column {column} | {} | {}", column.qemu, column.rustc)?;
        }
        let lines = self.cells();
        let width = |i: usize| lines.iter().map(|line| line[i].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..NAMES.len() + self.columns.len()).map(width).collect();
        for line in &lines {
            let cells = line.iter().zip(&widths).enumerate().map(|(i, (cell, &width))| {
                if (1..NAMES.len()).contains(&i) {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
            writeln!(f, "{}", cells.collect::<Vec<_>>().join(" | "))?;
        }
        Ok(())
    }
}

/// `on` or `off`, as `kexec.warm=` has it.
pub const fn on_off(warm: bool) -> &'static str {
    if warm { "on" } else { "off" }
}

fn key(cells: &[&str]) -> Result<Key> {
    let cpus = cells[0].parse().context("no number of CPUs")?;
    ensure!(["on", "off"].contains(&cells[1]), "warm is on or off");
    let group = Group::ALL.into_iter().find(|group| group.name() == cells[2]);
    let group = group.context("no such group")?;
    Ok(Key { cpus, warm: cells[1] == "on", group, name: cells[3].into() })
}

fn value(cell: &str) -> Result<Option<u64>> {
    if cell == NONE {
        return Ok(None);
    }
    Ok(Some(cell.replace(',', "").parse().with_context(|| format!("{cell:?} is no figure"))?))
}
