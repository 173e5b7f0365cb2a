//! What several runs of one thing come to.

use baton::report::{Spread, TeardownMode};
use serde::{Deserialize, Serialize};

use crate::collect::Jump;
use crate::units;

/// One phase in both modes.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Row {
    /// bring-up, teardown or kexec.
    pub group: String,
    /// Name of the phase.
    pub phase: String,
    /// After or during a serial teardown.
    pub serial: Option<Spread>,
    /// After or during a parallel teardown.
    pub parallel: Option<Spread>,
    /// Serial median over parallel median.
    pub ratio: Option<f64>,
}

type Figure = fn(&Jump) -> u64;

/// Every phase of a kexec, in the order of the table.
const PHASES: &[(&str, &str, Figure)] = &[
    ("teardown", "migrate", |jump| jump.teardown.phases.migrate_ns),
    ("teardown", "online-down", |jump| jump.teardown.phases.online_down_ns),
    ("teardown", "grace", |jump| jump.teardown.phases.grace_ns),
    ("teardown", "stop", |jump| jump.teardown.phases.stop_ns),
    ("teardown", "off", |jump| jump.teardown.phases.off_ns),
    ("teardown", "dead", |jump| jump.teardown.phases.dead_ns),
    ("teardown", "total", |jump| jump.teardown.total_ns),
    ("bring-up", "kick", |jump| jump.bringup.kick_ns),
    ("bring-up", "alive", |jump| jump.bringup.alive_ns),
    ("bring-up", "online", |jump| jump.bringup.online_ns),
    ("kexec", VERIFY, |jump| jump.kexec.verify_ns.unwrap_or_default()),
    ("kexec", "exec -> jump", |jump| jump.kexec.exec_to_jump_ns),
    ("kexec", "jump -> entry", |jump| jump.kexec.jump_to_entry_ns),
    ("kexec", "entry -> online", |jump| jump.kexec.entry_to_online_ns),
    ("kexec", "blackout", |jump| jump.kexec.blackout_ns),
];

/// A phase that has a row only where somebody asked for it.
const VERIFY: &str = "verify";

/// The table of a run.
pub fn summary(jumps: &[Jump]) -> Vec<Row> {
    let asked = |phase: &str| phase != VERIFY || jumps.iter().any(|j| j.kexec.verify_ns.is_some());
    let rows = PHASES.iter().filter(|&&(_, phase, _)| asked(phase));
    rows.map(|&(group, phase, figure)| row(jumps, group, phase, figure)).collect()
}

fn row(jumps: &[Jump], group: &str, phase: &str, figure: Figure) -> Row {
    let of = |mode| Spread::of(jumps.iter().filter(|jump| *jump.mode() == mode).map(figure));
    let (serial, parallel) = (of(TeardownMode::Serial), of(TeardownMode::Parallel));
    let ratio = serial.zip(parallel).and_then(|(s, p)| units::quotient(s.median, p.median));
    Row { group: group.into(), phase: phase.into(), serial, parallel, ratio }
}

#[cfg(test)]
mod tests {
    use baton::report::TeardownMode::{Parallel, Serial};

    use super::*;
    use crate::collect;
    use crate::fake::Script;

    #[test]
    fn modes_are_kept_apart_and_divided() {
        let mut records = Vec::new();
        for (generation, cpu_ns, mode) in
            [(1, 10_000, Serial), (2, 20_000, Serial), (3, 30_000, Serial), (4, 10_000, Parallel)]
        {
            let script = Script { cpus: 8, cpu_ns };
            records.extend(script.jump(generation, mode, 1, 1));
        }
        let rows = summary(&collect::jumps(&records).unwrap());
        let total = rows.iter().find(|row| row.phase == "total").unwrap();
        let serial = Spread { median: 420_000, min: 210_000, max: 630_000 };
        assert_eq!(total.serial, Some(serial));
        assert_eq!(total.parallel.map(|p| p.median), Some(26_300));
        assert_eq!(total.ratio.map(|ratio| (ratio * 100.0) as u64), Some(1596));
    }

    #[test]
    fn a_second_look_has_a_row_if_there_was_one() {
        let mut records = Script::new(4).jump(1, Serial, 1, 1);
        let rows = |records: &[_]| summary(&collect::jumps(records).unwrap());
        assert!(rows(&records).iter().all(|row| row.phase != VERIFY));
        for record in &mut records {
            if let baton::report::Record::Kexec(kexec) = record {
                kexec.verify_ns = Some(77);
            }
        }
        let all = rows(&records);
        let row = all.iter().find(|row| row.phase == VERIFY).unwrap();
        assert_eq!(row.serial.map(|spread| spread.median), Some(77));
    }

    #[test]
    fn a_mode_that_never_ran_has_no_ratio() {
        let records = Script::new(4).jump(1, Serial, 1, 1);
        let rows = summary(&collect::jumps(&records).unwrap());
        assert!(rows.iter().all(|row| row.serial.is_some() && row.ratio.is_none()));
    }
}
