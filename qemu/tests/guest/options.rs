//! The kernel command line: what is not understood is named and ignored.

use anyhow::{Context, Result, bail, ensure};
use baton::report::{Record, TeardownAt};
use libtest_mimic::Trial;

use crate::check::{all_online, came, has, same};
use crate::vm::{SOON, Vm, cpus, test};

pub fn tests() -> Vec<Trial> {
    vec![
        test("options", "grace_periods_and_ticks_are_named", graces),
        test("options", "strange_ones_are_named_and_ignored", strange),
        test("options", "maxcpus_leaves_the_rest_off", maxcpus),
        test("options", "maxcpus_0_boots_one_cpu", maxcpus_0),
        test("options", "fail_makes_one_cpu_miss_the_boot", fail),
        test("options", "loglevel_3_keeps_the_console_quiet", loglevel),
        test("options", "run_stops_at_the_first_error", run_stops),
        test("options", "serial_teardown_is_the_default_then", teardown),
    ]
}

/// The last line before the prompt that has this in it.
fn said(vm: &Vm, part: &str) -> Result<String> {
    let line = vm.guest.transcript().iter().rev().find(|line| line.contains(part));
    line.cloned().ok_or_else(|| anyhow::anyhow!("nobody said {part:?}"))
}

fn strange() -> Result<()> {
    let bootargs = "console=ttyAMA0 maxcpu=3 cpuhp.bringup=sideways loglevel=99 maxcpus \
                    cpuhp.fail=nothing:3";
    let mut vm = cpus(4)?.append(bootargs).boot()?;
    has(&said(&vm, "console=ttyAMA0")?, &["warning: option", "ignored"])?;
    has(&said(&vm, "option maxcpu=3")?, &["perhaps maxcpus", "ignored"])?;
    has(&said(&vm, "sideways")?, &["serial", "fanout", "ignored"])?;
    has(&said(&vm, "loglevel=99")?, &["not a number in range", "ignored"])?;
    has(&said(&vm, "option maxcpus:")?, &["needs a value", "ignored"])?;
    has(&said(&vm, "nothing: no such step")?, &["warning:", "hotplug"])?;
    same("dmesg keeps them", vm.run("dmesg")?.iter().filter(|l| l.contains("option")).count(), 5)
}

fn maxcpus() -> Result<()> {
    let mut vm = cpus(8)?.append("maxcpus=3").start()?;
    let (bringup, hello) = vm.arrival(0)?;
    same("CPUs kicked and failed", (bringup.cpus, bringup.failed.len()), (2, 0))?;
    same("CPUs and those online", (hello.cpus, hello.online), (8, 3))?;
    vm.expect_marks(8, &[3, 4, 5, 6, 7].map(|cpu| (cpu, "OFFLINE")))?;
    came(&vm.record("cpu online all")?, 5)?;
    vm.expect_marks(8, &[])
}

fn maxcpus_0() -> Result<()> {
    let mut vm = cpus(2)?.append("maxcpus=0").start()?;
    let (bringup, hello) = vm.arrival(0)?;
    same("CPUs kicked and online", (bringup.cpus, hello.online), (0, 1))?;
    came(&vm.record("cpu online 1")?, 1)
}

fn fail() -> Result<()> {
    let mut vm = cpus(4)?.append("cpuhp.fail=gic:starting:2:up").start()?;
    let (bringup, hello) = vm.arrival(0)?;
    let [failure] = bringup.failed.as_slice() else { anyhow::bail!("{bringup:?}") };
    same("the CPU", (failure.cpu, failure.mpidr), (2, 2))?;
    same("why", failure.why.as_str(), "step gic:starting up: injected failure")?;
    same("CPUs online", hello.online, 3)?;
    came(&vm.record("cpu online 2")?, 1)?;
    vm.expect_marks(4, &[])
}

fn loglevel() -> Result<()> {
    let mut vm = cpus(2)?.append("loglevel=3 what").start()?;
    let (bringup, hello) = vm.arrival(0)?;
    all_online(&bringup, &hello, 2)?;
    vm.guest.wait_prompt(SOON)?;
    let heard = vm.guest.transcript();
    ensure!(heard.iter().all(|line| line.starts_with("@baton ")), "it said {heard:?}");
    has(&vm.run("dmesg")?.join("\n"), &["generation 0", "option what"])
}

fn run_stops() -> Result<()> {
    let mut vm = cpus(2)?.append("run=\"cpus; nonsense; poweroff\"").start()?;
    vm.arrival(0)?;
    let error = vm.guest.wait_record(|r| matches!(r, Record::Error(_)), SOON)?;
    let Record::Error(error) = error else { anyhow::bail!("{error:?}") };
    same("place", error.place.as_str(), "nonsense")?;
    vm.expect_marks(2, &[])
}

fn teardown() -> Result<()> {
    let mut vm = cpus(4)?.append("cpuhp.teardown=serial").boot()?;
    crate::check::left(&vm.record("cpu offline all")?, 3, "serial")
}

/// Grace periods that are not those of the mode, and ticks that are a model, are in every teardown
/// record, also of the kexec that the next kernel reports.
fn graces() -> Result<()> {
    let mut vm = cpus(4)?.append("cpuhp.grace=each rcu.tick=250").boot()?;
    let said = vm.run("dmesg")?;
    ensure!(said.iter().any(|line| line.contains("modelled ticks of 250 Hz")), "{said:?}");
    for (command, grace, periods) in [
        ("cpu offline all", Some("each"), 3),
        ("cpu offline all --grace once", None, 1),
        ("cpu offline all --teardown serial", None, 3),
        ("cpu offline all --teardown serial --grace once", Some("once"), 1),
    ] {
        let Record::Teardown(down) = vm.record(command)? else { bail!("{command}: no teardown") };
        ensure!(down.stuck.is_empty() && down.noted.is_empty(), "{command}: {down:?}");
        same(
            command,
            (down.grace.as_ref().map(|g| g.as_str()), down.modelled_tick_hz),
            (grace, Some(250)),
        )?;
        // Each but the first waits for a whole tick at least, less what lies between two of them.
        ensure!(down.phases.grace_ns > 0, "{command}: {down:?}");
        ensure!(down.total_ns > (periods - 1) * 4_000_000, "{command}: {down:?}");
        vm.run("cpu online all")?;
    }
    vm.run("kexec load baton.Image")?;
    vm.jump("kexec exec", 1)?;
    let down = vm.guest.records().iter().rev().find_map(|record| match record {
        Record::Teardown(down) if down.at == TeardownAt::Kexec => Some(down.clone()),
        _ => None,
    });
    let down = down.context("no teardown record of the kexec")?;
    same(
        "the kexec",
        (down.grace.as_ref().map(|g| g.as_str()), down.modelled_tick_hz),
        (Some("each"), Some(250)),
    )?;
    vm.power_off()
}
