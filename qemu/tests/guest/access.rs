//! A hypervisor can emulate every access that the image makes to a device: a plugin in QEMU watches
//! all of them, from the first instruction to power-off and through two kexecs, and the first one
//! whose instruction has no syndrome fails the test. `qemu/watch` says how none can be missed.

mod report;
mod symbols;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;

use crate::check::{has, same};
use crate::clean::{AT, probe};
use crate::devices::modern;
use crate::vm::{SOON, Setup, Vm, cpus, image_path, test};
use report::Report;
use symbols::Symbols;

const CPUS: u32 = 4;

/// A device, where QEMU's `virt` has it.
struct Device {
    name: &'static str,
    at: u64,
    size: u64,
}

const GICD: Device = Device { name: "GICD", at: 0x0800_0000, size: 0x1_0000 };
const GICC: Device = Device { name: "GICC", at: 0x0801_0000, size: 0x1_0000 };
const GICR: Device = Device { name: "GICR", at: 0x080a_0000, size: 0xf6_0000 };
const UART: Device = Device { name: "PL011", at: 0x0900_0000, size: 0x1000 };
const CLOCK: Device = Device { name: "PL031", at: 0x0901_0000, size: 0x1000 };
const VIRTIO: Device = Device { name: "virtio-mmio", at: 0x0a00_0000, size: 0x4000 };

/// All that the image has drivers for on such a machine.
const GICV3: [Device; 5] = [GICD, GICR, UART, CLOCK, VIRTIO];
const GICV2: [Device; 5] = [GICD, GICC, UART, CLOCK, VIRTIO];

pub fn tests() -> Vec<Trial> {
    let clusters = || -> Result<Setup> { Ok(cpus(CPUS)?.dts("dsu-2.dts")) };
    let gic2 = || -> Result<Setup> { Ok(cpus(CPUS)?.gic2()) };
    vec![
        test("access", "gicv3", move || life(clusters()?, &GICV3)),
        test("access", "gicv3_el2", move || life(modern(clusters()?.el2()), &GICV3)),
        test("access", "gicv2", move || life(gic2()?, &GICV2)),
        test("access", "gicv2_el2", move || life(gic2()?.el2(), &GICV2)),
        test("access", "panic", || panic(cpus(CPUS)?, &GICV3)),
        test("access", "dirty_predecessor", || dirty(cpus(CPUS)?, &GICV3)),
        test("access", "dirty_predecessor_gicv2", || dirty(cpus(CPUS)?.gic2(), &GICV2)),
        test("access", "each_form_without_a_syndrome_is_seen", forms),
    ]
}

/// A machine that is watched, and where the report will be.
fn watched(setup: Setup) -> Result<(Setup, PathBuf)> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/debug/libbaton_watch.so");
    let plugin = std::env::var_os("BATON_WATCH").map_or_else(|| default.into(), PathBuf::from);
    ensure!(plugin.is_file(), "no plugin at {}; run `make watch`", plugin.display());
    let out = setup.directory().join("accesses");
    let argument = format!("{},out={}", plugin.display(), out.display());
    Ok((setup.qemu(&["-plugin", &argument]), out))
}

/// Three kernels, each with all CPUs, clusters and devices in use; two jumps, one of each kind.
fn life(setup: Setup, devices: &[Device]) -> Result<()> {
    let (setup, out) = watched(setup)?;
    let mut vm = setup.boot()?;
    busy(&mut vm, devices)?;
    vm.run("kexec load baton.Image")?;
    vm.jump("kexec exec", 1)?;
    busy(&mut vm, devices)?;
    vm.run("kexec load baton.Image")?;
    vm.jump("kexec exec --teardown serial", 2)?;
    busy(&mut vm, devices)?;
    vm.power_off()?;
    judge(&out, devices)
}

fn busy(vm: &mut Vm, devices: &[Device]) -> Result<()> {
    vm.record("cpu offline all")?;
    vm.record("cpu online all")?;
    if has_clusters(devices) {
        vm.run("pmu open all cycles")?;
    }
    vm.run("stress on")?;
    vm.run("disk 40")?;
    vm.run("alarm 1")?;
    vm.run("soak 1")?;
    vm.run("timeline")?;
    Ok(())
}

/// The device tree with clusters is one of a machine with GICv3.
fn has_clusters(devices: &[Device]) -> bool {
    devices.iter().any(|device| device.name == GICR.name)
}

/// The way out through a panic, which other boots don't take.
fn panic(setup: Setup, devices: &[Device]) -> Result<()> {
    let (setup, out) = watched(setup)?;
    let mut vm = setup.boot()?;
    vm.guest.send("crash panic --cpu 2")?;
    vm.panic()?;
    judge(&out, devices)
}

/// What a predecessor left on is turned off by accesses that no other boot makes. Those of the
/// payload in its place are watched too.
fn dirty(setup: Setup, devices: &[Device]) -> Result<()> {
    let (setup, out) = watched(setup)?;
    let image = image_path();
    let loaded = format!("loader,file={},addr={AT:#x},force-raw=on", image.display());
    let setup = setup.image(&probe()?).append("probe=dirty").qemu(&["-device", &loaded]);
    let mut vm = setup.start()?;
    vm.arrival(0)?;
    vm.guest.wait_prompt(SOON)?;
    has(&vm.guest.transcript().join("\n"), &["warning: before this kernel interrupts were left"])?;
    vm.power_off()?;
    judge(&out, devices)
}

/// No offence, no access but to these devices, and loads and stores of each of them.
fn judge(out: &Path, devices: &[Device]) -> Result<()> {
    let report = Report::read(out)?;
    innocent(&report, devices)?;
    let unknown = report.pages.iter().find(|page| device_at(devices, page.at).is_none());
    if let Some(page) = unknown {
        anyhow::bail!("accesses at {:#x} to no device that this test knows", page.at);
    }
    for device in devices {
        let pages = report.pages.iter().filter(|page| device.has(page.at));
        let (loads, stores) =
            pages.fold((0, 0), |sum, page| (sum.0 + page.loads, sum.1 + page.stores));
        ensure!(
            loads > 0 && stores > 0,
            "{loads} loads from {} and {stores} stores to it: its driver was not watched",
            device.name
        );
    }
    Ok(())
}

fn innocent(report: &Report, devices: &[Device]) -> Result<()> {
    if report.offences.is_empty() {
        return Ok(());
    }
    let symbols = Symbols::read();
    let lines: Vec<String> = report
        .offences
        .iter()
        .map(|offence| {
            let device = device_at(devices, offence.at).map_or(&*offence.region, |d| d.name);
            format!("{device} {offence} in {}", symbols.name(offence.pc))
        })
        .collect();
    anyhow::bail!(
        "{} instructions access devices and have no syndrome, so KVM can't emulate what they do:\n  {}",
        lines.len(),
        lines.join("\n  ")
    );
}

fn device_at(devices: &[Device], at: u64) -> Option<&Device> {
    devices.iter().find(|device| device.has(at))
}

impl Device {
    fn has(&self, at: u64) -> bool {
        (self.at..self.at + self.size).contains(&at)
    }
}

/// Bare code that accesses GICD_IGROUPR and what follows it in every form, and powers off. The
/// text beside an opcode is that of LLVM's assembler.
const FORMS: [u32; 15] = [
    0xd2a10001, // mov x1, #0x8000000
    0xd2a00602, // mov x2, #0x300000: floating point is not trapped
    0xd5181042, // msr CPACR_EL1, x2
    0xd5033fdf, // isb
    0xb9408020, // ldr w0, [x1, #128]: the only one with a syndrome
    0xb8480420, // ldr w0, [x1], #128
    0x29400820, // ldp w0, w2, [x1]
    0xfd400020, // ldr d0, [x1]
    0x885f7c20, // ldxr w0, [x1]
    0xb8200022, // ldadd w0, w2, [x1]
    0xb8004c20, // str w0, [x1, #4]!
    0xd50b7421, // dc zva, x1
    0x52b08000, // mov w0, #0x84000000
    0x72800100, // movk w0, #8: PSCI SYSTEM_OFF
    0xd4000002, // hvc #0
];
/// Which of them have no syndrome.
const OFFENDING: std::ops::Range<usize> = 5..12;
/// Bytes that DC ZVA clears on these CPUs, each by a store of its own in QEMU.
const ZVA: u64 = 64;

/// The watch itself: it sees write-back, pairs, vectors, exclusives, atomics and DC ZVA.
fn forms() -> Result<()> {
    let setup = cpus(2)?.no_disk();
    let code = setup.directory().join("forms");
    std::fs::write(&code, FORMS.map(u32::to_le_bytes).concat())?;
    let (setup, out) = watched(setup.image(&code))?;
    let mut vm = setup.start()?;
    let status = vm.guest.wait_end(SOON)?;
    ensure!(status.success(), "QEMU ended with {status}");
    let report = Report::read(&out)?;
    let seen: Vec<u32> = report.offences.iter().map(|offence| offence.opcode).collect();
    same("opcodes of offences", seen, FORMS[OFFENDING].to_vec())?;
    let page = report.pages.first().context("no page")?;
    same("page", page.at, GICD.at)?;
    // LDADD is a load and a store here; LDP is two loads or one, by QEMU's version.
    ensure!((6..=7).contains(&page.loads), "{} loads", page.loads);
    same("stores", page.stores, 2 + ZVA)?;
    let error = innocent(&report, &[GICD]).unwrap_err().to_string();
    has(&error, &["7 instructions", "GICD load at 0x8000000 by 0xb8480420 at pc 0x40080014"])
}
