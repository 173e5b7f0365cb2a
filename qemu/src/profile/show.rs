//! The table of a profile, and what profile.json has.

use std::collections::HashMap;

use baton::report::Kexec;
use serde::Serialize;

use super::account::{Side, Span};
use crate::units::{Unit, grouped};
use crate::{Options, table};

/// The columns of the table.
const COLUMNS: [(&str, Span, Side); 6] = [
    ("down\nboot CPU", Span::Down, Side::Boot),
    ("\nothers", Span::Down, Side::Others),
    ("jump\nboot CPU", Span::Jump, Side::Boot),
    ("\nothers", Span::Jump, Side::Others),
    ("up\nboot CPU", Span::Up, Side::Boot),
    ("\nothers", Span::Up, Side::Others),
];

/// One kexec.
#[derive(Serialize, Debug)]
pub struct Profile {
    v: u32,
    cpus: u32,
    append: String,
    /// What the kernel has recorded, instructions.
    pub blackout: u64,
    /// The sum over all functions.
    pub instructions: u64,
    columns: Vec<Column>,
    /// Most expensive first.
    functions: Vec<Function>,
}

/// What each figure of a function is about.
#[derive(Serialize, Debug)]
struct Column {
    span: Span,
    side: Side,
    instructions: u64,
}

/// One function.
#[derive(Serialize, Debug)]
struct Function {
    name: String,
    instructions: u64,
    /// In the order of the columns.
    by_column: [u64; COLUMNS.len()],
}

impl Profile {
    /// From the figures of an account.
    pub fn new(machine: &Options, kexec: &Kexec, counts: Vec<(Span, Side, String, u64)>) -> Self {
        let mut by_name = HashMap::<String, [u64; COLUMNS.len()]>::new();
        for (span, side, name, count) in counts {
            let column = COLUMNS.iter().position(|&(_, s, t)| (s, t) == (span, side));
            by_name.entry(name).or_default()[column.unwrap_or_default()] += count;
        }
        let function = |(name, by_column): (String, [u64; COLUMNS.len()])| Function {
            name,
            instructions: by_column.iter().sum(),
            by_column,
        };
        let mut functions: Vec<Function> = by_name.into_iter().map(function).collect();
        functions.sort_by(|a, b| (b.instructions, &a.name).cmp(&(a.instructions, &b.name)));
        let sums = sum(&functions);
        let column = |((_, span, side), instructions)| Column { span, side, instructions };
        Self {
            v: 1,
            cpus: machine.cpus,
            append: machine.append.clone(),
            blackout: kexec.blackout_ns,
            instructions: sums.iter().sum(),
            columns: COLUMNS.into_iter().zip(sums).map(column).collect(),
            functions,
        }
    }

    /// How much more the sum is than the blackout, percent.
    pub fn apart(&self) -> f64 {
        (self.instructions as f64 - self.blackout as f64) * 100.0 / self.blackout.max(1) as f64
    }

    /// What the table shows.
    pub fn headline(&self) -> String {
        let Self { cpus, instructions, blackout, .. } = self;
        let cpus = if *cpus == 1 { "1 CPU".to_string() } else { format!("{cpus} CPUs") };
        let [instructions, blackout] = [*instructions, *blackout].map(grouped);
        format!(
            "A parallel kexec of {cpus} by function: {instructions} instructions; the blackout \
             that the kernel has recorded is {blackout} ({:+.2} %)",
            self.apart()
        )
    }

    /// The most expensive functions, what all others come to, and the sum.
    pub fn table(&self, top: usize) -> String {
        let heads = COLUMNS.iter().map(|column| column.0);
        let head: Vec<&str> = ["function", "all", "%"].into_iter().chain(heads).collect();
        let (first, rest) = self.functions.split_at(top.min(self.functions.len()));
        let mut rows: Vec<Vec<String>> =
            first.iter().map(|f| self.row(&short(&f.name), f.by_column)).collect();
        if !rest.is_empty() {
            rows.push(self.row(&format!("{} others", rest.len()), sum(rest)));
        }
        rows.push(self.row("sum", sum(&self.functions)));
        table::render(&head, &rows, 1)
    }

    fn row(&self, name: &str, by_column: [u64; COLUMNS.len()]) -> Vec<String> {
        let all: u64 = by_column.iter().sum();
        let share = format!("{:.1}", all as f64 * 100.0 / self.instructions.max(1) as f64);
        let figure = |n: u64| if n == 0 { "-".into() } else { Unit::Instructions.figure(n) };
        [name.into(), figure(all), share].into_iter().chain(by_column.map(figure)).collect()
    }
}

fn sum(functions: &[Function]) -> [u64; COLUMNS.len()] {
    let add = |sum: [u64; COLUMNS.len()], f: &Function| {
        std::array::from_fn(|column| sum[column] + f.by_column[column])
    };
    functions.iter().fold(Default::default(), add)
}

/// A name for the table: of the paths in angle brackets their last part, and no `baton::`.
pub(super) fn short(name: &str) -> String {
    let (mut out, mut begin, mut depth) = (String::new(), 0, 0_u32);
    for letter in name.strip_prefix("baton::").unwrap_or(name).chars() {
        out.push(letter);
        match letter {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > 0 && out.ends_with("::") {
            out.truncate(begin);
        } else if !letter.is_alphanumeric() && !matches!(letter, '_' | ':') {
            begin = out.len();
        }
    }
    out
}
