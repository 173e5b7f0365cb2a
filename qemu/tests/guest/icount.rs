//! The clock counts instructions: what a kexec costs is the same each time, and what the table says.

use anyhow::{Context, Result, bail, ensure};
use baton::report::Record;
use baton_qemu::costs::{COUNTS, Column, Table, Verdict, measure, rustc};
use baton_qemu::launch;
use baton_qemu::profile::{self, ProfileArgs};
use baton_qemu::progress::Progress;
use libtest_mimic::Trial;

use crate::vm::{SOON, Setup, Vm, cpus, elf_path, patience, test};

/// What the figures of each line of QEMU's versions are.
const TABLE: &str = include_str!("../../costs.txt");

pub fn tests() -> Vec<Trial> {
    let mut tests = vec![test("icount", "figures_repeat", || repeats(cpus(8)?.instructions()))];
    for count in [1, 4] {
        let name = format!("profile_of_{count}_cpus_is_the_blackout");
        tests.push(test("icount", name, move || profile_of(count)));
    }
    let other = "a_profile_by_another_elf_is_refused";
    tests.push(test("icount", other, profile_by_another_elf));
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

/// Every instruction from `kexec exec` to the last CPU has its function: the sum is the blackout, but
/// for the two ticks (16 instructions each) at its ends, each of which may be a few instructions long
/// beside: where in a block the counter is read is not in the log.
fn profile_of(count: u32) -> Result<()> {
    let setup = cpus(count)?;
    let args =
        ProfileArgs::new(setup.options().clone(), elf_path(), setup.directory().to_path_buf());
    let profile = profile::measure(&args, &Progress::silent())?;
    ensure!(
        profile.instructions.abs_diff(profile.blackout) <= 64,
        "{}\n{}",
        profile.headline(),
        profile.table(20)
    );
    let table = profile.table(1000);
    let wanted = ["Kernel>::exec", "boot_cpu_up", "entry"];
    let missing = wanted.iter().find(|name| !table.contains(**name));
    ensure!(missing.is_none(), "no {missing:?} in\n{table}");
    Ok(())
}

/// The functions of an image are those of its own ELF alone.
fn profile_by_another_elf() -> Result<()> {
    let setup = cpus(1)?;
    let mut elf = std::fs::read(elf_path())?;
    // In the text, which comes first in the file: 64 KiB behind its begin.
    elf[0x20000] ^= 1;
    let path = setup.directory().join("other.elf");
    std::fs::write(&path, elf)?;
    let args = ProfileArgs::new(setup.options().clone(), path, setup.directory().to_path_buf());
    let Err(why) = profile::measure(&args, &Progress::silent()) else { bail!("it was taken") };
    ensure!(format!("{why:#}").contains("not made from this ELF"), "{why:#}");
    Ok(())
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
