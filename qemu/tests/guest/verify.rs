//! The second look before the point of no return.

use anyhow::{Context, Result, ensure};
use baton::report::{Kexec, Record};
use baton::trace::{Dir, Phase};
use libtest_mimic::Trial;

use crate::check::{has, jump, same};
use crate::gdb::Gdb;
use crate::vm::{Setup, Vm, cpus, test};

pub fn tests() -> Vec<Trial> {
    vec![
        test("verify", "a_changed_kernel_is_refused", || changed(cpus(4)?, "kernel ")),
        test("verify", "a_changed_tree_is_refused", || changed(cpus(4)?.el2(), "dtb ")),
        test("verify", "a_changed_kept_initrd_is_refused", || changed(cpus(4)?, "initrd ")),
        test("verify", "a_cpu_that_stays_parked_is_in_nobodys_way", parked),
        test("verify", "time_is_shown_if_asked_for", shown),
        test("verify", "option_covers_cycles", option),
    ]
}

/// Where a part begins, as `kexec status` says.
pub fn place(vm: &mut Vm, part: &str) -> Result<u64> {
    let lines = vm.run("kexec status")?;
    let line = lines.iter().find(|line| line.starts_with(part)).context("no such part")?;
    let place = line[part.len()..].trim_start().strip_prefix("0x").context("no address")?;
    let digits = place.split('.').next().unwrap_or_default();
    u64::from_str_radix(digits, 16).with_context(|| format!("no address in {line:?}"))
}

/// A byte that is changed after the load keeps the kernel here, with all CPUs; changed back, it
/// lets it go.
fn changed(setup: Setup, part: &str) -> Result<()> {
    let (setup, gdb) = Gdb::with(setup)?;
    let mut vm = setup.boot()?;
    vm.run("kexec load baton.Image")?;
    let at = place(&mut vm, part)? + 999;
    let free = vm.free_bytes()?;
    for mode in ["parallel", "serial"] {
        gdb.flip(at)?;
        let said = vm.refused(&format!("kexec exec --verify --teardown {mode}"))?;
        let what = format!("the {} at 0x", part.trim_end());
        has(&said, &["kexec refused: ", &what, "is not what was loaded", "all CPUs are online"])?;
        vm.expect_marks(4, &[])?;
        same("free bytes", vm.free_bytes()?, free)?;
        gdb.flip(at)?;
    }
    let (_, hello) = vm.jump("kexec exec --verify", 1)?;
    same("CPUs online", hello.online, 4)?;
    vm.expect_marks(4, &[])?;
    vm.power_off()
}

/// The tree is written again for a CPU that firmware does not let go, and counts as it is then. A
/// refusal brings the others back.
fn parked() -> Result<()> {
    let (setup, gdb) = Gdb::with(cpus(4)?)?;
    let mut vm = setup.boot()?;
    vm.run("set fail off:2")?;
    vm.run("kexec load baton.Image")?;
    let at = place(&mut vm, "kernel ")? + 4096;
    gdb.flip(at)?;
    let said = vm.refused("kexec exec --verify")?;
    has(&said, &["the kernel at 0x", "is not what was loaded", "CPUs 2 are not back"])?;
    vm.expect_marks(4, &[(2, "QUARANTINED")])?;
    gdb.flip(at)?;
    let (_, hello) = vm.jump("kexec exec --verify", 1)?;
    same("CPUs online", hello.online, 3)
}

/// The record of the last jump.
pub fn last_jump(vm: &Vm) -> Result<Kexec> {
    let jumps = vm.guest.records().iter().rev();
    let mut jumps = jumps.filter_map(|record| match record {
        Record::Kexec(kexec) => Some(kexec.clone()),
        _ => None,
    });
    jumps.next().context("no record of a jump")
}

/// Time that the phase took by the trace, if there was one.
fn phase(vm: &mut Vm) -> Result<Option<u64>> {
    let (_, records) = vm.talk("timeline --json")?;
    let mut spans = records.iter().filter_map(|record| match record {
        Record::Phase(p) if p.phase == Phase::Verify && p.dir == Dir::Down => {
            Some(p.end_ns - p.begin_ns)
        }
        _ => None,
    });
    Ok(spans.next())
}

fn shown() -> Result<()> {
    let mut vm = cpus(4)?.boot()?;
    for (command, asked) in [("kexec exec", false), ("kexec exec --verify", true)] {
        vm.run("kexec load baton.Image")?;
        let generation = 1 + u32::from(asked);
        vm.jump(command, generation)?;
        let kexec = last_jump(&vm)?;
        jump(&kexec, generation, "parallel")?;
        same("verify_ns", kexec.verify_ns.is_some(), asked)?;
        let traced = phase(&mut vm)?;
        same("phase", traced.is_some(), asked)?;
        if let (Some(said), Some(traced)) = (kexec.verify_ns, traced) {
            ensure!(said > 0 && said <= kexec.exec_to_jump_ns, "{kexec:?}");
            ensure!(said.abs_diff(traced) <= 32, "{said} by the record, {traced} by the trace");
        }
    }
    has(&vm.run("timeline")?.join("\n"), &["verify"])
}

fn option() -> Result<()> {
    let mut vm = cpus(2)?.append("kexec.verify=on").boot()?;
    vm.jump("cycle 2", 1)?;
    ensure!(last_jump(&vm)?.verify_ns.is_some(), "the first jump was not verified");
    vm.arrival(2)?;
    ensure!(last_jump(&vm)?.verify_ns.is_some(), "the second jump was not verified");
    Ok(())
}
