use std::path::PathBuf;

use baton::report::{BringupAt, CommandError, Panic};
use baton::trace::Mark;

use super::*;
use crate::fake::{self, Script};

const CPUS: u32 = 4;

struct Scene {
    _keep: tempfile::TempDir,
    args: RunArgs,
}

/// A run of two cycles of each mode, whose guest answers as told.
fn scene(change: impl Fn(&str, String) -> String) -> Scene {
    let script = Script::new(CPUS);
    let cycles = |first: u32, mode: TeardownMode| {
        let jumps = (1..=2).flat_map(|done| script.jump(first + done, mode, done, 2));
        change(mode.name(), fake::print(&jumps.collect::<Vec<_>>()))
    };
    // The stand-in gives the same answer each time: it holds the traces of all kexecs.
    let [serial, parallel] = MODES;
    let traces = [(2, serial), (4, parallel), (5, serial), (6, parallel)];
    let timeline = traces.map(|(kernel, mode)| script.timeline(kernel, mode)).concat();
    let one = |kernel, mode| fake::print(&script.jump(kernel, mode, 1, 1));
    let answers = [
        ("cycle 2 --teardown serial --bringup serial", cycles(0, serial)),
        ("cycle 2 --teardown parallel --bringup parallel", cycles(2, parallel)),
        ("set warm off", String::new()),
        ("cycle 1 --teardown serial --bringup serial", one(5, serial)),
        ("cycle 1 --teardown parallel --bringup parallel", one(6, parallel)),
        ("timeline --json", fake::print(&timeline)),
        ("poweroff", change("poweroff", "EXIT".into())),
    ];
    let boot = fake::print(&[script.hello(0), script.bringup(0, BringupAt::Boot)]);
    let (keep, machine) = fake::qemu(&boot, &answers);
    let machine = Options { cpus: CPUS, ..machine };
    let limits = Limits { timeout: 20, total: 60 };
    let out = keep.path().join("report");
    fs::create_dir_all(&out).unwrap();
    Scene { args: RunArgs { machine, cycles: 2, out, limits }, _keep: keep }
}

fn outcome(scene: &Scene) -> Outcome {
    let error = drive(&scene.args).map(|_| ()).unwrap_err();
    error.downcast::<Outcome>().unwrap()
}

#[test]
fn a_good_run_leaves_a_whole_report() {
    let scene = scene(|_, text| text);
    let run = drive(&scene.args).unwrap();
    assert_eq!(run.records.len(), 2 + (2 * 2 + 2) * 5);
    let report = Report::new(&scene.args.machine, "QEMU 1", 2, run).unwrap();
    assert_eq!(
        report.jumps.iter().map(|j| j.mode().as_str()).collect::<Vec<_>>(),
        ["serial", "serial", "parallel", "parallel", "serial", "parallel"]
    );
    let traces = report.traces.iter().map(|t| (t.kexec.generation, t.warm));
    assert_eq!(traces.collect::<Vec<_>>(), [(2, true), (4, true), (5, false), (6, false)]);
    write(&scene.args.out, &report).unwrap();
    let size = |name: &str| fs::metadata(scene.args.out.join(name)).unwrap().len();
    assert!(
        ["report.json", "index.html", "trace.json", "console.log"].iter().all(|n| size(n) > 1000)
    );
    let picture = scene.args.out.join("both.svg");
    let svg = crate::timeline::beside(&timelines(&report), 900.0); // four narrow panels
    save(&picture, &svg, "").unwrap();
}

#[test]
fn a_panic_between_two_kexecs_is_named() {
    let (what, place) = ("guard page hit".to_string(), "x.rs:9".to_string());
    let panic = Record::Panic(Panic { what, place, cpu: Some(3), mark: Mark::Alive.into() });
    let text = fake::print(&[panic]);
    let scene = scene(|mode, good| if mode == "parallel" { format!("{text}HANG") } else { good });
    let outcome = outcome(&scene);
    assert_eq!(outcome, Outcome::Panic("guard page hit at x.rs:9 on CPU 3 (ALIVE)".into()));
    assert_eq!(outcome.exit_code(), 10);
    let log = fs::read_to_string(scene.args.out.join("console.log")).unwrap();
    assert!(log.contains("guard page hit"));
}

#[test]
fn silence_after_a_command_is_a_timeout() {
    let mut scene = scene(|mode, good| if mode == "serial" { "HANG".into() } else { good });
    scene.args.limits.timeout = 1;
    let outcome = outcome(&scene);
    assert!(matches!(outcome, Outcome::Timeout { .. }), "{outcome}");
}

#[test]
fn the_total_ends_a_run_whose_guest_goes_on_talking() {
    let mut scene = scene(|mode, good| if mode == "serial" { "HANG".into() } else { good });
    scene.args.limits = Limits { timeout: 50, total: 2 };
    let start = Instant::now();
    assert!(matches!(outcome(&scene), Outcome::Timeout { .. }));
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn an_early_end_an_error_and_a_lost_cpu_each_have_their_name() {
    let early = scene(|mode, good| if mode == "parallel" { "EXIT".into() } else { good });
    assert_eq!(outcome(&early).exit_code(), 12);
    let (what, place) = ("no image; kexec load one".to_string(), "cycle".to_string());
    let refusal = fake::print(&[Record::Error(CommandError { what, place })]);
    let refused = scene(|mode, good| if mode == "serial" { refusal.clone() } else { good });
    assert_eq!(outcome(&refused), Outcome::ErrorRecord("no image; kexec load one (cycle)".into()));
    let lost =
        scene(
            |mode, good| {
                if mode == "serial" { good.replace("\"online\":3", "\"online\":2") } else { good }
            },
        );
    let run = drive(&lost.args).unwrap();
    let outcome = Report::new(&lost.args.machine, "", 2, run).unwrap_err();
    assert!(matches!(outcome, Outcome::Incomplete(_)), "{outcome}");
}

#[test]
fn a_timeline_of_one_kernel_only_is_not_enough() {
    let script = Script::new(CPUS);
    let kexec = script.kexec(3, TeardownMode::Serial);
    let mut records = script.timeline(3, TeardownMode::Serial);
    assert_eq!(check_trace(&kexec, &records), Ok(()));
    records.retain(|r| !matches!(r, Record::Step(step) if step.generation == 2));
    assert!(check_trace(&kexec, &records).unwrap_err().to_string().contains("kernel 2"));
}

#[test]
fn a_report_that_cannot_be_written_is_named() {
    let path = PathBuf::from("/nowhere/report.json");
    assert!(save(&path, "", "").unwrap_err().to_string().contains("/nowhere/report.json"));
}
