//! Guests of KVM, in every run of these tests: on the host's own KVM, or on one under translation.
//! Each of three machines lives a whole life, with everything busy.

use std::time::Instant;

use anyhow::{Result, bail, ensure};
use baton::report::Record;
use libtest_mimic::Trial;

use crate::check::{came, left, same};
use crate::devices::count;
use crate::torture::{counts, passed};
use crate::vm::{SOON, Setup, Vm, kvm, test};

/// Seed of the torture.
const SEED: u64 = 7;

pub fn tests() -> Vec<Trial> {
    vec![
        test("kvm", "gicv3_8_vcpus", || life(kvm(8)?, 8, 4)),
        test("kvm", "gicv2_4_vcpus", || life(kvm(4)?.gic2(), 4, 2)),
        test("kvm", "clusters", || clusters(kvm(4)?.dts("dsu-2.dts"))),
    ]
}

/// Under stress: CPUs leave and come, devices interrupt, kexec both ways; then everything is made
/// pending on everything, and nothing of it is lost.
pub fn life(setup: Setup, cpus: u32, seconds: u32) -> Result<()> {
    let mut vm = setup.memory("512M").boot()?;
    vm.run("stress on")?;
    for mode in ["parallel", "serial"] {
        left(&vm.record(&format!("cpu offline all --teardown {mode}"))?, cpus - 1, mode)?;
        came(&vm.record("cpu online all")?, cpus - 1)?;
    }
    jumps(&mut vm, cpus)?;
    devices(&mut vm)?;
    nothing_lost(&mut vm)?;
    if cpus > 1 {
        torture(&mut vm, "irq", seconds)?;
    }
    vm.expect_marks(cpus, &[])?;
    vm.power_off()
}

/// Reads come back, those of the stress among them, and the alarm rings.
fn devices(vm: &mut Vm) -> Result<()> {
    let before = (count(vm, "disk", "good")?, count(vm, "alarm", "taken")?);
    vm.run("alarm 1")?;
    vm.run("disk 100")?;
    let good = count(vm, "disk", "good")? - before.0;
    ensure!(good >= 100, "{good} good reads of at least 100");
    same("bad reads", count(vm, "disk", "bad")? + count(vm, "disk", "lost")?, 0)?;
    let until = Instant::now() + SOON;
    while count(vm, "alarm", "taken")? == before.1 {
        ensure!(Instant::now() < until, "the alarm does not ring");
    }
    Ok(())
}

/// Three jumps: each kernel from the second on has the same memory free. The first kexec's kernel is
/// not compared, so two jumps would compare nothing.
fn jumps(vm: &mut Vm, cpus: u32) -> Result<()> {
    let mut hellos = Vec::new();
    for (mode, generation) in ["parallel", "serial", "parallel"].into_iter().zip(1..) {
        vm.run("kexec load baton.Image")?;
        let (_, hello) = vm.jump(&format!("kexec exec --teardown {mode}"), generation)?;
        same("CPUs online", hello.online, cpus)?;
        hellos.push(hello);
    }
    crate::cycles::steady(&hellos)
}

fn nothing_lost(vm: &mut Vm) -> Result<()> {
    let (sent, handled) = counts(vm, "stress off")?;
    ensure!(sent > 0, "the stress has sent nothing");
    same("interrupts handled", handled, sent)
}

/// What was sent was handled.
pub fn torture(vm: &mut Vm, what: &str, seconds: u32) -> Result<()> {
    let command = format!("torture {what} --seconds {seconds} --seed {SEED}");
    let Record::Torture(record) = vm.record(&command)? else { bail!("no torture record") };
    ensure!(record.rounds > 0 && (record.sent > 0 || what == "pmu"), "{record:?}");
    passed(&record, SEED)
}

/// Cluster monitors of the tree are counted in both kernels, and their CPUs leave and come.
fn clusters(setup: Setup) -> Result<()> {
    let mut vm = setup.memory("512M").boot()?;
    for generation in 0..2 {
        let table = vm.run("pmu")?;
        same("clusters and a head", table.len(), 3)?;
        vm.run("pmu open all cycles")?;
        left(&vm.record("cpu offline 2-3")?, 2, "parallel")?;
        came(&vm.record("cpu online 2-3")?, 2)?;
        same("counted in", vm.run("pmu close all cycles")?.len(), 2)?;
        torture(&mut vm, "pmu", 1)?;
        if generation == 0 {
            vm.run("kexec load baton.Image")?;
            vm.jump("kexec exec", 1)?;
        }
    }
    vm.power_off()
}
