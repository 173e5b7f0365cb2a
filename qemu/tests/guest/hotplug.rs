//! CPUs leave and come back one by one, in ranges and all together.

use anyhow::{Result, ensure};
use libtest_mimic::Trial;

use crate::check::{came, has, left, same};
use crate::vm::{Vm, cpus, test};

/// Rounds of the long soak.
const ROUNDS: u32 = 1000;

pub fn tests() -> Vec<Trial> {
    vec![
        test("hotplug", "single_cpus_ranges_and_all", sets),
        test("hotplug", "wrong_cpus_are_refused", wrong),
        test("hotplug", "tables_agree", tables),
        test("hotplug", "soak_1000_rounds_leaks_nothing", || soak("parallel", ROUNDS)),
        test("hotplug", "soak_serial_leaks_nothing", || soak("serial", ROUNDS / 5)),
        test("hotplug", "soak_of_two_leaves_the_others_alone", soak_some),
        test("hotplug", "console_moves_when_its_cpu_leaves", console_moves),
        test("hotplug", "gicv2_console_moves_when_its_cpu_leaves", console_moves_gicv2),
    ]
}

fn sets() -> Result<()> {
    let mut vm = cpus(8)?.boot()?;
    for mode in ["serial", "parallel"] {
        let mut off = |list: &str, count| -> Result<()> {
            let command = format!("cpu offline {list} --teardown {mode}");
            left(&vm.record(&command)?, count, mode)
        };
        off("3", 1)?;
        off("5-6", 2)?;
        off("1,7", 2)?;
        vm.expect_marks(8, &[1, 3, 5, 6, 7].map(|cpu| (cpu, "OFFLINE")))?;
        came(&vm.record("cpu online 1,5-7 --policy fanout")?, 4)?;
        vm.expect_marks(8, &[(3, "OFFLINE")])?;
        left(&vm.record(&format!("cpu offline all --teardown {mode}"))?, 6, mode)?;
        came(&vm.record("cpu online all")?, 7)?;
        vm.expect_marks(8, &[])?;
    }
    vm.power_off()
}

fn wrong() -> Result<()> {
    let mut vm = cpus(4)?.boot()?;
    has(&vm.refused("cpu offline 0")?, &["CPU 0", "boot CPU"])?;
    has(&vm.refused("cpu online 1")?, &["CPU 1 is not offline"])?;
    has(&vm.refused("cpu offline 4")?, &["no CPU 4", "0-3"])?;
    has(&vm.refused("cpu online 2-600")?, &["LIST", "2-600", "help cpu online"])?;
    has(&vm.refused("cpu offline 3-1")?, &["LIST", "3-1"])?;
    has(&vm.refused("cpu offline 1 --teardown fast")?, &["fast", "serial or parallel"])?;
    left(&vm.record("cpu offline 1")?, 1, "parallel")?;
    has(&vm.refused("cpu offline 1-3")?, &["CPU 1 is not online"])?;
    has(&vm.refused("soak 3 --cpus 1,2")?, &["CPU 1 is not online"])?;
    has(&vm.refused("crash undef --cpu 1")?, &["CPU 1 is not online"])?;
    has(&vm.refused("set console.cpu 1")?, &["CPU 1 is not online"])?;
    has(&vm.refused("cpu")?, &["cpu: needs online or offline"])?;
    vm.expect_marks(4, &[(1, "OFFLINE")])
}

/// `hotplug`, `irqs` and the boot CPU's row in `cpus`.
fn tables() -> Result<()> {
    let mut vm = cpus(4)?.boot()?;
    let steps = vm.run("hotplug")?;
    let names = ["percpu:prepare", "gic:starting", "timer:starting", "work:online"];
    has(&steps.join("\n"), &names)?;
    same("marks", steps.last().map(String::as_str), Some("ONLINE       0-3"))?;
    vm.record("cpu offline 1-2")?;
    let steps = vm.run("hotplug")?.join("\n");
    has(&steps, &["OFFLINE      1-2", "ONLINE       0,3"])?;
    has(&vm.run("irqs")?.join("\n"), &["ipi", "timer", "console          0-3           CPU 0"])?;
    has(&vm.run("cpus")?[1], &["0x0", "ONLINE", "boot CPU"])
}

fn soak(mode: &str, rounds: u32) -> Result<()> {
    let mut vm = cpus(4)?.append(&format!("cpuhp.teardown={mode}")).boot()?;
    vm.run("soak 2")?;
    let before = vm.run("mem")?;
    let lines = vm.run(&format!("soak {rounds}"))?;
    has(lines.last().map_or("", |line| line), &[&format!("{rounds} rounds of 3 CPUs, ")])?;
    same("memory", vm.run("mem")?, before)?;
    vm.expect_marks(4, &[])?;
    left(&vm.record("cpu offline all")?, 3, mode)?;
    vm.power_off()
}

fn soak_some() -> Result<()> {
    let mut vm = cpus(4)?.boot()?;
    vm.run("soak 50 --cpus 1,3")?;
    vm.expect_marks(4, &[])?;
    vm.record("cpu offline 2")?;
    vm.run("soak 50 --cpus 1,3")?;
    vm.expect_marks(4, &[(2, "OFFLINE")])
}

fn console_moves() -> Result<()> {
    let mut vm = cpus(4)?.boot()?;
    for mode in ["parallel", "serial"] {
        moves(&mut vm, mode)?;
    }
    vm.run("set console.cpu 3")?;
    vm.run("kexec load baton.Image")?;
    let (_, hello) = vm.jump("kexec exec", 1)?;
    same("CPUs online", hello.online, 4)?;
    console_at(&mut vm, 0)
}

fn console_moves_gicv2() -> Result<()> {
    moves(&mut cpus(4)?.gic2().boot()?, "parallel")
}

/// The console's interrupt is wanted on CPU 2, and CPU 2 goes away and comes back: so does the
/// interrupt, and the console answers all the time.
fn moves(vm: &mut Vm, mode: &str) -> Result<()> {
    vm.run("set console.cpu 2")?;
    console_at(vm, 2)?;
    left(&vm.record(&format!("cpu offline 2 --teardown {mode}"))?, 1, mode)?;
    let stays = console(vm)?;
    ensure!(stays != 2, "the console is still on CPU 2");
    came(&vm.record("cpu online 2")?, 1)?;
    console_at(vm, 2)?;
    vm.run("set console.cpu 3")?;
    left(&vm.record(&format!("cpu offline all --teardown {mode}"))?, 3, mode)?;
    console_at(vm, 0)?;
    came(&vm.record("cpu online all")?, 3)?;
    console_at(vm, 3)?;
    vm.expect_marks(4, &[])
}

fn console_at(vm: &mut Vm, cpu: u32) -> Result<()> {
    same("the console's CPU", console(vm)?, cpu)
}

/// The CPU that takes the console's interrupt.
fn console(vm: &mut Vm) -> Result<u32> {
    let lines = vm.run("irqs")?;
    let line = lines.iter().find(|line| line.contains("console")).cloned().unwrap_or_default();
    let cpu = line.split("CPU ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    cpu.ok_or_else(|| anyhow::anyhow!("no console in {lines:?}"))
}
