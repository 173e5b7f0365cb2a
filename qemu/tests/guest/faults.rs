//! Every kind of fault, on the boot CPU and on another: one report that says what, where and on
//! which CPU, and the machine turns itself off.

use anyhow::{Result, ensure};
use baton::report::Panic;
use libtest_mimic::Trial;

use crate::check::{has, same};
use crate::vm::{Setup, cpus, test};

/// What the report of each kind has to say.
const KINDS: [(&str, &[&str]); 5] = [
    ("undef", &["undefined instruction"]),
    ("stack", &["data abort, write at", "not mapped", "stack overflow, guard page of"]),
    ("write-text", &["data abort, write at 0xffffff8000000000", "permission"]),
    ("null", &["data abort", "at 0x0: not mapped"]),
    ("panic", &["on purpose"]),
];

pub fn tests() -> Vec<Trial> {
    let mut tests = Vec::new();
    for (kind, wanted) in KINDS {
        let of = |cpu| format!("{}_on_cpu_{cpu}", kind.replace('-', "_"));
        tests.push(test("faults", of(0), move || fault(cpus(4)?, kind, 0, wanted)));
        tests.push(test("faults", of(3), move || fault(cpus(4)?, kind, 3, wanted)));
    }
    tests.extend([
        test("faults", "el2_stack", || fault(cpus(2)?.el2(), "stack", 1, KINDS[1].1)),
        test("faults", "gicv2_undef", || fault(cpus(2)?.gic2(), "undef", 1, KINDS[0].1)),
        test("faults", "write_text_after_a_kexec", after_kexec),
    ]);
    tests
}

fn fault(setup: Setup, kind: &str, cpu: u32, wanted: &[&str]) -> Result<()> {
    let mut vm = setup.boot()?;
    let option = if cpu == 0 { String::new() } else { format!(" --cpu {cpu}") };
    vm.guest.send(&format!("crash {kind}{option}"))?;
    let panic = vm.panic()?;
    report(&panic, cpu, wanted)?;
    let text = vm.guest.transcript().join("\n");
    has(&text, &[&format!("panic on CPU {cpu} at ONLINE: ")])?;
    if kind == "stack" && cpu > 0 {
        has(&panic.what, &[&format!("of CPU {cpu}")])?;
    }
    if kind != "panic" {
        has(&text, &["elr ", "esr ", "far ", "x30 "])?;
    }
    Ok(())
}

fn report(panic: &Panic, cpu: u32, wanted: &[&str]) -> Result<()> {
    has(&panic.what, wanted)?;
    same("CPU and mark", (panic.cpu, panic.mark.as_str()), (Some(cpu), "ONLINE"))?;
    let place = &panic.place;
    ensure!(place.starts_with("0xffffff80") || place.starts_with("src/"), "where: {place:?}");
    Ok(())
}

/// Code cannot be written in the next kernel either, wherever that runs.
fn after_kexec() -> Result<()> {
    let mut vm = cpus(4)?.boot()?;
    vm.run("kexec load baton.Image --at 0x5a600000")?;
    vm.jump("kexec exec", 1)?;
    vm.guest.send("crash write-text --cpu 2")?;
    report(&vm.panic()?, 2, KINDS[2].1)
}
