//! Loading, looking, unloading and jumping.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use baton::report::{BringupAt, Record, TeardownAt};
use baton::trace::{Dir, StepName};
use libtest_mimic::Trial;

use crate::check::{has, jump, phases, same};
use crate::vm::{SOON, Setup, Vm, cpus, image_path, test};

pub fn tests() -> Vec<Trial> {
    vec![
        test("kexec", "status_shows_the_hash_of_the_file", status),
        test("kexec", "unload_gives_all_memory_back", unload),
        test("kexec", "loading_again_replaces", again),
        test("kexec", "bases_at_el1", || bases(cpus(4)?)),
        test("kexec", "bases_at_el2", || bases(cpus(4)?.el2())),
        test("kexec", "append_is_the_next_command_line", append),
        test("kexec", "initrd_of_its_own", own_initrd),
        test("kexec", "records_of_a_jump", records),
        test("kexec", "trace_of_a_jump_is_whole", trace),
        test("kexec", "script_goes_on_in_the_next_kernel", script),
        test("kexec", "with_cpus_offline", some_offline),
        test("kexec", "reset_ends_qemu", reset),
    ]
}

/// The host's own SHA-256 of the image.
fn sha256() -> Result<String> {
    let output = Command::new("sha256sum").arg(image_path()).output().context("sha256sum")?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split(' ').next().unwrap_or_default().to_string())
}

fn status() -> Result<()> {
    let mut vm = cpus(2)?.boot()?;
    same("status before", vm.run("kexec status")?, ["no kernel is loaded"])?;
    let lines = vm.run("kexec load /baton.Image")?;
    same("status", vm.run("kexec status")?, &lines[..])?;
    has(&lines[0], &["/baton.Image, entry 0x", "append \"\""])?;
    let kernel = lines.iter().find(|line| line.starts_with("kernel ")).context("no kernel")?;
    has(kernel, &[&format!("sha256 {}", sha256()?)])?;
    has(&lines.join("\n"), &["dtb ", "stays in place", "bytes to copy in the jump: 0"])
}

fn unload() -> Result<()> {
    let mut vm = cpus(2)?.boot()?;
    has(&vm.refused("kexec unload")?, &["no kernel is loaded"])?;
    has(&vm.refused("kexec exec")?, &["no kernel is loaded", "kexec load"])?;
    let before = vm.run("mem")?;
    vm.run("kexec load baton.Image")?;
    ensure!(vm.run("mem")? != before, "a loaded kernel takes no memory");
    vm.run("kexec unload")?;
    same("memory", vm.run("mem")?, before)?;
    same("status", vm.run("kexec status")?, ["no kernel is loaded"])?;
    has(&vm.refused("kexec exec")?, &["no kernel is loaded"])
}

fn again() -> Result<()> {
    let mut vm = cpus(2)?.boot()?;
    vm.run("kexec load baton.Image --append first")?;
    let once = vm.free_bytes()?;
    let lines = vm.run("kexec load baton.Image --append second")?;
    has(&lines[0], &["append \"second\""])?;
    same("free bytes", vm.free_bytes()?, once)
}

/// The image runs wherever it is put.
fn bases(setup: Setup) -> Result<()> {
    let mut vm = setup.boot()?;
    let all = [0x5a600000_u64, 0x40000000, 0x7000_0000, 0x4fe00000];
    for (base, generation) in all.into_iter().zip(1..) {
        vm.run(&format!("kexec load /baton.Image --at {base:#x}"))?;
        let (_, hello) = vm.jump("kexec exec", generation)?;
        same("base", hello.base, base)?;
        same("CPUs online", hello.online, 4)?;
    }
    vm.expect_marks(4, &[])?;
    vm.power_off()
}

fn append() -> Result<()> {
    let mut vm = cpus(4)?.append("maxcpus=3 run=\"cpu online all\"").start()?;
    vm.arrival(0)?;
    vm.guest.wait_record(|r| matches!(r, Record::Bringup(b) if b.at == BringupAt::Online), SOON)?;
    vm.run("kexec load baton.Image")?;
    let (bringup, hello) = vm.jump("kexec exec", 1)?;
    same("inherited maxcpus", (bringup.cpus, hello.online), (2, 3))?;
    let options = "cpuhp.bringup=fanout cpuhp.teardown=serial run='cpu offline 1; cpus'";
    vm.run(&format!("kexec load baton.Image --append \"{}\"", options.replace('\'', "\\\"")))?;
    let (bringup, hello) = vm.jump("kexec exec", 2)?;
    same("policy", bringup.policy.as_str(), "fanout")?;
    same("CPUs online", hello.online, 4)?;
    let teardown = |r: &Record| matches!(r, Record::Teardown(t) if t.at == TeardownAt::Offline);
    let record = vm.guest.wait_record(teardown, SOON)?;
    crate::check::left(&record, 1, "serial")
}

fn own_initrd() -> Result<()> {
    let mut archive = baton_qemu::cpio::Archive::default();
    archive.add("note", b"for the next kernel")?;
    let mut vm = cpus(2)?.file("next.cpio", &archive.finish()?)?.boot()?;
    vm.run("kexec load baton.Image --initrd next.cpio")?;
    vm.jump("kexec exec", 1)?;
    has(&vm.run("files")?[0], &["19  note"])
}

fn records() -> Result<()> {
    let mut vm = cpus(4)?.boot()?;
    for (mode, generation) in ["parallel", "serial"].into_iter().zip(1..) {
        vm.run("kexec load /baton.Image")?;
        let before = vm.guest.records().len();
        vm.jump(&format!("kexec exec --teardown {mode}"), generation)?;
        let new = &vm.guest.records()[before..];
        let [Record::Bringup(_), Record::Teardown(down), Record::Kexec(kexec), Record::Hello(_)] =
            new
        else {
            anyhow::bail!("{new:?}")
        };
        jump(kexec, generation, mode)?;
        same("to", kexec.to.as_str(), "/baton.Image")?;
        same("at and mode", (down.at.as_str(), down.mode.as_str()), ("kexec", mode))?;
        same("CPUs and generation", (down.cpus, down.generation), (3, generation - 1))?;
        phases(down)?;
        ensure!(down.total_ns <= kexec.exec_to_jump_ns, "{down:?} {kexec:?}");
    }
    Ok(())
}

/// Every step of every CPU is there, on both sides of the jump.
fn trace() -> Result<()> {
    let mut vm = cpus(8)?.boot()?;
    vm.run("kexec load baton.Image")?;
    vm.jump("kexec exec", 1)?;
    let (lines, records) = vm.talk("timeline --json")?;
    ensure!(lines.is_empty(), "beside the records: {lines:?}");
    for step in [
        StepName::PercpuPrepare,
        StepName::GicStarting,
        StepName::TimerStarting,
        StepName::WorkOnline,
    ] {
        for (dir, generation) in [(Dir::Up, 1), (Dir::Down, 0)] {
            for cpu in 1..8 {
                let found = records.iter().filter(|record| {
                    matches!(record, Record::Step(s) if s.step == step && s.dir == dir
                        && s.cpu == cpu && s.generation == generation)
                });
                same(&format!("{step} {dir} on CPU {cpu}"), found.count(), 1)?;
            }
        }
    }
    in_order(&records)
}

/// Spans do not end before they begin, and the old kernel's marks lie before the new kernel's.
fn in_order(records: &[Record]) -> Result<()> {
    let (mut old, mut new) = (0, u64::MAX);
    for record in records {
        match record {
            Record::Step(s) => ensure!(s.begin_ns <= s.end_ns, "{s:?}"),
            Record::Phase(p) => ensure!(p.begin_ns <= p.end_ns, "{p:?}"),
            Record::Mark(m) if m.generation == 0 => old = old.max(m.at_ns),
            Record::Mark(m) => new = new.min(m.at_ns),
            _ => {}
        }
    }
    ensure!(old > 0 && old < new, "last mark before the jump {old}, first after it {new}");
    Ok(())
}

fn script() -> Result<()> {
    let mut vm = cpus(4)?.append("run=\"cycle 2; cpus; poweroff\"").start()?;
    for generation in 0..=2 {
        let (_, hello) = vm.arrival(generation)?;
        same("CPUs online", hello.online, 4)?;
    }
    vm.guest.wait_text("last failure", SOON)?;
    let status = vm.guest.wait_end(SOON)?;
    ensure!(status.success(), "QEMU ended with {status}");
    let cycles = vm.guest.records().iter().filter_map(|record| match record {
        Record::Cycle(cycle) => Some((cycle.done, cycle.asked)),
        _ => None,
    });
    same("cycles", cycles.collect::<Vec<_>>(), [(1, 2), (2, 2)])?;
    same("`cpus` ran", headings(&vm), 1)
}

fn headings(vm: &Vm) -> usize {
    vm.guest.transcript().iter().filter(|line| line.contains("last failure")).count()
}

/// CPUs that are off already are no trouble, and all are online in the next kernel.
fn some_offline() -> Result<()> {
    let mut vm = cpus(4)?.boot()?;
    for (mode, generation) in ["parallel", "serial"].into_iter().zip(1..) {
        vm.record("cpu offline 1,3")?;
        vm.run("kexec load baton.Image")?;
        vm.jump(&format!("kexec exec --teardown {mode}"), generation)?;
        vm.expect_marks(4, &[])?;
    }
    vm.record("cpu offline all")?;
    vm.run("kexec load baton.Image")?;
    vm.jump("kexec exec", 3)?;
    vm.expect_marks(4, &[])
}

/// `-no-reboot` makes a reset the end.
fn reset() -> Result<()> {
    let mut vm = cpus(2)?.boot()?;
    vm.guest.send("reset")?;
    let status = vm.guest.wait_end(SOON)?;
    ensure!(status.success(), "QEMU ended with {status}");
    Ok(())
}
