//! A CPU whose CPU_OFF is denied is parked for good, and every later kernel keeps away from it.

use anyhow::{Result, bail, ensure};
use baton::report::{Bringup, Record};
use libtest_mimic::Trial;

use crate::check::{has, left, same};
use crate::vm::{SOON, Setup, Vm, cpus, test};

const PARKED: u32 = 2;
const CPUS: u32 = 4;

pub fn tests() -> Vec<Trial> {
    vec![
        test("quarantine", "kexec_goes_on_around_it", || through(cpus(CPUS)?, "parallel")),
        test("quarantine", "kexec_goes_on_around_it_serially", || through(cpus(CPUS)?, "serial")),
        test("quarantine", "gicv2", || through(cpus(CPUS)?.gic2(), "parallel")),
        test("quarantine", "el2", || through(cpus(CPUS)?.el2(), "parallel")),
        test("quarantine", "offline_names_it", offline),
        test("quarantine", "nothing_is_copied_over_it", not_over_it),
    ]
}

/// Three kernels: the first parks a CPU, the second and the third must not touch its page.
fn through(setup: Setup, mode: &str) -> Result<()> {
    let mut vm = setup.boot()?;
    vm.run(&format!("set fail off:{PARKED}"))?;
    vm.run("kexec load baton.Image")?;
    vm.guest.send(&format!("kexec exec --teardown {mode}"))?;
    let warning = vm.guest.wait_text("warning: CPUs 2 are parked at ", SOON)?;
    let page = warning.split("parked at ").nth(1).and_then(|at| at.split(';').next());
    let page = page.unwrap_or_default().to_string();
    let (bringup, hello) = vm.arrival(1)?;
    without_it(&bringup)?;
    same("CPUs online", hello.online, CPUS - 1)?;
    reserved(&mut vm, &page)?;
    has(&vm.refused(&format!("kexec load baton.Image --at {}", start(&page)?))?, &["kernel"])?;
    vm.run("kexec load baton.Image")?;
    let (bringup, hello) = vm.jump("kexec exec", 2)?;
    without_it(&bringup)?;
    same("CPUs online", hello.online, CPUS - 1)?;
    reserved(&mut vm, &page)?;
    vm.run("soak 10")?;
    vm.power_off()
}

/// The next kernel was to be copied over the image in which the CPU then sits.
fn not_over_it() -> Result<()> {
    let mut vm = cpus(CPUS)?.boot()?;
    let image = vm.run("mem")?.into_iter().find(|line| line.ends_with("image")).unwrap_or_default();
    let over = start(&image)?;
    has(&vm.run(&format!("kexec load baton.Image --at {over}"))?.join("\n"), &["is copied there"])?;
    vm.run(&format!("set fail off:{PARKED}"))?;
    let refusal = vm.refused("kexec exec")?;
    has(&refusal, &["kexec refused: CPUs are parked at", "load it elsewhere"])?;
    vm.expect_marks(CPUS, &[(PARKED, "QUARANTINED")])?;
    vm.run("kexec load baton.Image")?;
    without_it(&vm.jump("kexec exec", 1)?.0)
}

/// Where the 2 MiB around a range start.
fn start(range: &str) -> Result<String> {
    let first = range.split("..").next().unwrap_or_default().trim_start_matches("0x");
    let address = u64::from_str_radix(first, 16)? & !((2 << 20) - 1);
    Ok(format!("{address:#x}"))
}

/// All others came; the parked one is known by what firmware says.
fn without_it(bringup: &Bringup) -> Result<()> {
    let [failure] = bringup.failed.as_slice() else { bail!("{bringup:?}") };
    same("CPU", failure.cpu, PARKED)?;
    same("why", failure.why.as_str(), "CPU_ON: ALREADY_ON")?;
    same("online", bringup.online, CPUS - 2)
}

/// The page where it is parked is nobody's to give out.
fn reserved(vm: &mut Vm, page: &str) -> Result<()> {
    let lines = vm.run("mem")?;
    let mine = lines.iter().find(|line| line.starts_with(page));
    ensure!(mine.is_some_and(|line| !line.ends_with("free")), "{page} is not kept: {lines:#?}");
    Ok(())
}

fn offline() -> Result<()> {
    let mut vm = cpus(CPUS)?.boot()?;
    vm.run(&format!("set fail off:{PARKED}"))?;
    let (what, records) = vm.refused_with("cpu offline all")?;
    has(&what, &["cpu 2 at QUARANTINED", "CPU_OFF: DENIED"])?;
    let [Record::Teardown(teardown)] = records.as_slice() else { bail!("{records:?}") };
    same("stuck", teardown.stuck.len(), 1)?;
    vm.expect_marks(CPUS, &[(1, "OFFLINE"), (2, "QUARANTINED"), (3, "OFFLINE")])?;
    let what = vm.refused("cpu online 2")?;
    ensure!(what.contains("CPU 2"), "{what}");
    let record = vm.record("cpu online 1,3")?;
    crate::check::came(&record, 2)?;
    left(&vm.record("cpu offline 1,3")?, 2, "parallel")
}
