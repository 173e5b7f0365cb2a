use super::*;
use crate::fake::{self, Script};
use baton::report::{BringupAt, TeardownMode};

const DEBIAN: &str = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)";

fn column(version: &str) -> Column {
    Column::new(&format!("QEMU emulator version {version}"), "rustc 1.96.0").unwrap()
}

fn figure(cpus: u32, warm: bool, group: Group, name: &str, instructions: u64) -> Figure {
    Figure { key: Key { cpus, warm, group, name: name.into() }, instructions }
}

fn figures(off: u64, gic: u64) -> Vec<Figure> {
    vec![
        figure(80, true, Group::Kexec, "blackout", 1_000_000),
        figure(80, true, Group::Down, "off", off),
        figure(80, true, Group::StepDown, "gic:starting", gic),
        figure(80, true, Group::StepDown, "timer:starting", 40_000),
    ]
}

fn table() -> Table {
    let mut table = Table::default();
    table.replace(column("7.2.22"), figures(100_000, 50_000));
    table
}

fn verdict(off: u64, gic: u64) -> Verdict {
    Verdict::new(&table(), &column("7.2.9"), &figures(off, gic))
}

#[test]
fn versions_are_read_and_others_are_none() {
    let line = |said: &str| Column::new(said, "").map(|column| column.line);
    assert_eq!(line(DEBIAN), Some((7, 2)));
    assert_eq!(line("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)"), Some((10, 0)));
    assert_eq!(line("QEMU emulator version 11.0.50 (v11.0.0-123-gabcdef)"), Some((11, 0)));
    assert_eq!(line("QEMU emulator version 10.1.0-rc1"), Some((10, 1)));
    assert_eq!([line("QEMU"), line("version"), line("QEMU version new")], [None; 3]);
}

#[test]
fn a_table_is_what_was_written() {
    let mut table = table();
    table.replace(column("10.0.1"), figures(90_000, 45_000));
    let text = table.to_string();
    assert_eq!(Table::parse(&text).unwrap(), table, "{text}");
    assert!(text.contains("column 7.2 | QEMU emulator version 7.2.22 | rustc 1.96.0\n"), "{text}");
    let line = text.lines().find(|line| line.contains("| off ")).unwrap();
    assert!(line.ends_with("|   100,000 |    90,000"), "{text}");
    // The same line of versions replaces its column, and leaves the other alone.
    table.replace(column("10.0.4"), figures(80_000, 45_000));
    assert_eq!(table.figures(table.column(&column("7.2.1")).unwrap())[1].instructions, 100_000);
    assert_eq!(table.figures(table.column(&column("10.0.9")).unwrap())[1].instructions, 80_000);
}

#[test]
fn a_figure_that_one_column_lacks_is_a_gap() {
    let mut table = table();
    let mut more = figures(1, 1);
    more.push(figure(8, false, Group::Up, "tree", 7));
    table.replace(column("11.0.0"), more);
    let again = Table::parse(&table.to_string()).unwrap();
    assert_eq!(
        (again.rows(), again.figures(again.nearest(&column("7.2.0")).unwrap()).len()),
        (5, 4)
    );
}

#[test]
fn a_broken_table_names_its_line() {
    let text = table().to_string();
    for (from, to) in [
        ("100,000", "many"),
        ("| on ", "| no "),
        ("| step down", "| step side"),
        ("column 7.2 |", "column new |"),
        ("blackout", "black | out"),
        ("figure         |", "figure         | 9."),
    ] {
        let broken = text.replacen(from, to, 1);
        assert_ne!(broken, text, "{from}");
        let error = format!("{:#}", Table::parse(&broken).unwrap_err());
        assert!(error.starts_with("line "), "{from}: {error}");
    }
}

#[test]
fn within_a_hundredth_all_is_well() {
    for off in [97_000, 100_000, 101_000, 101_064] {
        let verdict = verdict(off, 50_000);
        assert_eq!(verdict.failure(), None, "{off}");
        assert!(verdict.to_string().contains("2 of 2 figures"), "{verdict}");
    }
}

#[test]
fn what_costs_more_is_shown_with_its_steps() {
    let verdict = verdict(111_000, 60_000);
    let why = verdict.failure().unwrap();
    assert!(
        why.contains("more than 1 % over the table: 1;") && why.contains("make bench-table"),
        "{why}"
    );
    let text = verdict.to_string();
    let words = |name: &str| {
        let line = text.lines().find(|line| line.contains(name)).unwrap_or_default();
        line.split_whitespace().map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(
        words(" off "),
        ["80", "on", "down", "off", "100,000", "111,000", "+11.0", "%", "DEARER"]
    );
    assert_eq!(words("gic:starting")[4..], ["gic:starting", "50,000", "60,000", "+20.0", "%"]);
    assert!(!text.contains("timer:starting"), "{text}");
    let width = |line: &str| line.chars().count();
    let lines: Vec<&str> = text.lines().skip(1).filter(|line| !line.contains(" of ")).collect();
    assert!(lines.iter().all(|line| width(line) == width(lines[0])), "{text}");
}

#[test]
fn what_costs_much_less_asks_for_a_new_table() {
    let why = verdict(96_000, 50_000).failure().unwrap();
    assert!(why.contains("none of them dearer") && why.contains("make bench-table"), "{why}");
    // A phase that is new, and one that has gone.
    let mut figures = figures(100_000, 50_000);
    figures[1].key.name = "swept".into();
    let verdict = Verdict::new(&table(), &column("7.2.9"), &figures);
    assert!(verdict.failure().unwrap().contains("any more: 2,"), "{verdict}");
    let text = verdict.to_string();
    assert!(text.contains("gone") && text.contains("new"), "{text}");
}

#[test]
fn another_qemu_or_compiler_is_information_and_no_failure() {
    let figures = figures(200_000, 50_000);
    let other = Verdict::new(&table(), &column("10.0.2"), &figures);
    assert_eq!(other.failure(), None);
    let text = other.to_string();
    assert!(
        text.contains("no column for QEMU emulator version 10.0.2; the nearest is 7.2"),
        "{text}"
    );
    assert!(text.contains("+100.0 %"), "{text}");
    let compiler = Column { rustc: "rustc 1.97.0".into(), ..column("7.2.22") };
    let other = Verdict::new(&table(), &compiler, &figures);
    assert_eq!(other.failure(), None);
    assert!(other.to_string().contains("is of rustc 1.96.0, this is rustc 1.97.0"), "{other}");
    let empty = Verdict::new(&Table::default(), &compiler, &figures);
    assert_eq!(empty.failure(), None);
    assert!(empty.to_string().contains("the table is empty"), "{empty}");
}

#[test]
fn machines_that_were_not_measured_are_not_missed() {
    let mut table = Table::default();
    let mut all = figures(100_000, 50_000);
    all.push(figure(8, true, Group::Down, "off", 9_000));
    all.push(figure(80, false, Group::Down, "off", 9_000));
    table.replace(column("7.2.22"), all);
    let verdict = Verdict::new(&table, &column("7.2.22"), &figures(100_000, 50_000));
    assert_eq!(verdict.failure(), None, "{verdict}");
}

#[test]
fn both_ways_of_one_machine_are_measured() {
    let script = Script::new(4);
    let parallel = TeardownMode::Parallel;
    let jumps = |first: u32, asked: u32| {
        let each = (1..=asked).flat_map(|done| script.jump(first + done, parallel, done, asked));
        fake::print(&each.collect::<Vec<_>>())
    };
    // The stand-in gives the same answer each time: it holds the traces of both kexecs.
    let traces = [script.timeline(2, parallel), script.timeline(3, parallel)].concat();
    let answers = [
        ("cycle 2 --teardown parallel --bringup parallel", jumps(0, 2)),
        ("set warm off", String::new()),
        ("cycle 1 --teardown parallel --bringup parallel", jumps(2, 1)),
        ("timeline --json", fake::print(&traces)),
    ];
    let boot = fake::print(&[script.hello(0), script.bringup(0, BringupAt::Boot)]);
    let (_keep, machine) = fake::qemu(&boot, &answers);
    let mut guest = crate::Guest::start(&Options { cpus: 4, ..machine }).unwrap();
    let silence = std::time::Duration::from_secs(20);
    let figures = measure(&mut guest, 4, silence, &Progress::silent()).unwrap();
    let of = |warm: bool, group: Group, name: &str| {
        let same =
            |f: &&Figure| (f.key.warm, f.key.group, f.key.name.as_str()) == (warm, group, name);
        figures.iter().find(same).map(|figure| figure.instructions)
    };
    for warm in [true, false] {
        let blackout = script.kexec(1, parallel).blackout_ns;
        assert_eq!(of(warm, Group::Kexec, "blackout"), Some(blackout));
        assert_eq!(of(warm, Group::StepUp, "gic:starting"), Some(3 * 12_000));
        assert!(of(warm, Group::Down, "off").is_some() && of(warm, Group::Up, "kick").is_some());
    }
}
