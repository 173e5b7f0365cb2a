//! How long each CPU is away over a kexec: from the begin of its first hotplug step down in the old
//! kernel to the moment when it is ONLINE in the new one. The boot CPU runs all the time, and is none
//! of them.

use baton::report::{Name, Record, TeardownMode};
use baton::trace::{Dir, Mark};
use serde::{Deserialize, Serialize};

use crate::report::Trace;
use crate::table::render;
use crate::units::Unit;

/// The outages of the CPUs in one kexec.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Outages {
    /// serial or parallel.
    pub mode: Name<TeardownMode>,
    /// True if the new kernel was told the machine.
    pub warm: bool,
    /// CPUs that left; more than there are lengths if events of some have been lost.
    pub left: usize,
    /// One length for each CPU, the shortest first.
    pub lengths: Vec<u64>,
}

/// The quantiles that are shown, in percent.
pub const QUANTILES: [(&str, usize); 5] =
    [("min", 0), ("median", 50), ("p90", 90), ("p99", 99), ("max", 100)];

impl Outages {
    /// From the trace of a kexec.
    pub fn new(trace: &Trace) -> Self {
        let cpus = 0..trace.cpus;
        let mut lengths: Vec<u64> = cpus.filter_map(|cpu| length(trace, cpu)).collect();
        lengths.sort_unstable();
        let left = lengths.len().max(trace.cpus.saturating_sub(1) as usize);
        Self { mode: trace.kexec.teardown.clone(), warm: trace.warm, left, lengths }
    }

    /// The least length that so many percent of the CPUs do not exceed; `None` without a length.
    pub fn quantile(&self, percent: usize) -> Option<u64> {
        let rank = (self.lengths.len() * percent).div_ceil(100).max(1);
        self.lengths.get(rank - 1).copied()
    }

    /// How the kexec is called.
    pub fn label(&self) -> String {
        label(&self.mode, self.warm)
    }
}

/// What a kexec is called, by its mode and whether the new kernel was told the machine.
pub fn label(mode: &Name<TeardownMode>, warm: bool) -> String {
    if warm { mode.to_string() } else { format!("{mode}, warm off") }
}

/// How long a CPU was away; `None` for the boot CPU, and if the events of the CPU are not all there.
fn length(trace: &Trace, cpu: u32) -> Option<u64> {
    let (old, new) = (trace.kexec.generation.checked_sub(1)?, trace.kexec.generation);
    let first = trace.records.iter().filter_map(|record| match record {
        Record::Step(s) if s.cpu == cpu && s.dir == Dir::Down && s.generation == old => {
            Some(s.begin_ns)
        }
        _ => None,
    });
    let online = trace.records.iter().filter_map(|record| match record {
        Record::Mark(m) if m.cpu == cpu && m.mark == Mark::Online && m.generation == new => {
            Some(m.at_ns)
        }
        _ => None,
    });
    // Steps before the order to leave are of another teardown.
    let first = first.filter(|&at| at >= trace.kexec.exec_at_ns).min()?;
    online.min()?.checked_sub(first)
}

/// What the table shows.
pub fn title(unit: Unit) -> String {
    let unit = match unit {
        Unit::Time => "",
        Unit::Instructions => ", in instructions of all CPUs",
    };
    format!(
        "How long each CPU is away in the last kexec of each kind, from its first step down to ONLINE \
         in the next kernel{unit}"
    )
}

/// Heads of the table.
pub const HEAD: [&str; 7] = ["kexec", "CPUs", "min", "median", "p90", "p99", "max"];

/// A kexec as cells.
pub fn row(outages: &Outages, unit: Unit) -> [String; 7] {
    let known = outages.lengths.len();
    let cpus = if known == outages.left {
        known.to_string()
    } else {
        format!("{known} of {}", outages.left)
    };
    let at = |percent| outages.quantile(percent).map_or("-".to_string(), |n| unit.figure(n));
    let [min, median, p90, p99, max] = QUANTILES.map(|(_, percent)| at(percent));
    [outages.label(), cpus, min, median, p90, p99, max]
}

/// The table.
pub fn show(all: &[Outages], unit: Unit) -> String {
    render(&HEAD, &all.iter().map(|one| row(one, unit).to_vec()).collect::<Vec<_>>(), 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Script;

    fn of(lengths: &[u64]) -> Outages {
        let mode = TeardownMode::Parallel.into();
        Outages { mode, warm: true, left: lengths.len(), lengths: lengths.to_vec() }
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let hundred = of(&(1..=100).collect::<Vec<_>>());
        let all = |o: &Outages| QUANTILES.map(|(_, percent)| o.quantile(percent).unwrap_or(0));
        assert_eq!(all(&hundred), [1, 50, 90, 99, 100]);
        assert_eq!(all(&of(&(1..=79).collect::<Vec<_>>())), [1, 40, 72, 79, 79]);
        assert_eq!(all(&of(&[7])), [7; 5]);
        assert_eq!(of(&[]).quantile(50), None);
    }

    #[test]
    fn a_cpu_is_away_from_its_first_step_down_until_it_is_online() {
        let script = Script::new(4);
        for mode in [TeardownMode::Serial, TeardownMode::Parallel] {
            let trace = script.trace(3, mode);
            let outages = Outages::new(&trace);
            let down = |cpu: u32| {
                let slot = if mode == TeardownMode::Serial { 120_000 } else { 700 };
                10_000 + slot * u64::from(cpu - 1)
            };
            let up = |cpu: u32| {
                let kexec = &trace.kexec;
                let entry = kexec.exec_to_jump_ns + kexec.jump_to_entry_ns;
                entry + 180_000 + u64::from(cpu) * 25_000 + 20_000 + 40_000
            };
            let mut wanted: Vec<u64> = (1..4).map(|cpu| up(cpu) - down(cpu)).collect();
            wanted.sort_unstable();
            assert_eq!((outages.lengths, outages.left), (wanted, 3));
        }
    }

    #[test]
    fn steps_of_other_kernels_and_teardowns_are_not_taken() {
        let script = Script::new(4);
        let mut trace = script.trace(3, TeardownMode::Parallel);
        let good = Outages::new(&trace);
        trace.records.extend(script.timeline(2, TeardownMode::Parallel));
        trace.records.extend(script.timeline(4, TeardownMode::Parallel));
        assert_eq!(Outages::new(&trace), good);
    }

    #[test]
    fn a_cpu_whose_events_are_lost_is_counted_as_such() {
        let mut trace = Script::new(8).trace(3, TeardownMode::Serial);
        trace.records.retain(|r| !matches!(r, Record::Mark(m) if m.cpu == 5));
        let cells = row(&Outages::new(&trace), Unit::Time);
        assert_eq!((cells[0].as_str(), cells[1].as_str()), ("serial", "6 of 7"));
        trace.records.clear();
        assert_eq!(row(&Outages::new(&trace), Unit::Time)[1..3], ["0 of 7", "-"]);
    }
}
