//! From records to the rows of the table, with the bars.

use baton::report::{
    Bringup, BringupAt, BringupPolicy, Floor, FloorMode, Record, Spread, Teardown, TeardownAt,
    TeardownMode,
};
use serde::Serialize;

use super::Stress;
use crate::floor::{self, temperature};
use crate::units::Unit;
use crate::{table, units};

/// Warm bring-up in parallel, baton over floor, at most.
const BRINGUP_BAR: f64 = 1.5;
/// Warm teardown in parallel, baton over floor, at most.
const TEARDOWN_BAR: f64 = 3.0;

/// One figure of baton and what it is held against.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct Row {
    /// bring-up or teardown.
    pub what: &'static str,
    /// serial or parallel.
    pub mode: &'static str,
    /// True if the code has run before.
    pub warm: bool,
    /// What else the machine did meanwhile.
    #[serde(rename = "load")]
    pub stress: Stress,
    /// baton's times, ns.
    pub baton: Spread,
    /// What they are held against: the floor, the floor whose CPUs leave their part of the GIC quiet
    /// and asleep, or baton's own in parallel.
    pub over: &'static str,
    /// The times of that, ns.
    pub base: Option<Spread>,
    /// Median over median.
    pub ratio: Option<f64>,
    /// The bar, if there is one.
    pub bar: Option<f64>,
}

impl Row {
    /// The row for people.
    pub fn cells(&self, unit: Unit) -> Vec<String> {
        let words = [self.what, self.mode, temperature(self.warm), self.stress.name()];
        let mut cells: Vec<String> = words.map(String::from).into();
        cells.extend(table::spread(Some(self.baton), unit));
        cells.push(self.over.into());
        cells.push(self.base.map_or("-".to_string(), |base| unit.figure(base.median)));
        cells.push(self.ratio.map_or("-".to_string(), units::three_digits));
        cells.push(self.verdict(unit));
        cells
    }

    /// The bars are for ratios of times: firmware's part, which costs no instructions, is in both.
    fn verdict(&self, unit: Unit) -> String {
        if unit == Unit::Instructions {
            return String::new();
        }
        match (self.ratio, self.bar) {
            (Some(ratio), Some(bar)) if ratio <= bar => format!("<= {bar}  ok"),
            (Some(_), Some(bar)) => format!("<= {bar}  MISSED"),
            _ => String::new(),
        }
    }
}

/// Every row for which there are figures, all of them taken under one stress.
pub fn all(floors: &[Floor], records: &[Record], stress: Stress) -> Vec<Row> {
    let mut rows = Vec::new();
    for policy in [BringupPolicy::Parallel, BringupPolicy::Fanout, BringupPolicy::Serial] {
        for warm in [false, true] {
            let base = floor::times(floors, &FloorMode::from(policy).into(), warm, |f| f.up_ns);
            rows.extend(row("bring-up", policy, warm, ups(records, policy, warm), base));
        }
    }
    for mode in [TeardownMode::Parallel, TeardownMode::Serial] {
        for warm in [false, true] {
            let base = floor::times(floors, &FloorMode::from(mode).into(), warm, |f| f.off_ns);
            rows.extend(row("teardown", mode, warm, downs(records, mode, warm), base));
        }
    }
    let up = ups(records, BringupPolicy::Parallel, true);
    let down = downs(records, TeardownMode::Parallel, true);
    let quiet = floor::times(floors, &FloorMode::Quiet.into(), true, |f| f.off_ns);
    let parallel = TeardownMode::Parallel;
    let asleep = quiet.and_then(|base| row("teardown", parallel, true, down, Some(base)));
    rows.extend(asleep.map(|row| Row { over: "floor, GIC quiet", bar: None, ..row }));
    let (policy, mode) = (BringupPolicy::Serial, TeardownMode::Serial);
    rows.extend(row("bring-up", policy, true, ups(records, policy, true), up).map(own));
    rows.extend(row("teardown", mode, true, downs(records, mode, true), down).map(own));
    // The bring-up at boot comes before any stress.
    rows.retain(|row| stress == Stress::Bare || row.what == "teardown" || row.warm);
    rows.into_iter().map(|row| Row { stress, ..row }).collect()
}

/// A row whose base is baton's own time in parallel.
fn own(row: Row) -> Row {
    Row { over: "parallel", ..row }
}

fn row(
    what: &'static str,
    mode: impl Into<FloorMode>,
    warm: bool,
    baton: Option<Spread>,
    base: Option<Spread>,
) -> Option<Row> {
    let baton = baton?;
    let ratio = base.and_then(|base| units::quotient(baton.median, base.median));
    let mode = mode.into();
    let bar = match (what, mode, warm) {
        ("bring-up", FloorMode::Parallel, true) => Some(BRINGUP_BAR),
        ("teardown", FloorMode::Parallel, true) => Some(TEARDOWN_BAR),
        _ => None,
    };
    let (mode, stress) = (mode.name(), Stress::Bare);
    Some(Row { what, mode, warm, stress, baton, over: "floor", base, ratio, bar })
}

/// Bring-ups: the one at boot is cold, those by command are warm.
fn ups(records: &[Record], policy: BringupPolicy, warm: bool) -> Option<Spread> {
    let at = if warm { BringupAt::Online } else { BringupAt::Boot };
    let of = |b: &&Bringup| b.at == at && b.policy == policy;
    let bringups = records.iter().filter_map(|record| match record {
        Record::Bringup(bringup) => Some(bringup),
        _ => None,
    });
    Spread::of(bringups.filter(of).map(|b| b.online_ns))
}

/// Teardowns: the very first is cold.
fn downs(records: &[Record], mode: TeardownMode, warm: bool) -> Option<Spread> {
    let teardowns: Vec<&Teardown> = records
        .iter()
        .filter_map(|record| match record {
            Record::Teardown(teardown) if teardown.at == TeardownAt::Offline => Some(teardown),
            _ => None,
        })
        .collect();
    let first = teardowns.len().min(1);
    let chosen = if warm { &teardowns[first..] } else { &teardowns[..first] };
    Spread::of(chosen.iter().filter(|t| t.mode == mode).map(|t| t.total_ns))
}
