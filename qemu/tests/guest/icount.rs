//! The clock counts instructions: what a kexec costs is the same each time, and what the table says.

use anyhow::{Context, Result, bail, ensure};
use baton::report::Record;
use baton_qemu::costs::{COUNTS, Column, Table, Verdict, measure, rustc};
use baton_qemu::launch;
use baton_qemu::progress::Progress;
use libtest_mimic::Trial;

use crate::vm::{SOON, Setup, Vm, cpus, patience, test};

/// What the figures of each line of QEMU's versions are.
const TABLE: &str = include_str!("../../costs.txt");

pub fn tests() -> Vec<Trial> {
    let mut tests = vec![test("icount", "figures_repeat", || repeats(cpus(8)?.instructions()))];
    for count in COUNTS {
        let name = format!("costs_of_{count}_cpus");
        tests.push(test("icount", name, move || costs(count)));
    }
    tests
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

/// Every phase of a kexec, told the machine and not, within its bar.
fn costs(count: u32) -> Result<()> {
    let setup = cpus(count)?.instructions();
    let said = launch::version(setup.program())?;
    let here = Column::new(&said, rustc()).with_context(|| format!("no version in {said:?}"))?;
    let mut vm = setup.start()?;
    let figures = measure(&mut vm.guest, count, patience(SOON), &Progress::silent())?;
    let verdict = Verdict::new(&Table::parse(TABLE)?, &here, &figures);
    if let Some(why) = verdict.failure() {
        bail!("{why}\n{verdict}");
    }
    vm.power_off()
}

/// Instructions of a parallel kexec into itself.
fn blackout(vm: &mut Vm) -> Result<u64> {
    vm.guest.send("cycle 1 --teardown parallel --bringup parallel")?;
    let is_kexec = |record: &Record| matches!(record, Record::Kexec(_));
    let kexec = vm.guest.wait_for("kexec record", is_kexec, patience(SOON))?;
    let Record::Kexec(kexec) = kexec else { unreachable!("asked for one") };
    vm.hello()?;
    Ok(kexec.blackout_ns)
}
