//! What is typed: while a command runs, over a kexec, beyond ASCII, without an interrupt; and Ctrl-C.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use baton::report::Record;
use libtest_mimic::Trial;

use crate::check::{has, same};
use crate::torture::passed;
use crate::vm::{SOON, Setup, Vm, cpus, patience, test};

/// A command that prints nothing.
const QUIET: &str = "set loglevel 5";

pub fn tests() -> Vec<Trial> {
    vec![
        test("typed", "800_commands_while_soak_runs", || while_soaking(cpus(2)?, 800)),
        test("typed", "commands_without_an_interrupt", || polled(cpus(2)?.dts("polled.dts"))),
        test("typed", "400_commands_over_5_kexecs", over_kexecs),
        test("typed", "half_a_line_over_a_kexec", half_a_line),
        test("typed", "ctrl_c_ends_soak", || ctrl_c_ends_soak(&mut cpus(4)?.boot()?)),
        test("typed", "ctrl_c_ends_torture", torture),
        test("typed", "ctrl_c_ends_a_series_of_kexecs", cycle),
        test("typed", "ctrl_c_ends_a_script", script),
        test("typed", "utf8_arrives_in_the_next_kernel", utf8),
        test("typed", "what_is_no_text_is_not_run", no_text),
        test("typed", "white_space_of_a_command_line_crosses", white_space),
    ]
}

/// Pastes a command so many times behind `first`; every one is answered, and none by an error.
fn paste(vm: &mut Vm, first: &str, count: usize) -> Result<()> {
    vm.guest.send(&format!("{first}\r{}mem", format!("{QUIET}\r").repeat(count)))?;
    vm.guest.wait_text("free ", SOON)?;
    let echo = format!("baton> {QUIET}");
    let answered = vm.guest.transcript().iter().filter(|line| **line == echo).count();
    same("commands", answered, count)?;
    no_errors(vm)
}

fn no_errors(vm: &Vm) -> Result<()> {
    let error = vm.guest.records().iter().find(|r| matches!(r, Record::Error(_)));
    ensure!(error.is_none(), "{error:?}");
    let said = vm.guest.transcript().iter().find(|line| line.starts_with("error"));
    ensure!(said.is_none(), "{said:?}");
    Ok(())
}

fn while_soaking(setup: Setup, count: usize) -> Result<()> {
    let mut vm = setup.boot()?;
    paste(&mut vm, "soak 500", count)?;
    vm.guest.wait_prompt(SOON).map_err(Into::into)
}

fn polled(setup: Setup) -> Result<()> {
    let mut vm = setup.boot()?;
    let said = vm.guest.transcript().iter().any(|line| line.contains("the console is polled"));
    ensure!(said, "nothing is said");
    vm.expect_marks(2, &[])?;
    paste(&mut vm, "soak 50", 100)?;
    ctrl_c_ends_soak(&mut vm)
}

fn over_kexecs() -> Result<()> {
    let mut vm = cpus(2)?.boot()?;
    paste(&mut vm, "cycle 5", 400)?;
    let cycles = vm.guest.records().iter().filter(|r| matches!(r, Record::Cycle(_))).count();
    same("cycles", cycles, 5)
}

/// The beginning of a line is taken by one kernel and its end by the next.
fn half_a_line() -> Result<()> {
    let mut vm = cpus(2)?.boot()?;
    vm.run("kexec load baton.Image")?;
    vm.guest.press(b"kexec exec\rhelp c")?;
    vm.arrival(1)?;
    vm.guest.press(b"pus\r")?;
    vm.guest.wait_text("lists the CPUs", SOON)?;
    no_errors(&vm)
}

fn ctrl_c_ends_soak(vm: &mut Vm) -> Result<()> {
    vm.guest.send("soak 1000000")?;
    vm.guest.wait_text("round ", SOON)?;
    vm.guest.press(b"mem\r\x03")?;
    vm.guest.wait_text(" of 1000000 rounds of ", SOON)?;
    let said = vm.guest.wait_text("interrupted", SOON)?;
    same("the rest", said.as_str(), "interrupted")?;
    vm.guest.wait_prompt(SOON)?;
    let count = vm.marks()?.len() as u32;
    vm.expect_marks(count, &[])
}

fn torture() -> Result<()> {
    let mut vm = cpus(4)?.dts("dsu-2.dts").boot()?;
    vm.guest.send("torture all --seconds 3000 --seed 7")?;
    vm.guest.wait_text(" rounds, ", SOON)?;
    vm.guest.press(b"\x03")?;
    let record = vm.guest.wait_record(|r| matches!(r, Record::Torture(_)), SOON)?;
    let Record::Torture(record) = record else { bail!("{record:?}") };
    passed(&record, 7)?;
    ensure!(record.rounds > 0 && record.seconds < 3000, "{record:?}");
    vm.guest.wait_prompt(SOON)?;
    vm.expect_marks(4, &[])
}

fn cycle() -> Result<()> {
    let mut vm = cpus(2)?.boot()?;
    vm.guest.send("cycle 100000")?;
    for generation in 1..=2 {
        vm.arrival(generation)?;
    }
    vm.guest.press(b"\x03")?;
    // Seen before the rest of the series begins, or by it.
    vm.guest.wait_text("interrupted", SOON)?;
    vm.guest.wait_prompt(SOON)?;
    vm.expect_marks(2, &[])?;
    no_errors(&vm)
}

fn script() -> Result<()> {
    let mut vm = cpus(2)?.append("run=\"soak 1000000; mem; poweroff\"").start()?;
    vm.arrival(0)?;
    vm.guest.wait_text("round ", SOON)?;
    vm.guest.press(b"\x03")?;
    has(&vm.guest.wait_text("interrupted", SOON)?, &["waited and are dropped: 2"])?;
    vm.expect_marks(2, &[])
}

fn utf8() -> Result<()> {
    let mut vm = cpus(2)?.boot()?;
    let append = "root=LABEL=größe “日本”";
    let lines = vm.run(&format!("kexec load baton.Image --append \"{append}\""))?;
    has(&lines[0], &[&format!("append \"{append}\"")])?;
    vm.jump("kexec exec", 1)?;
    vm.guest.wait_prompt(SOON)?;
    has(&vm.run("dmesg")?.join("\n"), &["root=LABEL=größe", "“日本”"])?;
    has(&vm.refused("kexec load baton.Image --append “quiet”")?, &["U+201C", "type \" for it"])
}

fn no_text() -> Result<()> {
    let mut vm = cpus(2)?.boot()?;
    for (keys, why) in [(&b"cpus\xff\r"[..], "not UTF-8"), (b"cpu\x01\x00s\r", "U+0000")] {
        vm.guest.press(keys)?;
        has(&vm.guest.wait_text("error: ", SOON)?, &[why])?;
        sleep(patience(Duration::from_millis(100)));
    }
    ensure!(!vm.guest.transcript().iter().any(|line| line.contains("mpidr")), "it was run");
    vm.expect_marks(2, &[])
}

fn white_space() -> Result<()> {
    let mut vm = cpus(4)?.append("maxcpus=2\tloglevel=6\n").start()?;
    same("CPUs online", vm.arrival(0)?.1.online, 2)?;
    let lines = vm.run("kexec load baton.Image")?;
    has(&lines[0], &[r#"append "maxcpus=2\tloglevel=6\n""#])?;
    same("CPUs online", vm.jump("kexec exec", 1)?.1.online, 2)?;
    vm.jump("cycle 1 --bringup serial", 2)?;
    vm.guest.wait_prompt(SOON)?;
    no_errors(&vm)
}
