use super::*;
use crate::report::TeardownMode;

fn farewell() -> Farewell {
    Farewell {
        generation: 4,
        exec_at: 1000,
        bytes_copied: 2000,
        verify: None,
        teardown: TeardownMode::Parallel,
        grace: Grace::Once,
        tick_hz: None,
        cpus: 3,
        spans: Spans::default(),
        teardown_total: 70,
        cycle: Default::default(),
        stress: StressCount::default(),
        parked: Default::default(),
        quiesced: true,
        script: String::new(),
        from: "old".into(),
        to: "new".into(),
    }
}

#[test]
fn the_level_decides_what_is_printed_and_all_is_kept() {
    let (mut out, paper) = Reporter::on_paper(4);
    out.say(Level::Info, "hush");
    out.say(Level::Warning, "odd");
    assert_eq!(paper.read(), "warning: odd\n");
    out.set_loglevel(6);
    out.say(Level::Info, "aloud");
    assert_eq!(paper.read(), "aloud\n");
    assert_eq!(out.messages(), "hush\nwarning: odd\naloud\n");
}

#[test]
fn what_is_held_back_is_said_once_and_in_order() {
    let (mut out, paper) = Reporter::on_paper(6);
    out.hold("first".into());
    out.hold("second".into());
    assert_eq!((paper.read().as_str(), out.messages()), ("", ""));
    out.say_held();
    out.say_held();
    assert_eq!(paper.read(), "warning: first\nwarning: second\n");
}

#[test]
fn an_error_is_a_message_and_a_record() {
    let (mut out, paper) = Reporter::on_paper(0);
    out.error("run=", "no such thing");
    assert_eq!(out.messages(), "error: no such thing\n");
    let text = paper.read();
    let record = report::to_line(&Record::Error(report::CommandError {
        what: "no such thing".into(),
        place: "run=".into(),
    }));
    assert_eq!(text.trim_end(), record);
}

#[test]
fn a_cycle_and_the_stress_are_reported_only_if_there_were_any() {
    let (out, paper) = Reporter::on_paper(6);
    out.cycle(&farewell());
    out.interrupts(5, &StressCount { on: true, ..StressCount::default() });
    assert_eq!(paper.read(), "");
    let cycle = crate::handover::CycleCount { done: 2, asked: 9 };
    out.cycle(&Farewell { cycle, ..farewell() });
    assert!(paper.read().contains("\"done\":2,\"asked\":9"));
    out.interrupts(5, &StressCount { on: false, sent: 8, handled: 7 });
    assert!(paper.read().contains("\"generation\":5,\"sent\":8,\"handled\":7"));
}
