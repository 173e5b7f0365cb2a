use super::*;
use baton::report::Record;

#[test]
fn every_kind_of_machine_is_there_once_and_both_ends_for_each_gic_and_level() {
    let all = kinds(&[1, 8, 80]);
    assert_eq!(all.len(), 10);
    assert!(all.iter().all(|kind| kind.gic == Gic::V3 || kind.cpus <= 8));
    for (el2, gic) in [(false, Gic::V2), (false, Gic::V3), (true, Gic::V2), (true, Gic::V3)] {
        let of: Vec<_> = all.iter().filter(|kind| (kind.el2, kind.gic) == (el2, gic)).collect();
        for end in [End::PowerOff, End::Reset] {
            assert!(of.iter().any(|kind| kind.end == end), "{el2} {gic:?} without {end:?}");
        }
    }
}

#[test]
fn the_mode_of_kvm_is_read_from_its_line() {
    let line = "[    0.7] kvm [1]: VHE mode initialized successfully";
    assert_eq!(kvm(line).as_deref(), Some("VHE"));
    assert_eq!(kvm("[    0.7] kvm [1]: HYP mode not available"), None);
}

#[test]
fn after_a_reset_baton_starts_anew_with_all_cpus() {
    let hello = |generation| match crate::fake::Script::new(4).hello(generation) {
        Record::Hello(hello) => hello,
        other => panic!("{other:?}"),
    };
    assert!(again(&hello(0), 4).is_ok());
    assert!(again(&hello(0), 5).unwrap_err().to_string().contains("4 of 5 CPUs"));
    assert!(again(&hello(1), 4).unwrap_err().to_string().contains("generation 1"));
}

#[test]
fn a_machine_that_failed_has_its_row_and_its_reason() {
    let cell = Cell {
        cpus: 8,
        level: "EL2",
        gic: "3",
        kernel: "vmlinuz-6".into(),
        kvm: None,
        end: End::Reset,
        seconds: 3,
        jump: None,
        linux: None,
        why: Some("TIMEOUT: x".into()),
    };
    let cells = [cell];
    assert_eq!(verdict(&cells).unwrap_err().exit_code(), 15);
    assert_eq!(verdict(&[]), Ok(()));
    let text = show::table(&cells);
    assert!(text.contains("NO") && text.contains("8 CPUs, EL2, GICv3: TIMEOUT: x"), "{text}");
}
