//! What a run leaves behind for programs: `report.json`.

use baton::report::{Hello, Kexec, Record};
use serde::{Deserialize, Serialize};

use crate::collect::{self, Jump};
use crate::machine::Gic;
use crate::outage::Outages;
use crate::stats::{self, Row};
use crate::steps::{self, PhaseRow, StepRow};
use crate::units::Unit;
use crate::{Options, Outcome};

/// Version of the file's form.
pub const VERSION: u32 = 1;

/// Under which conditions the figures were taken.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// Version of baton in the guest.
    pub baton: String,
    /// QEMU's version line.
    pub qemu: String,
    /// QEMU's whole command line.
    pub command: Vec<String>,
    /// CPUs of the guest.
    pub cpus: u32,
    /// tcg, tcg-single, icount or kvm.
    pub accel: String,
    /// What the figures count, those named `_ns` included.
    #[serde(default)]
    pub unit: Unit,
    /// GIC architecture version.
    pub gic: u32,
    /// Exception level at entry.
    pub el: u32,
    /// Kernel command line.
    pub append: String,
    /// Kexecs of each mode.
    pub cycles: u32,
    /// CPUs of the host.
    pub host_cpus: u32,
    /// Bytes of the image file.
    pub image_bytes: u64,
    /// Seconds that the whole run took on the host's clock.
    pub seconds: u64,
}

/// The trace of one kexec.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The kexec it shows.
    pub kexec: Kexec,
    /// CPUs of the machine.
    pub cpus: u32,
    /// True if the new kernel was told the machine (`kexec.warm=on`).
    #[serde(default = "on")]
    pub warm: bool,
    /// step, mark and phase records of both kernels.
    pub records: Vec<Record>,
}

/// What [`Trace::warm`] was before it was asked.
const fn on() -> bool {
    true
}

/// Everything about a run.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Report {
    /// [`VERSION`].
    pub v: u32,
    /// How the figures were taken.
    pub conditions: Conditions,
    /// The table, of all kexecs whose new kernel was told the machine.
    pub summary: Vec<Row>,
    /// The same of those whose new kernel was not.
    #[serde(default)]
    pub long_way: Vec<Row>,
    /// How long each CPU was away, for each trace.
    #[serde(default)]
    pub outages: Vec<Outages>,
    /// What each hotplug step costs, over the CPUs of the last kexec of each mode.
    pub steps: Vec<StepRow>,
    /// What the boot CPU waits for in these.
    pub phases: Vec<PhaseRow>,
    /// Every kexec.
    pub jumps: Vec<Jump>,
    /// The traces of the last serial and the last parallel kexec, and of one of each with
    /// `kexec.warm=off`.
    pub traces: Vec<Trace>,
    /// Every record, in the order in which it came, but for those of the traces.
    pub records: Vec<Record>,
}

/// What a run has gathered.
pub struct Run {
    /// All records but those of the traces.
    pub records: Vec<Record>,
    /// The traces of the last kexec of each kind.
    pub traces: Vec<Trace>,
    /// QEMU's command line.
    pub command: Vec<String>,
    /// Seconds it took.
    pub seconds: u64,
}

impl Report {
    /// Puts figures and conditions together.
    ///
    /// # Errors
    /// As for [`collect::jumps`].
    pub fn new(options: &Options, qemu: &str, cycles: u32, run: Run) -> Result<Self, Outcome> {
        let hello = run.records.iter().find_map(|record| match record {
            Record::Hello(hello) => Some(hello),
            _ => None,
        });
        let conditions = Conditions {
            baton: hello.map_or("of unknown version".into(), version),
            qemu: qemu.to_string(),
            command: run.command,
            cpus: options.cpus,
            accel: options.accel_name().to_string(),
            unit: options.unit(),
            gic: if options.gic == Gic::V2 { 2 } else { 3 },
            el: hello.map_or(0, |hello| hello.el),
            append: options.append.clone(),
            cycles,
            host_cpus: host_cpus(),
            image_bytes: std::fs::metadata(&options.image).map_or(0, |file| file.len()),
            seconds: run.seconds,
        };
        Self::of(conditions, run.records, run.traces)
    }

    /// Puts records and traces together that were gathered under `conditions`.
    ///
    /// # Errors
    /// As for [`collect::jumps`].
    pub fn of(
        conditions: Conditions,
        records: Vec<Record>,
        traces: Vec<Trace>,
    ) -> Result<Self, Outcome> {
        let jumps = collect::jumps(&records)?;
        let untold = |jump: &Jump| {
            traces.iter().any(|t| !t.warm && t.kexec.generation == jump.kexec.generation)
        };
        let (long, told): (Vec<Jump>, Vec<Jump>) = jumps.iter().cloned().partition(untold);
        let (summary, long_way) = (stats::summary(&told), stats::summary(&long));
        let outages = traces.iter().map(Outages::new).collect();
        let (steps, phases) = (steps::steps(&traces), steps::phases(&traces));
        Ok(Self {
            v: VERSION,
            conditions,
            summary,
            long_way,
            outages,
            steps,
            phases,
            jumps,
            traces,
            records,
        })
    }
}

impl Conditions {
    /// True if the figures came home from a machine of its own: there was no QEMU.
    pub fn is_from_home(&self) -> bool {
        self.command.is_empty()
    }

    /// The figures' conditions in one line.
    pub fn headline(&self) -> String {
        if self.is_from_home() {
            let Self { baton, cpus, el, gic, .. } = self;
            return format!(
                "baton {baton} hands {cpus} CPUs over by kexec; GICv{gic}, entered at EL{el}; figures \
                 of the machine itself"
            );
        }
        let Self { baton, cpus, accel, cycles, host_cpus, qemu, .. } = self;
        let unit = self.unit.note();
        let model = self.append.split_whitespace().find_map(|word| word.strip_prefix("model="));
        let model = model.map(|name| format!(", model {name}")).unwrap_or_default();
        let tick = modelled(&self.append);
        format!(
            "baton {baton} hands {cpus} CPUs over by kexec, {cycles} x serially and {cycles} x in \
             parallel, and once more each with kexec.warm=off; {accel}{unit}{model}{tick}; {qemu}; host with {host_cpus} CPUs"
        )
    }

    /// The command line as a shell would take it.
    pub fn command_text(&self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=,./:+@%".contains(c);
        let quote = |word: &String| match word.chars().all(plain) && !word.is_empty() {
            true => word.clone(),
            false => format!("'{}'", word.replace('\'', "'\\''")),
        };
        self.command.iter().map(quote).collect::<Vec<_>>().join(" ")
    }
}

/// Says that the command line has grace periods end at modelled ticks; empty if it does not.
pub fn modelled(append: &str) -> String {
    let tick = append.split_whitespace().rfind(|word| word.starts_with("rcu.tick="));
    let tick = tick.filter(|word| *word != "rcu.tick=0");
    tick.map(|word| format!(", grace periods MODELLED ({word})")).unwrap_or_default()
}

/// The version alone: a kernel may put its name before it.
fn version(hello: &Hello) -> String {
    hello.version.trim_start_matches("baton ").to_string()
}

fn host_cpus() -> u32 {
    std::thread::available_parallelism().map_or(0, |count| count.get() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;

    #[test]
    fn a_report_survives_its_file() {
        let report = fake::report(4);
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
        assert_eq!((report.jumps.len(), report.traces.len()), (4, 4));
    }

    #[test]
    fn kexecs_with_warm_off_are_kept_apart() {
        let report = fake::report(4);
        let blackout = |rows: &[Row]| rows.last().unwrap().serial.unwrap().max;
        assert!(blackout(&report.long_way) > blackout(&report.summary));
        let labels: Vec<String> = report.outages.iter().map(Outages::label).collect();
        assert_eq!(labels, ["serial", "parallel", "serial, warm off", "parallel, warm off"]);
        // A report of a version that did not ask has all that it needs.
        let mut old: serde_json::Value = serde_json::to_value(&report).unwrap();
        for trace in old["traces"].as_array_mut().unwrap() {
            trace.as_object_mut().unwrap().remove("warm");
        }
        for field in ["long_way", "outages"] {
            old.as_object_mut().unwrap().remove(field);
        }
        let old: Report = serde_json::from_value(old).unwrap();
        assert!(old.traces.iter().all(|trace| trace.warm) && old.outages.is_empty());
    }

    #[test]
    fn the_command_line_can_be_pasted() {
        let mut conditions = fake::report(4).conditions;
        assert_eq!(conditions.command_text(), "qemu-system-aarch64 -append 'a b'");
        conditions.command = vec!["it's".into(), String::new()];
        assert_eq!(conditions.command_text(), "'it'\\''s' ''");
    }

    #[test]
    fn a_model_is_named_in_the_headline() {
        let mut conditions = fake::report(4).conditions;
        assert!(!conditions.headline().contains("model"));
        conditions.append = "loglevel=3 model=altra-80".into();
        assert!(conditions.headline().contains("model altra-80"));
        conditions.append = "rcu.tick=250".into();
        assert!(conditions.headline().contains("grace periods MODELLED (rcu.tick=250)"));
    }
}
