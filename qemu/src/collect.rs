//! From the stream of records to kexecs with all their figures.

use baton::report::{
    Bringup, BringupAt, CpuFailure, Kexec, Name, Record, Teardown, TeardownAt, TeardownMode,
};
use serde::{Deserialize, Serialize};

use crate::Outcome;

/// One kexec: the teardown in the old kernel, the jump, the bring-up in the new one.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Jump {
    /// How the old kernel took its CPUs down.
    pub teardown: Teardown,
    /// The jump.
    pub kexec: Kexec,
    /// How the new kernel brought its CPUs up.
    pub bringup: Bringup,
}

impl Jump {
    /// serial or parallel.
    pub fn mode(&self) -> &Name<TeardownMode> {
        &self.kexec.teardown
    }
}

/// Puts every kexec together with its teardown and its bring-up.
///
/// # Errors
/// [`Outcome::Incomplete`] if one of the two is missing, does not belong to the kexec, or names
/// CPUs that did not come or would not leave.
pub fn jumps(records: &[Record]) -> Result<Vec<Jump>, Outcome> {
    let mut teardowns = records.iter().filter_map(teardown_for_kexec);
    let kexecs = records.iter().filter_map(|record| match record {
        Record::Kexec(kexec) => Some(kexec),
        _ => None,
    });
    kexecs.map(|kexec| jump(records, kexec, teardowns.next())).collect()
}

fn jump(records: &[Record], kexec: &Kexec, found: Option<&Teardown>) -> Result<Jump, Outcome> {
    let missing = |what: &str| {
        let mode = &kexec.teardown;
        Outcome::Incomplete(format!("{mode} kexec into generation {}: {what}", kexec.generation))
    };
    // The old kernel may count itself or its successor; both name the same teardown.
    let belongs = |t: &&Teardown| {
        t.mode == kexec.teardown && (t.generation..=t.generation + 1).contains(&kexec.generation)
    };
    let teardown = found.filter(belongs).ok_or_else(|| missing("no teardown record for it"))?;
    let bringup = records.iter().find_map(|record| match record {
        Record::Bringup(b) if b.at == BringupAt::Boot && b.generation == kexec.generation => {
            Some(b)
        }
        _ => None,
    });
    let bringup = bringup.ok_or_else(|| missing("no bringup record for it"))?;
    all_of("come up", bringup.cpus - bringup.online.min(bringup.cpus), &bringup.failed)
        .and(all_of("leave", 0, &teardown.stuck))
        .map_err(|what| missing(&what))?;
    Ok(Jump { teardown: teardown.clone(), kexec: kexec.clone(), bringup: bringup.clone() })
}

fn teardown_for_kexec(record: &Record) -> Option<&Teardown> {
    match record {
        Record::Teardown(teardown) if teardown.at == TeardownAt::Kexec => Some(teardown),
        _ => None,
    }
}

/// Fails with the names of CPUs that did not do what they were asked.
fn all_of(what: &str, missing: u32, failed: &[CpuFailure]) -> Result<(), String> {
    if failed.is_empty() && missing == 0 {
        return Ok(());
    }
    let count = failed.len().max(missing as usize);
    let names: Vec<String> = failed.iter().map(name).collect();
    Err(format!("{count} CPUs did not {what}: {}", names.join(", ")))
}

fn name(failure: &CpuFailure) -> String {
    let CpuFailure { cpu, mpidr, mark, why } = failure;
    format!("CPU {cpu} ({mpidr:#x}) at {mark}: {why}")
}

/// The first error of a stream of records, as an outcome.
///
/// # Errors
/// [`Outcome::ErrorRecord`] with the guest's own words.
pub fn no_errors(records: &[Record]) -> Result<(), Outcome> {
    let error = records.iter().find_map(|record| match record {
        Record::Error(error) => Some(error),
        _ => None,
    });
    error.map_or(Ok(()), |e| Err(Outcome::ErrorRecord(format!("{} ({})", e.what, e.place))))
}

#[cfg(test)]
mod tests {
    use baton::report::TeardownMode::{Parallel, Serial};
    use baton::trace::Mark;

    use super::*;
    use crate::fake::Script;

    fn two() -> Vec<Record> {
        let script = Script::new(4);
        [script.jump(1, Serial, 1, 1), script.jump(2, Parallel, 1, 1)].concat()
    }

    fn why(records: &[Record]) -> String {
        jumps(records).unwrap_err().to_string()
    }

    #[test]
    fn each_kexec_finds_its_own() {
        let found = jumps(&two()).unwrap();
        let seen: Vec<_> =
            found.iter().map(|j| (j.mode().known(), j.teardown.generation)).collect();
        assert_eq!(seen, [(Some(Serial), 0), (Some(Parallel), 1)]);
        assert_eq!(found[1].bringup.generation, 2);
    }

    #[test]
    fn console_commands_are_not_taken_for_kexecs() {
        let script = Script::new(4);
        let mut records = vec![
            script.teardown(0, TeardownAt::Offline, Serial),
            script.bringup(1, BringupAt::Online),
        ];
        records.extend(two());
        assert_eq!(jumps(&records), jumps(&two()));
    }

    #[test]
    fn a_kexec_without_its_teardown_or_bringup_is_an_error() {
        let mut records = two();
        records.remove(2);
        assert!(why(&records).contains("generation 1: no teardown"), "{}", why(&records));
        let mut records = two();
        records.remove(6);
        assert!(why(&records).contains("generation 2: no bringup"), "{}", why(&records));
    }

    #[test]
    fn cpus_that_did_not_come_or_leave_are_named() {
        let lost =
            CpuFailure { cpu: 3, mpidr: 0x103, mark: Mark::Kicked.into(), why: "silent".into() };
        let mut records = two();
        if let Record::Bringup(bringup) = &mut records[1] {
            bringup.online -= 1;
            bringup.failed.push(lost.clone());
        }
        assert!(why(&records).contains("1 CPUs did not come up: CPU 3 (0x103) at KICKED: silent"));
        let mut records = two();
        if let Record::Teardown(teardown) = &mut records[7] {
            teardown.stuck.push(lost);
        }
        assert!(why(&records).contains("parallel kexec into generation 2: 1 CPUs did not leave"));
    }
}
