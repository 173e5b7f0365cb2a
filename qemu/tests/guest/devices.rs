//! Devices that interrupt: the clock's alarm, and a disk with reads in flight.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;

use crate::check::{has, same};
use crate::vm::{SOON, Setup, Vm, cpus, test};

/// How long a read takes that is to be in flight at the jump, in microseconds.
const SLOW: u64 = 200_000;

pub fn tests() -> Vec<Trial> {
    vec![
        test("devices", "gicv3_one_cpu", || interrupts(cpus(1)?)),
        test("devices", "gicv3_eight_cpus", || interrupts(cpus(8)?)),
        test("devices", "gicv2_one_cpu", || interrupts(cpus(1)?.gic2())),
        test("devices", "gicv2_eight_cpus", || interrupts(cpus(8)?.gic2())),
        test("devices", "el2", || interrupts(cpus(2)?.el2())),
        test("devices", "modern_transport", || interrupts(modern(cpus(2)?))),
        test("devices", "without_a_disk", no_disk),
        test("devices", "triggers", || triggers(cpus(4)?)),
        test("devices", "triggers_gicv2", || triggers(cpus(4)?.gic2())),
        test("devices", "edges", || edges(cpus(4)?)),
        test("devices", "edges_gicv2", || edges(cpus(4)?.gic2())),
        test("devices", "kexec_with_reads_in_flight", || in_flight(cpus(8)?)),
        test("devices", "kexec_with_reads_in_flight_gicv2", || in_flight(cpus(8)?.gic2())),
        test("devices", "kexec_with_reads_in_flight_modern", || in_flight(modern(cpus(1)?))),
    ]
}

pub fn modern(setup: Setup) -> Setup {
    setup.qemu(&["-global", "virtio-mmio.force-legacy=false"])
}

/// What `devices` says of one device, as (number, what) pairs.
fn counts(vm: &mut Vm, device: &str) -> Result<Vec<(u64, String)>> {
    let lines = vm.run("devices")?;
    let line = lines.iter().find(|line| line.starts_with(device)).context("no such device")?;
    let (_, list) = line.split_once(": ").context("no counts")?;
    let pair = |item: &str| {
        let (number, what) = item.split_once(' ').context("no count")?;
        Ok((number.parse()?, what.to_string()))
    };
    list.split(", ").map(pair).collect()
}

pub fn count(vm: &mut Vm, device: &str, what: &str) -> Result<u64> {
    let found = counts(vm, device)?.into_iter().find(|(_, name)| name == what);
    Ok(found.with_context(|| format!("{device} has no {what:?}"))?.0)
}

/// What the distributor says of an interrupt's trigger, by the name of its user.
fn trigger(vm: &mut Vm, name: &str) -> Result<String> {
    let lines = vm.run("irqs")?;
    let of = |line: &&String| line.split_whitespace().nth(1) == Some(name);
    let line = lines.iter().find(of).with_context(|| format!("no {name} in {lines:?}"))?;
    let word = line.split_whitespace().find(|word| ["edge", "level"].contains(word));
    Ok(word.with_context(|| format!("no trigger: {line}"))?.to_string())
}

/// Each source's interrupt is configured as the tree says, in this kernel and in the next; those of
/// emulated monitors are edges, though their lines are levels in the tree.
fn triggers(setup: Setup) -> Result<()> {
    let mut vm = setup.dts("dsu-4.dts").boot()?;
    for generation in 0..2 {
        let wanted =
            [("console", "level"), ("alarm", "level"), ("disk", "edge"), ("dsu-pmu-0", "edge")];
        for (name, wanted) in wanted {
            same(name, trigger(&mut vm, name)?, wanted)?;
        }
        vm.run("torture irq --seconds 2")?;
        if generation == 0 {
            vm.run("kexec load baton.Image")?;
            vm.jump("kexec exec", 1)?;
            vm.guest.wait_prompt(SOON)?;
        }
    }
    Ok(())
}

/// A machine whose clock and timers are said to have edges works, and says so.
fn edges(setup: Setup) -> Result<()> {
    let mut vm = setup.dts("edges.dts").boot()?;
    same("alarm", trigger(&mut vm, "alarm")?, "edge")?;
    vm.run("alarm 1")?;
    let until = Instant::now() + SOON;
    while count(&mut vm, "alarm", "taken")? == 0 {
        ensure!(Instant::now() < until, "the alarm does not ring");
    }
    vm.run("soak 3")?;
    Ok(())
}

/// Every read comes back by an interrupt, good and as the backend has it; the alarm rings once.
fn interrupts(setup: Setup) -> Result<()> {
    let mut vm = setup.boot()?;
    vm.run("alarm 1")?;
    vm.run("disk 1000")?;
    for what in ["reads", "good", "of zeroes"] {
        same(what, count(&mut vm, "disk", what)?, 1000)?;
    }
    for what in ["bad", "in flight"] {
        same(what, count(&mut vm, "disk", what)?, 0)?;
    }
    // QEMU raises a line that is up once more when another read is back. KVM takes that for another
    // edge, and the handler has cleared the device's status by then.
    if !crate::under_kvm::asked() {
        same("spurious", count(&mut vm, "disk", "spurious")?, 0)?;
    }
    let interrupts = count(&mut vm, "disk", "interrupts")?;
    // At most 16 reads are in flight, so one interrupt brings 16 at most.
    ensure!((63..=1000).contains(&interrupts), "{interrupts} interrupts for 1000 reads");
    let until = Instant::now() + SOON;
    while count(&mut vm, "alarm", "taken")? == 0 {
        ensure!(Instant::now() < until, "the alarm does not ring");
    }
    let found = counts(&mut vm, "alarm")?;
    let found: Vec<_> = found.iter().map(|(number, what)| (*number, what.as_str())).collect();
    let wanted = [(1, "set"), (1, "taken"), (0, "replaced"), (0, "armed"), (0, "spurious")];
    same("alarm", found, wanted)
}

fn no_disk() -> Result<()> {
    let mut vm = cpus(2)?.no_disk().boot()?;
    has(&vm.refused("disk 1")?, &["there is no disk"])?;
    has(&vm.run("devices")?.join("\n"), &["disk   intid -: 0 reads"])?;
    vm.run("kexec load baton.Image")?;
    vm.jump("kexec exec", 1)?;
    has(&vm.refused("disk 1")?, &["there is no disk"])
}

/// What stays the same from kernel to kernel.
fn digests(vm: &mut Vm) -> Result<Vec<String>> {
    let lines = vm.run("kexec load baton.Image")?;
    let kept = lines.iter().filter(|line| line.starts_with("kernel") || line.starts_with("initrd"));
    let last = kept.filter_map(|line| line.rsplit(' ').next().map(String::from));
    Ok(last.collect())
}

/// The next kernel finds the devices quiet, its memory as it was loaded and nothing ringing.
fn in_flight(setup: Setup) -> Result<()> {
    let mut vm = setup.disk_latency(SLOW).boot()?;
    let image = digests(&mut vm)?;
    let mut free = None;
    for generation in 1..=4 {
        vm.run("alarm 2")?;
        vm.run("disk 16 --nowait")?;
        vm.jump("kexec exec", generation)?;
        let said = vm.guest.transcript().join("\n");
        ensure!(!said.contains("left running"), "a device ran on into the next kernel");
        same("reads", count(&mut vm, "disk", "reads")?, 0)?;
        let bytes = vm.free_bytes()?;
        same("free bytes", bytes, *free.get_or_insert(bytes))?;
        same("image and initrd", digests(&mut vm)?, image.clone())?;
    }
    vm.run("disk 48")?;
    same("good", count(&mut vm, "disk", "good")?, 48)?;
    std::thread::sleep(std::time::Duration::from_millis(2500));
    for what in ["taken", "spurious"] {
        same(what, count(&mut vm, "alarm", what)?, 0)?;
    }
    Ok(())
}
