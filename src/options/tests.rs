extern crate std;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::config::MAX_BOOTARGS_READ;
use crate::cpu::CpuId;
use crate::trace::Dir;

fn parse(line: &str) -> (Options, Vec<String>) {
    let (options, warnings) = Options::parse(&line.into());
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
         cpuhp.grace=once rcu.tick=250 loglevel=7 kexec.sig=check kexec.verify=on run=\"cpus; kexec load 'a b'\"",
    );
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!((options.bringup, options.teardown), (BringupPolicy::Fanout, TeardownMode::Serial));
    assert_eq!((options.grace, options.tick_hz), (Some(Grace::Once), Some(250)));
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
fn what_a_boot_loader_was_told_of_is_no_concern_of_the_kernel() {
    let (options, warnings) = parse("maxcpus=2 initrd=\\files.cpio initrd=initrd BOOT_IMAGE=/x");
    assert_eq!((options.maxcpus, warnings.len()), (Some(2), 0));
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
        ("cpuhp.grace=none", "\"none\" is none of each, once"),
        ("rcu.tick=10001", "not a number in range"),
        ("rcu.tick=fast", "not a number in range"),
        ("cpuhp.teardown=fanout", "\"fanout\" is none of serial, parallel"),
        ("cpuhp.bringup", "needs a value"),
        ("maxcpus=-1", "not a number"),
        ("maxcpus=", "not a number"),
        ("maxcpus=99999999999999999999", "not a number"),
        ("loglevel=8", "not a number in range"),
        ("cpuhp.fail=:3", "no step is named"),
        ("cpuhp.fail=gic:3:sideways", "\"sideways\" does not belong there"),
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
    let slips = [
        "kexec.sig=maybe",
        "kexec.sig",
        "kexec.sig=",
        "kexec.sig=OFF",
        "KEXEC.SIG=enforce",
        "Kexec.Sig=off",
        "kexec-sig=enforce",
        "kexec_sig=off",
        "kexec.sg=check",
        "kexec.sig\"=\"check",
        "quiet\u{a0}kexec.sig=enforce",
        "kexec.sig=off\u{a0}quiet",
        "\u{a0}kexec.sig=off",
        "loglevel=3,kexec.sig=check",
        "x=\"a kexec.sig=off\"",
        "run=cpus\u{a0}kexec.sig=enforce",
        "run=\"cpus\"\u{a0}kexec.sig=enforce",
        "\"kexec.sig=enforce more\"",
    ];
    for word in slips {
        let (options, warnings) = parse(&format!("kexec.sig=off {word}"));
        assert_eq!((options.signatures, options.verify), (Signatures::Enforce, true), "{word}");
        assert!(warnings[0].ends_with("; taken for enforce"), "{}", warnings[0]);
    }
    for &mode in Signatures::ALL {
        let (options, warnings) = parse(&format!("kexec.sig={mode}"));
        assert_eq!((options.signatures, warnings.len()), (mode, 0));
    }
    for line in ["\"kexec.sig=check\"", "kexec.sig=\"check\""] {
        assert_eq!((parse(line).0.signatures, parse(line).1.len()), (Signatures::Check, 0));
    }
}

#[test]
fn names_of_options_in_commands_and_longer_words_are_no_slips() {
    for line in [
        "run=\"kexec load x --append 'kexec.sig=enforce'; poweroff\"",
        "\"run=kexec load x --append kexec.verify=on\"",
        "BOOT_IMAGE=/kexec.signed/Image module.sig_enforce=1",
    ] {
        let (options, _) = parse(line);
        assert_eq!((options.signatures, options.verify), (Signatures::Off, false), "{line}");
    }
}

#[test]
fn of_several_the_strictest_holds() {
    for line in ["kexec.sig=enforce kexec.sig=off", "kexec.sig=off kexec.sig=enforce"] {
        assert_eq!(parse(line).0.signatures, Signatures::Enforce, "{line}");
    }
    for line in ["kexec.verify=on kexec.verify=off", "kexec.verify=off kexec.verify=on"] {
        assert!(parse(line).0.verify, "{line}");
    }
    let (_, warnings) = parse("kexec.sig=check kexec.sig=off");
    assert_eq!(warnings, ["option kexec.sig=off: a stricter one holds; ignored"]);
}

#[test]
fn enforce_implies_the_second_look_unless_it_is_turned_off() {
    let verify = |line| parse(line).0.verify;
    assert!(!verify("kexec.sig=check") && verify("kexec.sig=enforce"));
    assert!(!verify("kexec.sig=enforce kexec.verify=off"));
    for slip in ["kexec.verify=1", "kexec.verify", "kexec.verify=OFF", "kexec-verify=off"] {
        let (options, warnings) = parse(slip);
        assert_eq!((options.signatures, options.verify), (Signatures::Off, true), "{slip}");
        assert!(warnings[0].contains(slip) && warnings[0].ends_with("; taken for on"));
    }
}

#[test]
fn what_closes_a_door_counts_behind_two_dashes_too() {
    let (options, warnings) = parse("quiet -- single kexec.sig=enforce");
    assert_eq!(options.signatures, Signatures::Enforce);
    let wanted = "option kexec.sig=enforce: it stands behind --, where words are for init; taken \
                  for enforce";
    assert_eq!(warnings[1], wanted);
    assert!(parse("-- kexec.verify=on").0.verify);
    let (options, warnings) = parse("kexec.sig=enforce -- kexec.verify=off");
    assert!(options.verify && warnings[0].ends_with("; ignored"), "{warnings:?}");
}

/// What a property holds, and what of the text is not known.
#[test]
fn a_command_line_that_is_not_known_in_full_is_taken_for_enforce() {
    let long = [&b"quiet "[..], &[b'a'; MAX_BOOTARGS_READ], b" kexec.sig=enforce\0"].concat();
    let cases: [(&[&[u8]], Doubt, &str); 6] = [
        (&[&long], Doubt::Cut { at: MAX_BOOTARGS_READ }, "is cut at 16384 bytes"),
        (&[b"quiet"], Doubt::NoEnd, "has no NUL at its end"),
        (&[b""], Doubt::NoEnd, "has no NUL at its end"),
        (&[b"quiet\0kexec.sig=off\0"], Doubt::Behind { at: 5 }, "ends with a NUL at byte 5"),
        (&[b"quiet\0", b"\0"], Doubt::Several, "several command lines"),
        (&[b"x=\"quiet\0"], Doubt::OpenQuote, "a quote"),
    ];
    for (values, doubt, said) in cases {
        let line = CommandLine::of_tree(values);
        assert_eq!(line.doubt(), Some(doubt));
        let (options, warnings) = Options::parse(&line);
        assert_eq!((options.signatures, options.verify), (Signatures::Enforce, true));
        let last = warnings.last().unwrap().to_string();
        assert!(last.starts_with("kexec.sig: ") && last.contains(said), "{last}");
        assert!(last.ends_with("unknown; taken for enforce") || doubt == Doubt::Several, "{last}");
    }
    for value in [&b"quiet\0"[..], b"\0", b"quiet\0\0\0", b"x=\"a b\" -- \"\"\0"] {
        assert_eq!(CommandLine::of_tree(&[value]).doubt(), None);
    }
    assert_eq!(CommandLine::of_tree(&[]), CommandLine::default());
}

#[test]
fn a_long_command_line_is_read_to_its_end() {
    let line = [&[b'a'; 5000][..], b" kexec.sig=check loglevel=3\0"].concat();
    let (options, warnings) = Options::parse(&CommandLine::of_tree(&[&line]));
    assert_eq!((options.signatures, options.loglevel), (Signatures::Check, 3));
    assert_eq!(warnings.len(), 1);
}

#[test]
fn a_byte_that_is_no_text_costs_its_word() {
    let line = CommandLine::from(&b"loglevel=3 name=caf\xe9 run=\xff maxcpus=2"[..]);
    let (options, warnings) = Options::parse(&line);
    assert_eq!((options.loglevel, options.maxcpus, options.run), (3, Some(2), None));
    assert_eq!(warnings[0].to_string(), "option name=caf\\xe9: not known here; ignored");
    assert_eq!(warnings[1].to_string(), "option run=\\xff: its value is no UTF-8; ignored");
    assert_eq!(without_run(&line).bytes(), b"loglevel=3 name=caf\xe9 maxcpus=2");
    assert_eq!(line.to_string(), "loglevel=3 name=caf\\xe9 run=\\xff maxcpus=2");
}

#[test]
fn a_word_is_added_before_those_of_init_and_nothing_else_changes() {
    let cases = [
        ("", "new"),
        ("a  \"b  c\"", "a  \"b  c\" new"),
        ("a ", "a new"),
        ("a -- b", "a new -- b"),
        ("-- b", "new -- b"),
    ];
    for (line, wanted) in cases {
        assert_eq!(CommandLine::from(line).with("new"), wanted.into(), "{line}");
    }
    let line = CommandLine::from("x cpuhp.bringup=serial  y -- cpuhp.bringup=fanout");
    assert_eq!(line.without("cpuhp.bringup"), "x  y -- cpuhp.bringup=fanout".into());
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
    assert_eq!(without_run(&"a -- run=x".into()), "a -- run=x".into());
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
        assert_eq!(without_run(&line.into()), wanted.into(), "{line}");
    }
}

#[test]
fn what_a_script_was_taken_to_close_stays_closed_without_it() {
    let enforced = "a kexec.sig=enforce";
    let cases = [
        ("a run=\" kexec.sig=\"+", enforced),
        ("a run=x,kexec.sig=off", enforced),
        ("a run=x,kexec.verify", "a kexec.verify=on"),
        ("a kexec.verify=off run=x,kexec.sig=off", "a kexec.verify=off kexec.sig=enforce"),
        ("run=x,kexec.sig=off -- b", "kexec.sig=enforce -- b"),
        ("a kexec.sig=check run=\"kexec.sig=off\"", "a kexec.sig=check"),
    ];
    for (line, wanted) in cases {
        assert_eq!(without_run(&line.into()), wanted.into(), "{line}");
    }
}

proptest! {
    #[test]
    fn no_command_line_panics_and_none_keeps_its_run(line in ".{0,80}", tail in ".{0,40}") {
        let line = format!("{line} run=\"{tail}");
        let line = CommandLine::from(line);
        let (_, warnings) = Options::parse(&line);
        warnings.iter().for_each(|w| drop(w.to_string()));
        prop_assert_eq!(Options::parse(&without_run(&line)).0.run, None);
    }

    #[test]
    fn option_like_texts_do_not_panic(words in proptest::collection::vec(
        "(cpuhp\\.(fail|bringup)|run|maxcpus|loglevel|kexec\\.sig|kexec\\.verify|--|\")=?[a-z0-9:\" +x-]{0,12}", 0..8)) {
        let line = CommandLine::from(words.join(" "));
        let (options, _) = Options::parse(&line);
        prop_assert!(options.loglevel <= MAX_LOGLEVEL);
        prop_assert!(options.fail.iter().all(|f| f.times > 0 && !f.step.is_empty()));
        let again = Options::parse(&without_run(&line)).0;
        prop_assert_eq!(again.run, None);
        prop_assert_eq!((again.fail, again.maxcpus), (options.fail, options.maxcpus));
        prop_assert_eq!((again.signatures, again.verify), (options.signatures, options.verify));
    }
}
