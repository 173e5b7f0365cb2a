extern crate std;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::cpu::CpuId;
use crate::trace::Dir;

fn parse(line: &str) -> (Options, Vec<String>) {
    let (options, warnings) = Options::parse(line);
    (options, warnings.iter().map(ToString::to_string).collect())
}

fn spec(step: &str, cpu: Option<u16>, dir: Option<Dir>, times: u32) -> FailSpec {
    FailSpec { step: step.to_string(), cpu: cpu.map(CpuId), dir, times }
}

#[test]
fn nothing_asked_for_means_parallel_and_loglevel_6() {
    let (options, warnings) = parse("  \t ");
    assert_eq!(
        (options.bringup, options.teardown),
        (BringupPolicy::Parallel, TeardownMode::Parallel)
    );
    assert_eq!((options.loglevel, options.maxcpus, options.run), (6, None, None));
    assert!(options.fail.is_empty() && warnings.is_empty());
}

#[test]
fn every_option_is_understood() {
    let (options, warnings) = parse(
        "cpuhp.bringup=fanout cpuhp.teardown=serial maxcpus=8 cpuhp.fail=gic:starting:3:down cpuhp.fail=timer \
         loglevel=7 kexec.sig=check kexec.verify=on run=\"cpus; kexec load 'a b'\"",
    );
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!((options.bringup, options.teardown), (BringupPolicy::Fanout, TeardownMode::Serial));
    assert_eq!((options.maxcpus, options.loglevel), (Some(8), 7));
    assert_eq!((options.signatures, options.verify), (Signatures::Check, true));
    assert_eq!(options.run.as_deref(), Some("cpus; kexec load 'a b'"));
    let wanted = [spec("gic:starting", Some(3), Some(Dir::Down), 1), spec("timer", None, None, 1)];
    assert_eq!(options.fail, wanted);
}

#[test]
fn the_last_value_counts() {
    let (options, warnings) = parse("maxcpus=3 maxcpus=0x10 run=a run=b");
    assert_eq!((options.maxcpus, options.run.as_deref()), (Some(16), Some("b")));
    assert!(warnings.is_empty());
}

#[test]
fn words_of_other_kernels_are_named_and_ignored() {
    let line = "console=ttyAMA0 earlycon root=\"/dev/a b\" quiet ro maxcpus=2";
    let (options, warnings) = parse(line);
    assert_eq!(options.maxcpus, Some(2));
    assert_eq!(warnings.len(), 5);
    assert_eq!(warnings[0], "option console=ttyAMA0: not known here; ignored");
    assert!(warnings[2].contains("/dev/a b"), "{}", warnings[2]);
}

#[test]
fn a_slip_is_recognised() {
    let (_, warnings) = parse("cpuhp.bringp=serial");
    assert_eq!(warnings, ["option cpuhp.bringp=serial: not known, perhaps cpuhp.bringup; ignored"]);
}

#[test]
fn malformed_values_change_nothing_and_say_why() {
    let bad = [
        ("cpuhp.bringup=fast", "\"fast\" is none of serial, parallel, fanout"),
        ("cpuhp.teardown=fanout", "\"fanout\" is none of serial, parallel"),
        ("cpuhp.bringup", "needs a value"),
        ("maxcpus=-1", "not a number"),
        ("maxcpus=", "not a number"),
        ("maxcpus=99999999999999999999", "not a number"),
        ("loglevel=8", "not a number in range"),
        ("cpuhp.fail=:3", "no step is named"),
        ("cpuhp.fail=gic:3:sideways", "\"sideways\" does not belong there"),
        ("kexec.verify=1", "neither on nor off"),
        ("kexec.verify", "needs a value"),
        ("model=altra-80", "not available"),
    ];
    for (word, why) in bad {
        let (options, warnings) = parse(word);
        assert_eq!(options, Options::default(), "{word}");
        assert_eq!(warnings.len(), 1, "{word}");
        assert!(warnings[0].contains(why) && warnings[0].contains(word), "{}", warnings[0]);
    }
}

#[test]
fn a_slip_in_kexec_sig_leaves_no_door_open() {
    for word in ["kexec.sig=maybe", "kexec.sig", "kexec.sig=", "kexec.sig=OFF"] {
        let (options, warnings) = parse(&format!("kexec.sig=off {word}"));
        assert_eq!(options.signatures, Signatures::Enforce, "{word}");
        assert!(warnings[0].ends_with("; taken for enforce"), "{}", warnings[0]);
    }
    for &mode in Signatures::ALL {
        let (options, warnings) = parse(&format!("kexec.sig={mode}"));
        assert_eq!((options.signatures, warnings.len()), (mode, 0));
    }
}

#[test]
fn quotes_stand_around_values_and_around_whole_words() {
    for line in ["run=\"a; b\"", "\"run=a; b\"", "run=\"a; b"] {
        assert_eq!(parse(line).0.run.as_deref(), Some("a; b"), "{line}");
    }
    let inner = parse("run=a\" \"b loglevel=1").0;
    assert_eq!((inner.run.as_deref(), inner.loglevel), (Some("a\" \"b"), 1));
}

#[test]
fn what_stands_after_two_dashes_is_for_init() {
    let (options, warnings) = parse("loglevel=3 -- loglevel=5 foo");
    assert_eq!((options.loglevel, warnings.len()), (3, 0));
    assert_eq!(without_run("a -- run=x"), "a -- run=x");
}

#[test]
fn fail_fields_may_be_left_out_or_left_empty() {
    let good = [
        ("gic", spec("gic", None, None, 1)),
        ("gic:starting", spec("gic:starting", None, None, 1)),
        ("gic:starting::down", spec("gic:starting", None, Some(Dir::Down), 1)),
        ("gic:7", spec("gic", Some(7), None, 1)),
        ("gic:up", spec("gic", None, Some(Dir::Up), 1)),
        ("gic:up:3", spec("gic", None, Some(Dir::Up), 3)),
        ("gic:7:3", spec("gic", Some(7), None, 3)),
        ("gic:7:down:4", spec("gic", Some(7), Some(Dir::Down), 4)),
        ("gic:::9", spec("gic", None, None, 9)),
        ("gic::down", spec("gic", None, Some(Dir::Down), 1)),
    ];
    for (text, wanted) in good {
        assert_eq!(text.parse(), Ok(wanted.clone()), "{text}");
        assert_eq!(wanted.to_string().parse(), Ok(wanted), "{text}");
    }
}

#[test]
fn fail_fields_in_the_wrong_place_are_named() {
    let bad = [
        "gic:512",
        "gic:+1",
        "gic:up:down",
        "gic:up:0",
        "gic:1:2:3",
        "gic:1:up:1:1",
        "gic:up:x",
        "gic::x",
    ];
    for text in bad {
        let field = text.rsplit(':').next().unwrap().to_string();
        assert_eq!(text.parse::<FailSpec>(), Err(FailError::Field(field)), "{text}");
    }
    for text in ["", ":", "3:up", "up", "down:gic"] {
        assert_eq!(text.parse::<FailSpec>(), Err(FailError::NoStep), "{text}");
    }
}

#[test]
fn run_goes_and_all_other_bytes_stay() {
    let cases = [
        ("a run=x b", "a b"),
        ("run=\"x; y\"  a", " a"),
        ("a\trun=x", "a"),
        ("run=x", ""),
        ("a  \"run=x y\"  b ", "a   b "),
        ("run=x run=y z", "z"),
        ("a run=x run=y", "a"),
        ("prerun=x \"a run=x\" run", "prerun=x \"a run=x\" run"),
        (" a é\" ", " a é\" "),
    ];
    for (line, wanted) in cases {
        assert_eq!(without_run(line), wanted, "{line}");
    }
}

proptest! {
    #[test]
    fn no_command_line_panics_and_none_keeps_its_run(line in ".{0,80}", tail in ".{0,40}") {
        let line = format!("{line} run=\"{tail}");
        let (_, warnings) = Options::parse(&line);
        warnings.iter().for_each(|w| drop(w.to_string()));
        prop_assert_eq!(Options::parse(&without_run(&line)).0.run, None);
    }

    #[test]
    fn option_like_texts_do_not_panic(words in proptest::collection::vec(
        "(cpuhp\\.(fail|bringup)|run|maxcpus|loglevel|kexec\\.sig|kexec\\.verify|--|\")=?[a-z0-9:\" +x-]{0,12}", 0..8)) {
        let line = words.join(" ");
        let (options, _) = Options::parse(&line);
        prop_assert!(options.loglevel <= MAX_LOGLEVEL);
        prop_assert!(options.fail.iter().all(|f| f.times > 0 && !f.step.is_empty()));
        let again = Options::parse(&without_run(&line)).0;
        prop_assert_eq!(again.run, None);
        prop_assert_eq!((again.fail, again.maxcpus), (options.fail, options.maxcpus));
    }
}
