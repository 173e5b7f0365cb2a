extern crate std;

mod properties;
mod quotes;

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::*;
use crate::cpu::{CpuId, CpuMask};
use crate::kexec::{InitrdAsk, KexecLoad, Kind};
use crate::machine::CrashKind;
use crate::report::{BringupPolicy, Grace, TeardownMode};
use crate::shell::command::{Command, CpuChoice, Cycle, Setting};

fn good(line: &str) -> Command {
    match parse(line) {
        Ok(Some(command)) => command,
        other => panic!("{line}: {other:?}"),
    }
}

fn bad(line: &str) -> String {
    parse(line).expect_err(line).to_string()
}

fn listed(cpus: &[u16]) -> CpuChoice {
    CpuChoice::Listed(cpus.iter().map(|&cpu| CpuId(cpu)).collect())
}

#[test]
fn blank_lines_and_comments_are_nothing() {
    for line in ["", "   \t", "# reset", "  # 'open"] {
        assert_eq!(parse(line), Ok(None), "{line:?}");
    }
    assert_eq!(good("mem # reset"), Command::Mem);
}

#[test]
fn characters_that_look_like_others_are_named() {
    let quotes = bad("kexec load x --append “quiet”");
    assert_eq!(quotes, "“ (U+201C) means nothing here; type \" for it");
    assert!(bad("kexec load x –append y").contains("type - for it"));
    assert!(bad("kexec load x \u{2014}append y").contains("-- before an option"));
    assert!(bad("kexec load ‘x’").contains("type ' for it"));
    assert!(bad("cpu\u{a0}online 3").contains("(U+00A0) means nothing here; type a blank"));
    assert!(bad("cp\u{200b}us").contains("can't be seen"));
    // In quotes, in comments and behind a backslash they are letters, and so is a dash in a word.
    for line in ["files # “", "mem #\u{a0}x"] {
        assert!(parse(line).is_ok(), "{line}");
    }
    let Command::KexecLoad(load) = good("kexec load a–b --append '“a\u{a0}b” –c' --dtb \\“")
    else {
        panic!("no load")
    };
    assert_eq!((load.path.as_str(), load.append), ("a–b", Some("“a\u{a0}b” –c".into())));
    assert_eq!(load.dtb.as_deref(), Some("“"));
}

#[test]
fn commands_without_arguments() {
    let all = [
        ("cpus", Command::Cpus),
        ("hotplug", Command::Hotplug),
        ("irqs", Command::Irqs),
        ("rcu", Command::Rcu),
        ("pmu", Command::Pmu),
        ("rcu sync", Command::RcuSync { expedited: false }),
        ("mem", Command::Mem),
        ("files", Command::Files),
        ("kexec status", Command::KexecStatus),
        ("  kexec   unload ", Command::KexecUnload),
        ("dmesg", Command::Dmesg),
        ("poweroff", Command::Poweroff),
        ("reset", Command::Reset),
    ];
    for (line, command) in all {
        assert_eq!(good(line), command);
        let text = bad(&format!("{line} now"));
        assert!(text.contains("\"now\" is one word too many; try \"help "), "{text}");
        let text = bad(&format!("{line} --now"));
        assert!(text.contains("there is no option \"--now\""), "{text}");
    }
}

#[test]
fn cpus_come_and_go() {
    let policy = Some(BringupPolicy::Fanout);
    assert_eq!(
        good("cpu online 1,3-5 --policy fanout"),
        Command::CpuOnline { cpus: listed(&[1, 3, 4, 5]), policy }
    );
    assert_eq!(
        good("cpu online --policy=fanout all"),
        Command::CpuOnline { cpus: CpuChoice::All, policy }
    );
    assert_eq!(good("cpu online 511"), Command::CpuOnline { cpus: listed(&[511]), policy: None });
    let serial = Some(TeardownMode::Serial);
    assert_eq!(
        good("cpu offline 3 --teardown serial"),
        Command::CpuOffline { cpus: listed(&[3]), teardown: serial, grace: None }
    );
    assert_eq!(
        good("cpu offline all"),
        Command::CpuOffline { cpus: CpuChoice::All, teardown: None, grace: None }
    );
    assert_eq!(
        good("cpu offline all --grace once --teardown serial"),
        Command::CpuOffline { cpus: CpuChoice::All, teardown: serial, grace: Some(Grace::Once) }
    );
    assert!(bad("cpu offline all --grace twice").contains("is not each or once"));
}

#[test]
fn lists_that_are_none() {
    for list in ["512", "3-512", "5-3", "1,,2", "1,", "-3", "+1", "1-2-3", "x", "0x1", "''", "1 2"]
    {
        let text = bad(&format!("cpu online {list}"));
        assert!(text.starts_with("cpu online: "), "{text}");
        assert!(text.ends_with("; try \"help cpu online\""), "{text}");
    }
    assert_eq!(
        bad("cpu offline 600"),
        "cpu offline: LIST \"600\" is not all, or CPU numbers up to 511 as in 3, 3-9 or 1,3-5; \
         try \"help cpu offline\""
    );
    assert_eq!(bad("cpu online"), "cpu online: LIST is missing; try \"help cpu online\"");
}

#[test]
fn kexec_load_takes_what_the_next_kernel_gets() {
    let plain = KexecLoad {
        path: "baton.Image".into(),
        kind: Kind::Image,
        initrd: None,
        append: None,
        dtb: None,
        sig: None,
        at: None,
    };
    assert_eq!(good("kexec load baton.Image"), Command::KexecLoad(plain.clone()));
    assert_eq!(good("kexec load --type image baton.Image"), Command::KexecLoad(plain.clone()));
    let full = KexecLoad {
        path: "a b".into(),
        kind: Kind::Raw,
        initrd: Some(InitrdAsk::File("rootfs".into())),
        append: Some("console=ttyAMA0 x=\"y z\" --initrd".into()),
        dtb: Some("board.dtb".into()),
        sig: Some("sigs/a".into()),
        at: Some(0x4800_0000),
    };
    let line = r#"kexec load 'a b' --initrd rootfs --append "console=ttyAMA0 x=\"y z\" --initrd"
        --sig sigs/a --dtb board.dtb --at 0x48000000 --type raw"#;
    assert_eq!(good(line), Command::KexecLoad(full));
    for (word, initrd) in [("keep", InitrdAsk::Keep), ("none", InitrdAsk::None)] {
        let wanted = KexecLoad { initrd: Some(initrd), ..plain.clone() };
        assert_eq!(
            good(&format!("kexec load baton.Image --initrd {word}")),
            Command::KexecLoad(wanted)
        );
    }
    let wanted = KexecLoad { append: Some("".into()), ..plain };
    assert_eq!(good("kexec load baton.Image --append ''"), Command::KexecLoad(wanted));
}

#[test]
fn kexec_load_refuses_by_name() {
    assert!(bad("kexec load").contains("PATH is missing"));
    assert!(bad("kexec load a b").contains("\"b\" is one word too many"));
    assert!(bad("kexec load a --type elf").contains("--type \"elf\" is not image or raw"));
    assert!(bad("kexec load a --at here").contains("--at \"here\" is not an address"));
    assert!(bad("kexec load a --at 0x10000000000000000").contains("is not an address"));
    assert!(bad("kexec load a --append").contains("--append needs a value"));
    assert!(bad("kexec load a --dtb x --dtb y").contains("--dtb is given twice"));
    assert!(bad("kexec load a --inird x").contains("no option \"--inird\", perhaps --initrd"));
}

#[test]
fn kexec_exec_and_its_second_words() {
    assert_eq!(
        good("kexec exec"),
        Command::KexecExec { teardown: None, grace: None, verify: false }
    );
    let teardown = Some(TeardownMode::Parallel);
    assert_eq!(
        good("kexec exec --teardown parallel"),
        Command::KexecExec { teardown, grace: None, verify: false }
    );
    let verified = Command::KexecExec { teardown: None, grace: None, verify: true };
    assert_eq!(good("kexec exec --verify"), verified);
    assert!(bad("kexec exec --verify=off").contains("--verify"));
    assert!(bad("kexec exec --teardown fanout").contains("is not serial or parallel"));
    assert_eq!(
        bad("cpu offlin 3"),
        "cpu: \"offlin\" is neither online nor offline, perhaps offline; try \"help cpu\""
    );
    assert_eq!(bad("cpu 3"), "cpu: \"3\" is neither online nor offline; try \"help cpu\"");
    assert_eq!(bad("kexec"), "kexec: needs load, status, unload or exec; try \"help kexec\"");
    assert_eq!(
        bad("kexec jump"),
        "kexec: \"jump\" is none of load, status, unload or exec; try \"help kexec\""
    );
}

#[test]
fn cycles_start_and_go_on() {
    let start =
        Cycle { done: 0, asked: 5, teardown: None, grace: None, bringup: None, image: None };
    assert_eq!(good("cycle 5"), Command::Cycle(start));
    let on = Cycle {
        done: 3,
        asked: 5,
        teardown: Some(TeardownMode::Serial),
        grace: Some(Grace::Once),
        bringup: Some(BringupPolicy::Fanout),
        image: Some("it's one".into()),
    };
    assert_eq!(
        good(
            "cycle --done 3 --asked 5 --teardown serial --grace once --bringup fanout --image 'it'\\''s one'"
        ),
        Command::Cycle(on)
    );
    for line in ["cycle 0", "cycle -1", "cycle 4294967296", "cycle x"] {
        assert!(bad(line).contains("is not a number from 1 on"), "{}", bad(line));
    }
    assert!(bad("cycle").contains("N is missing"));
    assert!(bad("cycle --done 6 --asked 5").contains("more done than asked"));
    assert!(bad("cycle --done 1").contains("go together"));
    assert!(bad("cycle 5 --asked 5").contains("go together"));
    assert!(bad("cycle 5 --done 1 --asked 5").contains("\"5\" is one word too many"));
    assert!(bad("cycle 5 --image 'a\"b'").contains("without double quotes"));
}

#[test]
fn settings_take_free_text() {
    assert_eq!(good("set"), Command::Set(None));
    let all = [
        ("set loglevel 7", Setting::Loglevel, "7"),
        ("set fail gic:starting:3:up", Setting::Fail, "gic:starting:3:up"),
        ("set console.cpu '3'", Setting::ConsoleCpu, "3"),
        ("set irq 33 affinity 0-3,7", Setting::Irq, "33 affinity 0-3,7"),
        ("set exclusive gic:starting", Setting::Exclusive, "gic:starting"),
        ("set warm off", Setting::Warm, "off"),
        ("set fail a  b", Setting::Fail, "a b"),
    ];
    for (line, setting, value) in all {
        assert_eq!(good(line), Command::Set(Some((setting, value.into()))));
    }
    assert!(bad("set loglevel").contains("VALUE is missing"));
    assert!(bad("set volume 3").contains(
        "NAME \"volume\" is not loglevel, timeout, fail, exclusive, console.cpu, irq or warm"
    ));
}

#[test]
fn events_have_numbers_and_names() {
    let open = |cluster, event| Command::PmuOpen { cluster, event };
    assert_eq!(good("pmu open 0 cycles"), open(Some(0), 0x11));
    assert_eq!(good("pmu open all 0x19"), open(None, 0x19));
    assert_eq!(good("pmu close 63 25"), Command::PmuClose { cluster: Some(63), event: 25 });
    assert_eq!(good("pmu read"), Command::PmuRead { cluster: None });
    assert_eq!(good("pmu read 3"), Command::PmuRead { cluster: Some(3) });
    assert_eq!(good("rcu sync --expedited"), Command::RcuSync { expedited: true });
    assert!(bad("pmu open 0").contains("EVENT is missing"));
    assert!(bad("pmu open").contains("CLUSTER is missing"));
    assert!(bad("pmu open x cycles").contains("CLUSTER \"x\" is not all, or a cluster's number"));
    for event in ["0x10000", "-1", "cylces", "''"] {
        let text = bad(&format!("pmu open 0 {event}"));
        assert!(text.contains("is not a number up to 0xffff, or a name such as"), "{text}");
    }
    assert!(bad("pmu opne 0 cycles").contains("\"opne\" is one word too many; try \"help pmu\""));
    assert!(bad("pmu read 0 1").contains("\"1\" is one word too many"));
}

#[test]
fn soak_crash_and_timeline() {
    assert_eq!(good("soak 10"), Command::Soak { times: 10, cpus: None });
    assert_eq!(
        good("soak 10 --cpus 1-2"),
        Command::Soak { times: 10, cpus: Some(listed(&[1, 2])) }
    );
    assert!(bad("soak 10 --cpus 9-1").contains("--cpus \"9-1\" is not all, or CPU numbers"));
    assert!(bad("soak 0").contains("from 1 on"));
    for &kind in CrashKind::ALL {
        assert_eq!(good(&format!("crash {}", kind.name())), Command::Crash { kind, cpu: None });
    }
    assert_eq!(
        good("crash stack --cpu 7"),
        Command::Crash { kind: CrashKind::Stack, cpu: Some(CpuId(7)) }
    );
    assert!(bad("crash boom").contains("is not undef, stack, write-text, write-loaded,"));
    assert!(bad("crash null --cpu 512").contains("a CPU number up to 511"));
    assert!(bad("crash").contains("KIND is missing"));
    assert_eq!(good("timeline"), Command::Timeline { json: false });
    assert_eq!(good("timeline --json"), Command::Timeline { json: true });
    assert!(bad("timeline --json=1").contains("--json takes no value"));
}

#[test]
fn stress_has_its_own_word_and_the_old_one_leads_to_it() {
    assert_eq!(good("stress"), Command::Stress(None));
    assert_eq!(good("stress on"), Command::Stress(Some(true)));
    assert_eq!(good("stress off"), Command::Stress(Some(false)));
    assert!(bad("stress maybe").contains("STATE \"maybe\" is not on or off"));
    let wanted = "\"load\" is called \"stress\" now, and \"kexec load\" is what loads a kernel; try \"help stress\"";
    for line in ["load", "load on", "load baton.Image", "help load"] {
        assert_eq!(bad(line), wanted);
    }
}

#[test]
fn help_knows_what_it_can_explain() {
    assert_eq!(good("help"), Command::Help(None));
    for topic in ["cpus", "cpu", "cpu online", "kexec exec"] {
        assert_eq!(good(&format!("help {topic}")), Command::Help(Some(topic.into())));
    }
    assert!(bad("help me").contains("\"me\" is not a command"));
    assert!(bad("help cpu on").contains("\"cpu on\" is not a command"));
}

#[test]
fn unknown_commands_come_with_a_guess() {
    assert_eq!(bad("timline"), "\"timline\" is not a command, perhaps timeline; try \"help\"");
    assert_eq!(bad("ls"), "\"ls\" is not a command; try \"help\"");
    assert!(bad("offline 3").contains("perhaps cpu offline;"));
    assert!(bad("offlin 3").contains("perhaps cpu offline;"));
    assert!(bad("\x07\n'\r'").contains(r#""\u{7}" is not"#), "{}", bad("\x07\n'\r'"));
}
