//! Devices stop before a jump, and go on if it is refused.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use libtest_mimic::Trial;

use crate::check::{has, same};
use crate::devices::{count, modern};
use crate::vm::{SOON, Setup, Vm, cpus, test};

const CPUS: u32 = 4;
/// How long a read takes that is not back when the device is stopped, in microseconds.
const SLOW: u64 = 300_000;

pub fn tests() -> Vec<Trial> {
    vec![
        test("quiesce", "refusal_leaves_devices_working", || refused(cpus(CPUS)?, "parallel")),
        test("quiesce", "refusal_gicv2", || refused(cpus(CPUS)?.gic2(), "serial")),
        test("quiesce", "refusal_modern_el2", || refused(modern(cpus(CPUS)?.el2()), "parallel")),
        test("quiesce", "devices_go_on_after_a_teardown_that_failed", after_teardown),
        test("quiesce", "an_alarm_that_was_due_meanwhile_rings", late_alarm),
        test("quiesce", "refusal_under_stress", under_stress),
    ]
}

/// With reads in flight and an alarm set: refused before any CPU has left, and nothing is lost but
/// the reads that the device was reset over. Then the jump works.
fn refused(setup: Setup, mode: &str) -> Result<()> {
    let mut vm = setup.disk_latency(SLOW).boot()?;
    vm.run("kexec load baton.Image")?;
    vm.run("set fail quiesce")?;
    vm.run("alarm 2")?;
    vm.run("disk 8 --nowait")?;
    let exec = format!("kexec exec --teardown {mode}");
    let what = vm.refused(&exec)?;
    has(&what, &["kexec refused: disk does not stop", "injected", "devices go on"])?;
    vm.expect_marks(CPUS, &[])?;
    accounted(&mut vm, 8)?;
    works(&mut vm)?;
    vm.record("cpu offline all")?;
    vm.record("cpu online all")?;
    vm.jump(&exec, 1)?;
    let said = vm.guest.transcript().join("\n");
    ensure!(!said.contains("left running"), "a device ran on into the next kernel");
    vm.expect_marks(CPUS, &[])
}

/// Each read is good or lost, and none is away.
fn accounted(vm: &mut Vm, reads: u64) -> Result<()> {
    same("reads", count(vm, "disk", "reads")?, reads)?;
    let back = count(vm, "disk", "good")? + count(vm, "disk", "lost")?;
    same("good and lost", back, reads)?;
    same("bad", count(vm, "disk", "bad")?, 0)?;
    same("in flight", count(vm, "disk", "in flight")?, 0)
}

/// The disk reads and interrupts, and the alarm that was set before rings once.
fn works(vm: &mut Vm) -> Result<()> {
    let before = count(vm, "disk", "good")?;
    let interrupts = count(vm, "disk", "interrupts")?;
    vm.run("disk 20")?;
    same("good", count(vm, "disk", "good")?, before + 20)?;
    ensure!(count(vm, "disk", "interrupts")? > interrupts, "the disk does not interrupt");
    rings(vm)
}

fn rings(vm: &mut Vm) -> Result<()> {
    let until = Instant::now() + SOON;
    while count(vm, "alarm", "taken")? == 0 {
        ensure!(Instant::now() < until, "the alarm does not ring");
    }
    let counts = (count(vm, "alarm", "set")?, count(vm, "alarm", "taken")?);
    same("alarms set and taken", counts, (1, 1))?;
    same("armed", count(vm, "alarm", "armed")?, 0)
}

/// The devices have stopped when a CPU refuses to leave.
fn after_teardown() -> Result<()> {
    let mut vm = cpus(CPUS)?.boot()?;
    vm.run("kexec load baton.Image")?;
    vm.run("alarm 3")?;
    vm.run("set fail work:online:2:down")?;
    has(&vm.refused("kexec exec")?, &["cpu 2", "injected", "all CPUs are online again"])?;
    vm.expect_marks(CPUS, &[])?;
    works(&mut vm)?;
    vm.jump("kexec exec", 1)?;
    Ok(())
}

/// Its second passes while the devices are stopped: it rings all the same. Reads that take longer
/// than devices get to stop make that long enough.
fn late_alarm() -> Result<()> {
    let mut vm = cpus(2)?.disk_latency(2_500_000).boot()?;
    vm.run("kexec load baton.Image")?;
    vm.run("set fail quiesce")?;
    vm.run("alarm 1")?;
    vm.run("disk 1 --nowait")?;
    let begin = Instant::now();
    vm.refused("kexec exec")?;
    ensure!(begin.elapsed() > Duration::from_secs(2), "stopped within {:?}", begin.elapsed());
    rings(&mut vm)
}

/// Refused again and again while all CPUs read, send and handle.
fn under_stress() -> Result<()> {
    let mut vm = cpus(CPUS)?.boot()?;
    vm.run("kexec load baton.Image")?;
    vm.run("stress on")?;
    for _ in 0..5 {
        vm.run("set fail quiesce")?;
        vm.refused("kexec exec")?;
        vm.run("disk 50")?;
    }
    vm.jump("kexec exec", 1)?;
    vm.run("stress off")?;
    Ok(())
}
