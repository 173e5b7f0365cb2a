use super::*;
use judge::{differences, words};

fn lines(text: &str) -> Vec<String> {
    text.lines().map(String::from).collect()
}

#[test]
fn only_what_differs_beyond_times_and_known_things_is_a_difference() {
    let cold = words(lines("[    0.000000] psci: PSCIv1.1 detected\n[    0.1] Memory: 5K").iter());
    let same =
        words(lines("[    0.200000] psci: PSCIv1.1 detected\r\n[    0.1] Memory: 6K").iter());
    assert_eq!((cold.len(), differences(&cold, &same)), (1, vec![]));
    let other = words(lines("[ 0.2] psci: PSCIv0.2 detected\n[ 0.3] clk: unused").iter());
    let different: Vec<_> = differences(&cold, &other).into_iter().map(|d| d.after).collect();
    assert_eq!(different, [false, true]);
}

#[test]
fn a_linux_that_lacks_anything_is_named() {
    let good = Said {
        online: "0-3".into(),
        level: "EL2".into(),
        hyp: true,
        refused: Some(0),
        differences: vec![],
    };
    assert!(judge::all(std::slice::from_ref(&good), 4, true).is_ok());
    let why = |said: Said| judge::all(&[good.clone(), said], 4, true).unwrap_err().to_string();
    assert!(why(Said { online: "0-2".into(), ..good.clone() }).contains("Linux 2 has CPUs 0-2"));
    assert!(why(Said { level: "EL1".into(), ..good.clone() }).contains("EL1, not EL2"));
    assert!(why(Said { hyp: false, ..good.clone() }).contains("KVM is missing"));
    assert!(why(Said { refused: Some(2), ..good.clone() }).contains("2 CPUs"));
    let line = "psci: gone".to_string();
    let differences = vec![Difference { after: false, line }];
    let why = why(Said { differences, ..good.clone() });
    assert!(why.contains("only after a cold boot: psci: gone"), "{why}");
}

#[test]
fn every_kernel_and_number_of_the_report_has_its_row() {
    let jump = |from, to| Jump {
        from,
        to,
        instruction_ns: Some(500_000),
        first_word_ns: 1_000_000,
        online_ns: 2_000_000,
    };
    let jumps = [jump(System::Baton, System::Linux), jump(System::Linux, System::Baton)];
    let text = show_jumps(&jumps);
    assert!(text.contains("3.00 ms") && text.contains("Linux"), "{text}");
    let text = show_linux(&[Said { online: "0-7".into(), refused: Some(0), ..Said::default() }]);
    assert!(text.contains("0-7"), "{text}");
}

#[test]
fn times_and_ticks_are_read_from_what_linux_says() {
    let stamp = teardown::stamp;
    assert_eq!(stamp("[    2.345678] kexec_core: Starting new kernel"), Some(2_345_678_000));
    assert_eq!(stamp("[ 1234.000001][    T1] baton: offline begins"), Some(1_234_000_001_000));
    for line in ["Bye!", "[ 2.34] Bye!", "[x.345678] Bye!", "Bye! [2.345678", ""] {
        assert_eq!(stamp(line), None, "{line}");
    }
    assert_eq!(
        teardown::hz("# CONFIG_HZ_100 is not set\nCONFIG_HZ_250=y\nCONFIG_HZ=250\n"),
        Some(250)
    );
    assert_eq!(teardown::hz("CONFIG_HZ_250=y"), None);
}
