//! `baton report`: the results of a run that came home in a tree, in a file or in a console's
//! transcript, as the report of `baton run`.

mod lines;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use baton::fdt::{Properties as _, Tree};
use baton::report::{self, Hello, Record};
use baton::results::{Document, Entry, Kind, PROPERTY};
use clap::Args;

pub use lines::Received;

use crate::report::{Conditions, Report, Trace};
use crate::units::Unit;
use crate::{outage, psci, run, table};

/// Where the results are and where the report goes.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    #[command(flatten)]
    source: Source,
    /// Directory for the report
    #[arg(long, value_name = "DIR", default_value = "report")]
    out: PathBuf,
}

/// Where the results are.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
struct Source {
    /// A device tree: in a Linux that baton has started, /sys/firmware/fdt
    #[arg(long, value_name = "FILE")]
    fdt: Option<PathBuf>,
    /// A transcript of a console on which `report` was typed
    #[arg(long, value_name = "FILE")]
    console: Option<PathBuf>,
}

/// Reads the results, prints the tables and writes the report.
///
/// # Errors
/// There are no results, or they are damaged.
pub fn report(args: &ReportArgs) -> Result<()> {
    let document = args.source.read()?;
    write(&document, &args.out)
}

/// Prints the tables of a document and writes its report into `out`.
///
/// # Errors
/// An entry is damaged, there is nothing to show, or a file cannot be written.
pub fn write(document: &Document, out: &Path) -> Result<()> {
    let gathered = Gathered::from(document)?;
    gathered.notes.iter().for_each(|note| println!("note: {note}"));
    fs::create_dir_all(out).with_context(|| format!("cannot write {}", out.display()))?;
    let report = gathered.report()?;
    show(&report);
    run::write(out, &report)
}

fn show(report: &Report) {
    let unit = report.conditions.unit;
    println!("{}", report.conditions.headline());
    if !report.jumps.is_empty() {
        println!("{}", table::kexec(&report.summary, unit));
    }
    if !report.traces.is_empty() {
        println!("{}\n{}", outage::title(unit), outage::show(&report.outages, unit));
        println!("{}\n{}", table::steps_title(unit), table::steps(&report.steps, unit));
        println!("{}\n{}", table::phases_title(unit), table::phases(&report.phases, unit));
    }
    psci::show(&report.records, unit).iter().for_each(|text| println!("{text}"));
}

impl Source {
    fn read(&self) -> Result<Document> {
        if let Some(path) = &self.fdt {
            return in_tree(&read(path)?).with_context(|| path.display().to_string());
        }
        let path = self.console.as_ref().context("neither --fdt nor --console")?;
        let text = String::from_utf8_lossy(&read(path)?).into_owned();
        let mut received = Received::default();
        for line in text.lines() {
            received.take(line);
        }
        received.document().with_context(|| path.display().to_string())
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The results in a device tree.
///
/// # Errors
/// It is no tree, has no results, or these are damaged.
pub fn in_tree(bytes: &[u8]) -> Result<Document> {
    let tree = Tree::read(bytes).map_err(|why| anyhow::anyhow!("no device tree: {why}"))?;
    let chosen = tree.find("/chosen");
    let found = chosen.and_then(|node| node.property(PROPERTY));
    let Some(found) = found else {
        bail!(
            "the tree has no {PROPERTY} in /chosen: the kernel that it is of was not started by a baton \
             that had results"
        );
    };
    Document::read(found).map_err(|why| anyhow::anyhow!("{PROPERTY}: {why}"))
}

/// What a document has, as the report wants it.
struct Gathered {
    records: Vec<Record>,
    traces: Vec<Trace>,
    notes: Vec<String>,
}

impl Gathered {
    fn from(document: &Document) -> Result<Self> {
        let mut gathered = Self { records: Vec::new(), traces: Vec::new(), notes: Vec::new() };
        if document.dropped() > 0 {
            let note =
                format!("{} older results were dropped for want of room", document.dropped());
            gathered.notes.push(note);
        }
        let of = |kind: Kind| document.entries().filter(move |entry| entry.kind == kind);
        for entry in of(Kind::Records) {
            gathered.records.extend(records(entry)?);
        }
        for entry in of(Kind::Trace) {
            match gathered.trace(entry)? {
                Some(trace) => gathered.traces.push(trace),
                None => gathered.notes.push(format!(
                    "the trace of the kexec into generation {} is left out: its kexec record was \
                     dropped",
                    entry.generation
                )),
            }
        }
        gathered.traces.sort_by_key(|trace| {
            (!trace.warm, trace.kexec.teardown.known(), trace.kexec.generation)
        });
        Ok(gathered)
    }

    fn trace(&self, entry: &Entry) -> Result<Option<Trace>> {
        let kexec = self.records.iter().rev().find_map(|record| match record {
            Record::Kexec(kexec) if kexec.generation == entry.generation => Some(kexec.clone()),
            _ => None,
        });
        let Some(kexec) = kexec else { return Ok(None) };
        let cpus = self.hello().map_or(0, |hello| hello.cpus);
        Ok(Some(Trace { kexec, cpus, warm: report::is_told(entry.tag), records: records(entry)? }))
    }

    fn hello(&self) -> Option<&Hello> {
        self.records.iter().rev().find_map(|record| match record {
            Record::Hello(hello) => Some(hello),
            _ => None,
        })
    }

    fn report(self) -> Result<Report> {
        let hello = self.hello().context("there is no hello record: nothing to report")?;
        let conditions = Conditions {
            baton: hello.version.trim_start_matches("baton ").to_string(),
            qemu: String::new(),
            command: Vec::new(),
            cpus: hello.cpus,
            accel: String::new(),
            unit: Unit::Time,
            gic: hello.gic,
            el: hello.el,
            append: String::new(),
            cycles: 0,
            host_cpus: 0,
            image_bytes: 0,
            seconds: 0,
        };
        let Self { records, traces, .. } = self;
        Ok(Report::of(conditions, records, traces)?)
    }
}

/// The records of an entry.
fn records(entry: &Entry) -> Result<Vec<Record>> {
    let text = entry.text().map_err(|why| anyhow::anyhow!("{why}"))?;
    let read = |line: &str| match report::from_line(line) {
        Ok(record) => Ok(record),
        Err(why) => bail!("what generation {} has kept: {why:?}: {line}", entry.generation),
    };
    let records: Result<Vec<Record>> = text.lines().map(read).collect();
    let records = records?;
    ensure!(!records.is_empty(), "what generation {} has kept is empty", entry.generation);
    Ok(records)
}
