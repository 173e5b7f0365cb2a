//! The clock counts instructions: what a kexec costs is the same each time, and within its bar.

use anyhow::{Result, ensure};
use baton::report::Record;
use libtest_mimic::Trial;

use crate::vm::{Setup, Vm, cpus, patience, test};

/// Instructions of a blackout at 80 CPUs, at most: 1 % above what doc/instructions.md says.
const BLACKOUT_OF_80: u64 = 680_000;

pub fn tests() -> Vec<Trial> {
    vec![
        test("icount", "figures_repeat", || repeats(cpus(8)?.instructions())),
        test("icount", "blackout_of_80_cpus", || bar(cpus(80)?.instructions())),
    ]
}

/// Two kernels that a baton has loaded cost the same, though the prompt has waited in between.
fn repeats(setup: Setup) -> Result<()> {
    let mut vm = setup.boot()?;
    blackout(&mut vm)?;
    let first = blackout(&mut vm)?;
    vm.run("cpus")?;
    let second = blackout(&mut vm)?;
    ensure!(
        first.abs_diff(second) <= first / 100,
        "a blackout of {first} instructions, and then one of {second}"
    );
    vm.power_off()
}

fn bar(setup: Setup) -> Result<()> {
    let mut vm = setup.boot()?;
    blackout(&mut vm)?;
    let cost = blackout(&mut vm)?;
    ensure!(cost <= BLACKOUT_OF_80, "{cost} instructions, more than {BLACKOUT_OF_80}");
    vm.power_off()
}

/// Instructions of a parallel kexec into itself.
fn blackout(vm: &mut Vm) -> Result<u64> {
    vm.guest.send("cycle 1 --teardown parallel --bringup parallel")?;
    let is_kexec = |record: &Record| matches!(record, Record::Kexec(_));
    let kexec = vm.guest.wait_for("kexec record", is_kexec, patience(crate::vm::SOON))?;
    let Record::Kexec(kexec) = kexec else { unreachable!("asked for one") };
    vm.hello()?;
    Ok(kexec.blackout_ns)
}
