//! Guests of KVM that take long: many virtual CPUs, very few, many kexecs, long torture, Linux, and
//! CPUs that the host starves. Only in a run that is under KVM altogether.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};

use baton::report::{CpuFailure, Record, TeardownMode};
use baton_qemu::exits::account::{Counts, acts};
use baton_qemu::progress::Progress;
use baton_qemu::run::Limits;
use baton_qemu::{Gic, Options, exits};
use libtest_mimic::Trial;

use crate::check::has;
use crate::clean::{self, kind::Kind};
use crate::kvm::{life, torture};
use crate::linux::{hands_over, there_and_back};
use crate::torture::kexecs;
use crate::vm::{Setup, Vm, image_path, kvm, test};

/// Virtual CPUs on the two of the hypervisor's machine.
const MANY: u32 = 40;
/// Kexecs in a row.
const CYCLES: u32 = 100;
/// Deadlines of an operation on [`MANY`] starved CPUs, in ms: none can be met, some, all.
const DEADLINES: [u32; 5] = [1, 10, 50, 200, 1000];
/// Exits of the boot CPU until the jump and after it, of a CPU that leaves and of one that comes, at
/// most: four CPUs, nothing under stress.
const EXITS_V3: (u32, u32, u32, u32) = (51, 42, 5, 8);
/// The same of a GICv2.
const EXITS_V2: (u32, u32, u32, u32) = (56, 44, 9, 22);
/// One that is met.
const LONG: u32 = 30_000;

pub fn tests() -> Vec<Trial> {
    let gicv3 = Kind { kvm: true, ..Kind::default() };
    let gicv2 = Kind { gic2: true, ..gicv3 };
    vec![
        test("kvm_all", "1_vcpu", || life(kvm(1)?, 1, 1)),
        test("kvm_all", "1_vcpu_gicv2", || life(kvm(1)?.gic2(), 1, 1)),
        test("kvm_all", "2_vcpus", || life(kvm(2)?, 2, 10)),
        test("kvm_all", "2_vcpus_gicv2", || life(kvm(2)?.gic2(), 2, 10)),
        test("kvm_all", "8_vcpus_gicv2", || life(kvm(8)?.gic2(), 8, 10)),
        test("kvm_all", "40_vcpus", || life(kvm(MANY)?, MANY, 10)),
        test("kvm_all", "starved_vcpus_are_named", || starved(kvm(MANY)?)),
        test("kvm_all", "100_cycles_under_stress", || kexecs(kvm(4)?.dts("dsu-2.dts"), CYCLES)),
        test("kvm_all", "100_cycles_under_stress_gicv2", || kexecs(kvm(4)?.gic2(), CYCLES)),
        test("kvm_all", "torture_gicv3", || tortured(kvm(8)?.dts("dsu-2.dts"))),
        test("kvm_all", "torture_gicv2", || tortured(kvm(8)?.gic2().dts("dsu-2.dts"))),
        test("kvm_all", "left_gicv3", move || clean::leave(gicv3)),
        test("kvm_all", "left_gicv2", move || clean::leave(gicv2)),
        test("kvm_all", "linux_gicv3", || there_and_back(&["-n", "8", "--accel", "kvm"])),
        test("kvm_all", "linux_gicv2", || {
            there_and_back(&["-n", "2", "--accel", "kvm", "--gic", "2"])
        }),
        test("kvm_all", "busy_into_linux", busy),
        test("kvm_all", "exits_gicv3", || exits(Gic::V3)),
        test("kvm_all", "exits_gicv2", || exits(Gic::V2)),
    ]
}

/// A kexec of a quiet guest takes no more exits than doc/exits.md says, of each kind of CPU.
fn exits(gic: Gic) -> Result<()> {
    let out = tempfile::tempdir()?;
    let machine = Options { cpus: 4, mem: "512M".into(), gic, ..Options::new(image_path()) };
    let limits = Limits { timeout: 300, total: 900 };
    let counted =
        exits::count(&machine, TeardownMode::Parallel, out.path(), limits, &Progress::new(8))?;
    let most = |all: &[Counts]| all.iter().map(acts).max().unwrap_or(0);
    let account = &counted.account;
    let is =
        (acts(&account.boot_down), acts(&account.boot_up), most(&account.down), most(&account.up));
    let bar = if gic == Gic::V3 { EXITS_V3 } else { EXITS_V2 };
    let within = is.0 <= bar.0 && is.1 <= bar.1 && is.2 <= bar.2 && is.3 <= bar.3;
    ensure!(within, "exits {is:?} where {bar:?} are enough: {account:#?}");
    Ok(())
}

fn tortured(setup: Setup) -> Result<()> {
    let mut vm = setup.boot()?;
    torture(&mut vm, "all", 60)?;
    vm.expect_marks(8, &[])?;
    vm.power_off()
}

fn busy() -> Result<()> {
    let busy = "stress on;disk 16 --nowait;alarm 60";
    let machine = ["-n", "4", "--accel", "kvm", "--disk-latency", "200000", "--cycles", "1"];
    hands_over(&[&["--before", busy], machine.as_slice()].concat()).map(drop)
}

/// With deadlines too short for CPUs that get no time of the host: each that is late is named, in
/// the record and in words, and once there is time all are as if nothing had been.
fn starved(setup: Setup) -> Result<()> {
    let mut vm = setup.memory("512M").boot()?;
    let mut late = 0;
    for ms in DEADLINES {
        for mode in ["parallel", "serial"] {
            vm.run(&format!("set timeout {ms}"))?;
            late += named(&mut vm, &format!("cpu offline all --teardown {mode}"), "OFFLINE")?;
            vm.run(&format!("set timeout {LONG}"))?;
            recover(&mut vm)?;
        }
        vm.record("cpu offline all")?;
        vm.run(&format!("set timeout {ms}"))?;
        late += named(&mut vm, "cpu online all", "ONLINE")?;
        vm.run(&format!("set timeout {LONG}"))?;
        recover(&mut vm)?;
    }
    ensure!(late > 0, "no deadline was missed: the machine is too fast for this test");
    vm.run("soak 3")?;
    vm.run("kexec load baton.Image")?;
    vm.jump("kexec exec", 1)?;
    vm.expect_marks(MANY, &[])?;
    vm.power_off()
}

/// How many CPUs the command names as late. The others are where they should be, or ONLINE as before
/// if the command is refused over those that are named; none is in between.
fn named(vm: &mut Vm, command: &str, mark: &str) -> Result<usize> {
    let (lines, records) = vm.talk(command)?;
    let failures: Vec<CpuFailure> = match records.first() {
        Some(Record::Teardown(teardown)) => teardown.stuck.clone(),
        Some(Record::Bringup(bringup)) => bringup.failed.clone(),
        _ => bail!("`{command}` gave {records:?}"),
    };
    let said = lines.join("\n");
    let listed: BTreeSet<u32> = failures.iter().map(|failure| failure.cpu).collect();
    ensure!(failures.is_empty() != said.contains("error: "), "{failures:?} and {said}");
    if let Some(first) = failures.first() {
        has(&said, &[&format!("cpu {} at {}", first.cpu, first.mark)])?;
    }
    let marks = vm.marks()?.into_iter().zip(0..).skip(1);
    let well = |at: &str| at == mark || (at == "ONLINE" && !listed.is_empty());
    let others: Vec<_> = marks.filter(|(at, cpu)| !well(at) && !listed.contains(cpu)).collect();
    ensure!(others.is_empty(), "neither {mark} nor named after `{command}`: {others:?}");
    Ok(failures.len())
}

/// All CPUs come, those too that are still on their way out.
fn recover(vm: &mut Vm) -> Result<()> {
    let away: Vec<u32> =
        vm.marks()?.iter().zip(0..).filter(|(mark, _)| *mark != "ONLINE").map(|(_, n)| n).collect();
    if !away.is_empty() {
        let list: Vec<String> = away.iter().map(u32::to_string).collect();
        crate::check::came(
            &vm.record(&format!("cpu online {}", list.join(",")))?,
            away.len() as u32,
        )?;
    }
    vm.expect_marks(MANY, &[])
}
