use baton::report::{Bringup, BringupAt, BringupPolicy, TeardownAt, TeardownMode};

use super::*;
use crate::Outcome;
use crate::fake::{self, Script};
use crate::units::Unit;

fn floors() -> Vec<Floor> {
    let floors = fake::floors(8).into_iter().filter_map(|record| match record {
        Record::Floor(floor) => Some(floor),
        _ => None,
    });
    floors.collect()
}

fn records() -> Vec<Record> {
    let script = Script::new(8);
    let mut records = vec![script.hello(0), script.bringup(0, BringupAt::Boot)];
    for cpu_ns in [90_000, 20_000, 10_000, 30_000] {
        let script = Script { cpus: 8, cpu_ns };
        records.extend([
            script.teardown(0, TeardownAt::Offline, TeardownMode::Parallel),
            script.bringup(0, BringupAt::Online),
        ]);
    }
    records.push(script.teardown(0, TeardownAt::Offline, TeardownMode::Serial));
    records
}

#[test]
fn cold_and_warm_are_kept_apart_and_held_against_the_floor() {
    let rows = rows::all(&floors(), &records(), Stress::Live);
    let find = |what: &str, mode: &str, warm: bool| {
        rows.iter().find(|r| (r.what, r.mode, r.warm) == (what, mode, warm)).unwrap()
    };
    assert_eq!(find("teardown", "parallel", false).baton.median, 186_300);
    let warm = find("teardown", "parallel", true);
    assert_eq!((warm.baton.median, warm.baton.min, warm.baton.max), (46_300, 26_300, 66_300));
    assert_eq!(warm.ratio, Some(46_300.0 / 20_000.0));
    assert!(warm.cells(Unit::Time).last().unwrap().contains("<= 3  ok"));
    assert!(
        rows.iter().all(|row| row.stress == Stress::Live && row.cells(Unit::Time)[3] == "live")
    );
    let quiet = rows.iter().find(|r| r.over == "floor, GIC quiet").unwrap();
    assert_eq!((quiet.what, quiet.ratio, quiet.bar), ("teardown", warm.ratio, None));
    let up = find("bring-up", "parallel", true);
    assert_eq!(up.cells(Unit::Time).last().unwrap(), "<= 1.5  MISSED");
    let own = rows.iter().find(|r| (r.what, r.over) == ("teardown", "parallel")).unwrap();
    assert_eq!((own.mode, own.base), ("serial", Some(warm.baton)));
    assert!(!rows.iter().any(|r| r.what == "bring-up" && r.mode == "serial"));
    let text = show(&rows, Unit::Time);
    let width = text.lines().next().unwrap().chars().count();
    assert!(text.lines().all(|line| line.chars().count() == width), "{text}");
}

fn bench_args(answers: &[(&str, String)]) -> (tempfile::TempDir, BenchArgs) {
    let boot = fake::print(&records()[..2]);
    let (keep, machine) = fake::qemu(&boot, answers);
    let limits = Limits { timeout: 20, total: 60 };
    let (floor, out) = (keep.path().join("floor"), keep.path().to_path_buf());
    (
        keep,
        BenchArgs {
            machine,
            floor,
            rounds: 2,
            serial_rounds: 1,
            stress: false,
            counts: Vec::new(),
            corners: Vec::new(),
            linux: "/nowhere".into(),
            older: None,
            out,
            limits,
        },
    )
}

#[test]
fn rounds_are_driven_and_every_record_kept() {
    let script = Script::new(8);
    let one = |record: Record| fake::print(&[record]);
    let up = |policy: BringupPolicy| {
        fake::print(&[match script.bringup(0, BringupAt::Online) {
            Record::Bringup(up) => Record::Bringup(Bringup { policy: policy.into(), ..up }),
            other => other,
        }])
    };
    let answers = [
        (
            "cpu offline all --teardown parallel",
            one(script.teardown(0, TeardownAt::Offline, TeardownMode::Parallel)),
        ),
        ("cpu online all --policy parallel", up(BringupPolicy::Parallel)),
        (
            "cpu offline all --teardown serial",
            one(script.teardown(0, TeardownAt::Offline, TeardownMode::Serial)),
        ),
        ("cpu online all --policy fanout", up(BringupPolicy::Fanout)),
        ("cpu online all --policy serial", up(BringupPolicy::Serial)),
        ("poweroff", "EXIT".to_string()),
    ];
    let (_keep, args) = bench_args(&answers);
    let records = rounds::measure(&args, Stress::Bare, &Progress::new(1)).unwrap();
    assert_eq!(records.len(), 2 + (3 + 2 + 1) * 2);
    assert_eq!(rows::all(&floors(), &records, Stress::Bare).len(), 2 + 1 + 1 + 2 + 1 + 3);
}

#[test]
fn a_command_without_its_record_is_incomplete() {
    let (_keep, args) = bench_args(&[]);
    let error = rounds::measure(&args, Stress::Bare, &Progress::new(1)).unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(Outcome::Incomplete(_))), "{error}");
}

#[test]
fn the_stress_is_switched_on_first_and_without_it_nothing_is_measured() {
    let no = fake::print(&[Record::Error(baton::report::CommandError {
        what: "\"stress\" is not a command; try \"help\"".into(),
        place: "stress on".into(),
    })]);
    let (_keep, args) = bench_args(&[("stress on", no)]);
    let error = rounds::measure(&args, Stress::Live, &Progress::new(1)).unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(Outcome::ErrorRecord(_))), "{error}");
    // The stand-in accepts it and knows no other command: the first round ends the bench.
    let (_keep, args) = bench_args(&[("stress on", String::new())]);
    let error = rounds::measure(&args, Stress::Live, &Progress::new(1)).unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(Outcome::Incomplete(_))), "{error}");
}
