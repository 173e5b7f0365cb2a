//! The machine that baton leaves is as after power-on, and what a dirty predecessor left is noticed,
//! said and dealt with. The probe payload prints the machine as it is entered, or makes it dirty.

pub mod kind;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;

use self::kind::{Kind, Known};
use crate::check::{has, same};
use crate::vm::{SOON, Vm, image, image_path, test};

const CPUS: u32 = 4;
/// Where the payload expects the kernel that it enters.
pub const AT: u64 = 0x5000_0000;
/// The CPU that the dirty predecessor leaves ON.
const LEFT_ON: u32 = 1;
/// How long a read takes that is in flight at the jump, in microseconds.
const SLOW: u64 = 50_000;

/// GICR_CTLR.CES: this QEMU says that LPIs can be turned off.
const CES: u64 = 1 << 1;

pub fn tests() -> Vec<Trial> {
    let gicv3 = Kind::default();
    let gicv2 = Kind { gic2: true, ..gicv3 };
    let max = Kind { max: true, ..gicv3 };
    let el2 = |kind| Kind { el2: true, ..kind };
    let serial = |kind| Kind { serial: true, ..kind };
    let vhe = |kind| Kind { el2: true, vhe: true, ..kind };
    let copied = |kind| Kind { copied: true, ..kind };
    let edges = |kind| Kind { edges: true, ..kind };
    let lpis = |kind| Kind { lpis: true, ..kind };
    let left = [
        ("gicv3", gicv3),
        ("gicv3_serial", serial(gicv3)),
        ("gicv3_el2", el2(gicv3)),
        ("gicv3_el2_serial", el2(serial(gicv3))),
        ("gicv2", gicv2),
        ("gicv2_el2_serial", el2(serial(gicv2))),
        ("max", max),
        ("max_el2", el2(max)),
        ("edges", edges(gicv3)),
        ("edges_gicv2", edges(serial(gicv2))),
        ("copied", copied(gicv3)),
        ("copied_el2", copied(el2(max))),
    ];
    let found = [
        ("gicv3", gicv3),
        ("gicv3_lpis", lpis(serial(gicv3))),
        ("gicv3_el2", el2(gicv3)),
        ("gicv3_vhe", vhe(serial(gicv3))),
        ("gicv2", gicv2),
        ("gicv2_el2", el2(gicv2)),
        ("max", max),
        ("max_vhe", vhe(max)),
    ];
    let left = left.map(|(name, kind)| test("clean", format!("left_{name}"), move || leave(kind)));
    let found =
        found.map(|(name, kind)| test("clean", format!("dirty_{name}"), move || dirty(kind)));
    left.into_iter().chain(found).collect()
}

/// The payload.
pub fn probe() -> Result<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/probe.Image");
    let path = std::env::var_os("BATON_PROBE").map_or_else(|| default.into(), PathBuf::from);
    ensure!(path.is_file(), "no payload at {}; run `make probe`", path.display());
    Ok(path)
}

/// What the payload prints: items and values.
type Items = BTreeMap<String, String>;

/// Waits for the payload's last line and gives all of its items.
fn items(vm: &mut Vm, kind: Kind) -> Result<Items> {
    vm.guest.wait_text("probe end", SOON)?;
    let lines = vm.guest.transcript().iter().filter_map(|line| line.strip_prefix("probe "));
    let mut items: Items = lines
        .filter_map(|line| line.split_once(' '))
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    // QEMU's translator, on which KVM runs, has no such register: a read of it leaves what was there.
    if kind.kvm {
        items.remove("mdccint_el1");
    }
    ensure!(items.len() > 150, "only {} items", items.len());
    ensure!(!items.keys().any(|name| name.starts_with("fault")), "the payload took an exception");
    Ok(items)
}

fn cold(kind: Kind) -> Result<Items> {
    items(&mut kind.setup()?.image(&probe()?).start()?, kind)
}

/// Equal but for what is known; and each of those does differ, or the list would rot.
fn compare(cold: &Items, found: &Items, known: &[Known]) -> Result<()> {
    let names = cold.keys().chain(found.keys());
    let differing: Vec<&String> =
        names.filter(|name| cold.get(*name) != found.get(*name)).collect();
    let is_known = |name: &str| known.iter().any(|k| name.starts_with(k.items));
    let show = |name: &&String| {
        let value = |items: &Items| items.get(*name).cloned().unwrap_or_else(|| "-".into());
        format!("{name}: {} cold, {} now", value(cold), value(found))
    };
    let wrong: Vec<String> = differing.iter().filter(|n| !is_known(n)).map(show).collect();
    ensure!(wrong.is_empty(), "not as after power-on:\n  {}", wrong.join("\n  "));
    let idle = known.iter().find(|k| !differing.iter().any(|name| name.starts_with(k.items)));
    let idle = idle.map(|k| format!("{} is as after power-on: no need for {:?}", k.items, k.why));
    ensure!(idle.is_none(), "{}", idle.unwrap_or_default());
    Ok(())
}

/// A busy life, then the payload in place of a next kernel.
pub fn leave(kind: Kind) -> Result<()> {
    let cold = cold(kind)?;
    let mut setup = kind.setup()?.file("probe.Image", &std::fs::read(probe()?)?)?;
    let clusters = !kind.gic2 && !kind.edges;
    if kind.edges {
        setup = setup.dts("edges.dts");
    }
    if clusters {
        setup = setup.dts("dsu-2.dts");
    }
    let mut vm = setup.boot()?;
    silent(&vm, 0)?;
    vm.record("cpu offline all")?;
    vm.record("cpu online all")?;
    if clusters {
        vm.run("pmu open all cycles")?;
    }
    vm.run("stress on")?;
    vm.run("disk 40")?;
    vm.run("alarm 100")?;
    vm.run("kexec load baton.Image")?;
    let before = vm.guest.transcript().len();
    let (_, hello) = vm.jump(&format!("kexec exec --teardown {}", kind.mode()), 1)?;
    silent(&vm, before)?; // what baton leaves gives baton nothing to notice
    vm.run("soak 2")?;
    vm.run("alarm 100")?;
    let at = if kind.copied { format!(" --at {:#x}", hello.base) } else { String::new() };
    let lines = vm.run(&format!("kexec load probe.Image --append \"\"{at}"))?;
    let copies = !lines.join("\n").contains("bytes to copy in the jump: 0");
    same("copied", copies, kind.copied)?;
    vm.run("disk 16 --nowait")?;
    vm.guest.send(&format!("kexec exec --teardown {}", kind.mode()))?;
    compare(&cold, &items(&mut vm, kind)?, &kind.known(false, false))
}

/// Nothing was noticed since a line of the transcript.
fn silent(vm: &Vm, since: usize) -> Result<()> {
    let lines = &vm.guest.transcript()[since..];
    let noticed = lines.iter().find(|line| {
        ["before this kernel", "left ON", "LPIs"].iter().any(|words| line.contains(words))
    });
    ensure!(noticed.is_none(), "noticed on a clean machine: {noticed:?}");
    Ok(())
}

/// Registers that are UNKNOWN after a reset: the dirty predecessor sets them, `compare` sees them
/// reset, and baton says nothing of them, for a value in them proves nothing.
const UNKNOWN: [&str; 4] = ["CPACR_EL1", "CNTKCTL_EL1", "TPIDR", "CNTVOFF_EL2"];

/// What baton has to say of the dirty predecessor.
fn complaints(kind: Kind, lpis_stay: bool) -> Vec<&'static str> {
    let mut list = vec![
        // UART line, disk lines and the clock's may be pending too, by now or never.
        "warning: before this kernel interrupts were left 1 active, ",
        "warning: before this kernel performance monitors were left counting; stopped",
        "warning: before this kernel breakpoints or watchpoints were left on; turned off",
        "warning: before this kernel the UART was left able to interrupt; masked",
        "warning: 5 devices were left running before this kernel, now stopped",
        "warning: cpu 1 (MPIDR 0x1) was left ON by an earlier kernel",
    ];
    list.push(if kind.el2 {
        "timers were left armed: virtual, physical, hypervisor; turned off"
    } else {
        "timers were left armed: virtual, physical; turned off"
    });
    if kind.vhe {
        list.push(
            "warning: before this kernel registers were left set: HCR_EL2 0x408000000; reset",
        );
    } else if kind.el2 {
        list.push("warning: before this kernel registers were left set: HCR_EL2 0x3b; reset");
    }
    if lpis_stay {
        list.push("warning: an earlier kernel left LPIs enabled on 4 redistributors");
    } else if kind.lpis {
        list.push("before this kernel LPIs were left enabled on 4 redistributors; turned off");
    }
    list
}

/// baton after a predecessor that kept to the boot protocol and to nothing else: it says what it
/// found, all works that can, and what it leaves in turn is clean.
fn dirty(kind: Kind) -> Result<()> {
    let cold = cold(kind)?;
    let lpis_stay = kind.lpis && !can_turn_lpis_off(&cold)?;
    let image_at = format!("loader,file={},addr=0x50000000,force-raw=on", image_path().display());
    let flags = match (kind.lpis, kind.vhe) {
        (true, _) => "probe=dirty,lpis",
        (_, true) => "probe=dirty,vhe",
        _ => "probe=dirty",
    };
    let setup = kind.setup()?.image(&probe()?).append(flags).qemu(&["-device", &image_at]);
    let setup = setup.file("next.Image", &image()?)?;
    let mut vm = setup.file("probe.Image", &std::fs::read(probe()?)?)?.start()?;
    let (_, hello) = vm.arrival(0)?;
    same("base", hello.base, AT)?;
    same("online", hello.online, CPUS - 1)?;
    vm.guest.wait_prompt(SOON)?;
    let said = vm.guest.transcript().join("\n");
    has(&said, &complaints(kind, lpis_stay))?;
    let unknown = UNKNOWN.iter().find(|name| said.contains(**name));
    ensure!(unknown.is_none(), "{unknown:?} is named, and UNKNOWN after a reset");
    lives_without(&mut vm)?;
    jumps(&mut vm, kind)?;
    vm.run("kexec load probe.Image --append \"\"")?;
    vm.guest.send("kexec exec")?;
    compare(&cold, &items(&mut vm, kind)?, &kind.known(true, lpis_stay))
}

/// True if the first redistributor says so.
fn can_turn_lpis_off(cold: &Items) -> Result<bool> {
    let ctlr = cold.get("gicr[0].ctlr").context("no GICR_CTLR")?;
    let ctlr = u64::from_str_radix(ctlr.trim_start_matches("0x"), 16)?;
    Ok(ctlr & CES != 0)
}

/// All but the CPU that is not ours go and come, and devices work.
fn lives_without(vm: &mut Vm) -> Result<()> {
    vm.run("soak 3 --cpus 2-3")?;
    let what = vm.refused_with(&format!("cpu online {LEFT_ON}"))?.0;
    has(&what, &["cpu 1 at SHOULD_DIE"])?;
    vm.run("disk 20")?;
    vm.run("alarm 1")?;
    Ok(())
}

/// baton into baton: only what can't be mended is left to say.
fn jumps(vm: &mut Vm, kind: Kind) -> Result<()> {
    vm.run("kexec load next.Image --append \"\"")?;
    let before = vm.guest.transcript().len();
    let (_, hello) = vm.jump(&format!("kexec exec --teardown {}", kind.mode()), 1)?;
    same("online", hello.online, CPUS - 1)?;
    vm.guest.wait_prompt(SOON)?;
    let said = &vm.guest.transcript()[before..];
    let about = said.iter().filter(|line| line.contains("was left ON")).count();
    same("warnings about the CPU, before and after the jump", about, 2)?;
    let mended = said.iter().find(|line| line.contains("before this kernel"));
    mended.map_or(Ok(()), |line| Err(anyhow::anyhow!("noticed again: {line}"))).context("baton")
}
