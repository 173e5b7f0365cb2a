use baton::fdt::edit::{Changes, next_tree};
use baton::report::TeardownMode::{Parallel, Serial};
use baton::report::{to_line, trace_tag};
use baton::results::{Lines, MAX_BYTES};

use super::*;
use crate::fake::{self, Script};

fn text(records: &[Record]) -> String {
    records.iter().map(|record| to_line(record) + "\n").collect()
}

/// Two kexecs of each mode, the traces of the last ones, and a bench.
fn document() -> Document {
    let script = Script::new(4);
    let mut document = Document::default();
    let mut keep = |kind, tag, generation, records: &[Record]| {
        document.push(Entry::new(kind, tag, generation, &text(records)), MAX_BYTES);
    };
    keep(Kind::Records, 0, 0, &[script.hello(0)]);
    for (generation, mode) in [(1, Serial), (2, Serial), (3, Parallel), (4, Parallel)] {
        keep(Kind::Records, 0, generation, &script.jump(generation, mode, 1, 1));
        let trace = script.trace(generation, mode);
        keep(Kind::Trace, trace_tag(mode, true), generation, &trace.records);
    }
    keep(Kind::Records, 0, 4, &fake::psci(3));
    document
}

#[test]
fn a_document_makes_the_report_of_a_run() {
    let document = document();
    assert_eq!(document.entries().count(), 8, "one trace of each kind");
    let report = Gathered::from(&document).unwrap().report().unwrap();
    assert_eq!((report.jumps.len(), report.traces.len(), report.conditions.cpus), (4, 2, 4));
    assert_eq!(report.traces[1].kexec.generation, 4);
    assert!(report.outages.iter().all(|outages| outages.lengths.len() == 3));
    let out = tempfile::tempdir().unwrap();
    write(&document, out.path()).unwrap();
    for file in ["report.json", "index.html", "trace.json"] {
        assert!(out.path().join(file).metadata().unwrap().len() > 1000, "{file}");
    }
    let page = fs::read_to_string(out.path().join("index.html")).unwrap();
    assert!(page.contains("psci bench") && !page.contains("QEMU"));
}

#[test]
fn what_was_dropped_is_said_and_the_rest_is_shown() {
    let mut document = document();
    let room = document.bytes() - 1;
    document.shrink(room);
    document.shrink(document.bytes() - 1);
    let gathered = Gathered::from(&document).unwrap();
    assert_eq!(gathered.notes, ["2 older results were dropped for want of room"]);
    assert_eq!(gathered.report().unwrap().jumps.len(), 3);
    // The trace of a kexec whose record is gone.
    let mut document = self::document();
    while document.entries().next().unwrap().kind == Kind::Records {
        document.shrink(document.bytes() - 1);
    }
    let gathered = Gathered::from(&document).unwrap();
    assert!(gathered.notes.last().unwrap().contains("generation 2 is left out"));
}

/// A small tree.
fn tree() -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let [source, blob] = ["small.dts", "small.dtb"].map(|name| directory.path().join(name));
    fs::write(&source, "/dts-v1/; / { chosen { bootargs = \"quiet\"; }; };").unwrap();
    let status = std::process::Command::new("dtc").arg("-o").arg(&blob).arg(&source).status();
    assert!(status.unwrap().success());
    fs::read(&blob).unwrap()
}

#[test]
fn a_tree_gives_its_results_or_says_why_not() {
    let dtb = tree();
    let document = document();
    let bytes = document.to_bytes();
    let mut with = Vec::new();
    next_tree(&dtb, &Changes { results: Some(&bytes), ..Changes::default() }, &mut with).unwrap();
    assert_eq!(in_tree(&with).unwrap(), document);
    let why = |bytes: &[u8]| format!("{:#}", in_tree(bytes).unwrap_err());
    assert!(why(&dtb).contains("no baton,report in /chosen"), "{}", why(&dtb));
    assert!(why(b"elf").contains("no device tree"));
    let at = with.windows(8).position(|window| window == b"batonres").unwrap();
    with[at + 40] ^= 1;
    assert!(why(&with).contains("checksum"), "{}", why(&with));
}

#[test]
fn lines_that_are_missing_are_named_and_can_come_later() {
    let document = document();
    let lines = Lines::new(&document);
    let mut received = Received::default();
    assert!(received.document().unwrap_err().to_string().contains("type `report`"));
    for number in (1..=lines.count()).filter(|number| ![2, 5].contains(number)) {
        let line = lines.line(number).unwrap();
        assert!(received.take(&format!("[   12.3] {line}\r")));
        assert!(!received.take(&line[..line.len() - 3]));
    }
    assert_eq!(received.damaged(), lines.count() - 2);
    let why = received.document().unwrap_err().to_string();
    assert!(why.contains("2 of") && why.contains("missing: 2, 5;"), "{why}");
    for number in received.missing().collect::<Vec<_>>() {
        received.take(&lines.line(number).unwrap());
    }
    assert_eq!(received.document().unwrap(), document);
    assert!(!received.take("@results 1/900 AAAA 00000000") && received.document().is_ok());
}
