//! Between two batons: the next one starts its CPUs from what it was told, and reads its tree after
//! that.

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;

use crate::check::{has, same};
use crate::gdb::Gdb;
use crate::verify::place;
use crate::vm::{SOON, Setup, Vm, cpus, test};

const TOLD: &str = "CPUs were started before the tree was read";
const FIRST: &str = "the tree is read first";

pub fn tests() -> Vec<Trial> {
    vec![
        test("warm", "the_tree_is_read_afterwards", || told(cpus(4)?)),
        test("warm", "gicv2_el2", || told(cpus(4)?.gic2().el2())),
        test("warm", "on_and_off", on_and_off),
        test("warm", "off_by_option", || not_told(cpus(2)?.append("kexec.warm=off"))),
        test("warm", "a_broken_seal_is_the_long_way", broken),
        test("warm", "a_cpu_that_stays_parked_is_the_long_way", parked),
    ]
}

/// What a kernel has said since it began.
fn said(vm: &mut Vm) -> Result<Vec<String>> {
    vm.run("dmesg")
}

fn is_told(vm: &mut Vm) -> Result<bool> {
    Ok(said(vm)?.iter().any(|line| line.contains(TOLD)))
}

/// Several in a row; the tree's part of the machine is there as well.
fn told(setup: Setup) -> Result<()> {
    let mut vm = setup.boot()?;
    ensure!(!is_told(&mut vm)?, "nobody has told the first kernel anything");
    let model = said(&mut vm)?.into_iter().next().context("a banner")?;
    for generation in 1..4 {
        vm.run("kexec load baton.Image")?;
        vm.jump("kexec exec", generation)?;
        ensure!(is_told(&mut vm)?, "kernel {generation} has read its tree first");
        vm.expect_marks(4, &[])?;
        let banner = said(&mut vm)?.into_iter().next().context("a banner")?;
        let machine = |line: &str| line.split([':', ',']).nth(2).map(String::from);
        same("the machine", machine(&banner), machine(&model))?;
        vm.run("alarm 1")?;
    }
    vm.power_off()
}

fn on_and_off() -> Result<()> {
    let mut vm = cpus(2)?.boot()?;
    for (generation, on) in [(1, false), (2, true), (3, false)] {
        vm.run(if on { "set warm on" } else { "set warm off" })?;
        vm.run("kexec load baton.Image")?;
        vm.jump("kexec exec", generation)?;
        same("told", is_told(&mut vm)?, on)?;
        vm.expect_marks(2, &[])?;
    }
    has(&vm.refused("set warm perhaps")?, &["perhaps: neither on nor off"])?;
    vm.power_off()
}

fn not_told(setup: Setup) -> Result<()> {
    let mut vm = setup.boot()?;
    for generation in 1..3 {
        vm.run("kexec load baton.Image")?;
        vm.jump("kexec exec", generation)?;
        ensure!(!is_told(&mut vm)?, "told, though it is off");
    }
    vm.power_off()
}

/// A bit of the record is flipped behind the load, in each word of its head and in some that follow:
/// nothing is lost, and a warning says why it took longer. Without its first word there is no record.
fn broken() -> Result<()> {
    let (setup, gdb) = Gdb::with(cpus(2)?)?;
    let mut vm = setup.boot()?;
    for word in 0..20 {
        vm.run("kexec load baton.Image")?;
        gdb.flip(place(&mut vm, "dtb ")? + 40 + u64::from(word) * 8)?;
        vm.jump("kexec exec", word + 1)?;
        let said = said(&mut vm)?;
        ensure!(!is_told(&mut vm)?, "told, though word {word} is wrong");
        let why = match word {
            0 => None,
            1 => Some("of version"),
            _ => Some("seal"),
        };
        let about = |line: &String| line.contains(FIRST);
        let wanted = |line: &String| why.is_some_and(|why| line.contains(why)) && about(line);
        let right = if why.is_some() { said.iter().any(wanted) } else { !said.iter().any(about) };
        ensure!(right, "word {word}, {why:?}: {said:?}");
        vm.expect_marks(2, &[])?;
    }
    vm.power_off()
}

/// The tree is written anew for a CPU that does not leave; the next kernel finds out for itself.
fn parked() -> Result<()> {
    let mut vm = cpus(3)?.boot()?;
    vm.run("set fail off:2")?;
    vm.run("kexec load baton.Image")?;
    vm.guest.send("kexec exec")?;
    let warning = vm.guest.wait_text("are parked at", SOON)?;
    has(&warning, &["; the next kernel reads its tree before it starts its CPUs"])?;
    let (_, hello) = vm.arrival(1)?;
    same("CPUs online", hello.online, 2)?;
    ensure!(!is_told(&mut vm)?, "told of a machine without the parked CPU");
    vm.power_off()
}
