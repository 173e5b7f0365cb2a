//! What crosses the jump, where the next kernel has other CPUs, and where somebody has forged it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::{Context, Result, ensure};
use baton::config::PAGE;
use baton::cpu::{CpuMask, Mpidr, Topology};
use baton::handover::{Area, CycleCount, Farewell, StressCount, bytes_for};
use baton::report::{Grace, Record, TeardownMode};
use baton::trace::Spans;
use libtest_mimic::Trial;

use crate::check::{has, same};
use crate::trees::{dumped, edited, tool};
use crate::vm::{SOON, Setup, Vm, cpus, test};

const CPUS: u32 = 4;
/// Where a forged handover lies.
const FORGED: u64 = 0x5000_0000;
/// A node for a CPU that no machine of these tests has.
const STRANGER: &str = "/cpus/cpu@105";

pub fn tests() -> Vec<Trial> {
    vec![
        test("handover", "fewer_cpus_and_more_again", fewer_and_more),
        test("handover", "more_cpus_than_the_first_kernel_had", more),
        test("handover", "fewer_cpus_gicv2_el2", || fewer(cpus(CPUS)?.gic2().el2())),
        test("handover", "a_cpu_that_firmware_does_not_know", || stranger(cpus(CPUS)?)),
        test("handover", "the_same_gicv2", || stranger(cpus(CPUS)?.gic2())),
        test("handover", "one_made_by_hand_is_taken", by_hand),
        test("handover", "generation_at_its_maximum", || {
            refused(|said| said.generation = u32::MAX, "the generation is out of range")
        }),
        test("handover", "times_that_were_not_measured", || {
            refused(|said| said.spans.grace = u64::MAX, "record `teardown` of the handover: a time")
        }),
        test("handover", "a_text_that_steers_the_terminal", || {
            refused(|said| said.from = "\u{1b}[2J".into(), "record `names` of the handover")
        }),
        test("handover", "more_cpus_than_the_machine_has", || {
            refused(|said| said.cpus = 4, "the number of CPUs is out of range")
        }),
        test("handover", "a_range_over_the_initrd_or_the_tree", over_others),
    ]
}

/// QEMU's tree without CPU 2, as a file of the initrd.
fn without_a_cpu(setup: Setup) -> Result<Setup> {
    let whole = std::fs::read(dumped(&setup)?)?;
    let path = dumped(&setup)?;
    tool("fdtput", &["-ts", &path, "/cpus/cpu@2", "status", "disabled"])?;
    let part = std::fs::read(&path)?;
    setup.file("whole.dtb", &whole)?.file("part.dtb", &part)
}

/// The next kernel has three of the four CPUs, and the third is another one than before: what was
/// handed over is all there.
fn fewer(setup: Setup) -> Result<()> {
    let mut vm = without_a_cpu(setup)?.boot()?;
    go_on_with(&mut vm, "part.dtb", 1)?;
    let timeline = vm.run("timeline")?.join("\n");
    // Of the three CPUs that left, one is not there any more; one has left since.
    has(&timeline, &["gic:starting      down  each      3"])?;
    vm.run("soak 3")?;
    vm.power_off()
}

/// Fewer, then all again: the region grows, and a CPU that the kernel before did not have is as good
/// as any.
fn fewer_and_more() -> Result<()> {
    let mut vm = without_a_cpu(cpus(CPUS)?)?.boot()?;
    for (tree, generation) in [("part.dtb", 1), ("whole.dtb", 2), ("part.dtb", 3), ("whole.dtb", 4)]
    {
        go_on_with(&mut vm, tree, generation)?;
    }
    vm.expect_marks(CPUS, &[])?;
    vm.run("soak 3")?;
    vm.run("torture all --seconds 2")?;
    vm.power_off()
}

/// The first kernel has three CPUs, and so has its region; the next one takes over what is in it, and
/// uses a larger one.
fn more() -> Result<()> {
    let setup = cpus(CPUS)?;
    let whole = std::fs::read(dumped(&setup)?)?;
    let path = dumped(&setup)?;
    tool("fdtput", &["-ts", &path, "/cpus/cpu@2", "status", "disabled"])?;
    let part = std::fs::read(&path)?;
    let mut vm = setup.dtb(&part)?.file("all.dtb", &whole)?.start()?;
    let (_, hello) = vm.arrival(0)?;
    same("CPUs", hello.cpus, CPUS - 1)?;
    vm.guest.wait_prompt(SOON)?;
    let before = trace_at(&mut vm)?;
    go_on_with(&mut vm, "all.dtb", 1)?;
    let after = trace_at(&mut vm)?;
    ensure!(before != after, "the region did not move from {before}");
    let timeline = vm.run("timeline")?.join("\n");
    has(&timeline, &["gic:starting      down  each      3"])?;
    go_on_with(&mut vm, "all.dtb", 2)?;
    same("the region", trace_at(&mut vm)?, after)?;
    vm.power_off()
}

/// Where `mem` says that the handover region begins.
fn trace_at(vm: &mut Vm) -> Result<String> {
    let row = vm.run("mem")?.into_iter().find(|line| line.ends_with(" trace"));
    let start = row.as_ref().and_then(|row| row.split_once("..")).map(|(start, _)| start.into());
    start.context("no handover region in `mem`")
}

/// Jumps with another tree; what was typed behind the jump is run in the next kernel.
fn go_on_with(vm: &mut Vm, tree: &str, generation: u32) -> Result<()> {
    vm.run(&format!("kexec load baton.Image --dtb {tree}"))?;
    vm.guest.press(b"kexec exec\rcpu offline 1\rcpu online 1\r")?;
    let (_, hello) = vm.arrival(generation)?;
    let cpus = if tree == "part.dtb" { CPUS - 1 } else { CPUS };
    same("CPUs online", hello.online, cpus)?;
    let online =
        |r: &Record| matches!(r, Record::Bringup(b) if b.at == baton::report::BringupAt::Online);
    vm.guest.wait_record(online, SOON)?;
    vm.guest.wait_prompt(SOON)?;
    let said = vm.guest.transcript().join("\n");
    ensure!(!said.contains("clean slate"), "the handover was dropped");
    Ok(())
}

/// The tree has a CPU that the machine does not have.
fn stranger(setup: Setup) -> Result<()> {
    let setup = edited(
        setup,
        &[
            &["-c", STRANGER],
            &["-ts", STRANGER, "device_type", "cpu"],
            &["-ts", STRANGER, "compatible", "arm,armv8"],
            &["-ts", STRANGER, "enable-method", "psci"],
            &["-tx", STRANGER, "reg", "105"],
        ],
    )?;
    let mut vm = setup.start()?;
    let (_, hello) = vm.arrival(0)?;
    same("CPUs", (hello.cpus, hello.online), (CPUS + 1, CPUS))?;
    vm.guest.wait_prompt(SOON)?;
    let said = vm.guest.transcript().join("\n");
    has(&said, &["(MPIDR 0x105)", "firmware does not know it: it counts as absent"])?;
    let line = vm.run("cpus")?.into_iter().find(|line| line.contains("0x105")).unwrap_or_default();
    has(&line, &["OFFLINE", "absent: firmware does not know it"])?;
    for generation in 1..=2 {
        vm.run("kexec load baton.Image")?;
        let (_, hello) = vm.jump("kexec exec", generation)?;
        same("CPUs online", hello.online, CPUS)?;
    }
    vm.run("cpu offline all")?;
    vm.run("cpu online all")?;
    vm.run("soak 2")?;
    has(&vm.refused("cpu online 0")?, &["CPU_ON: INVALID_PARAMETERS"])
}

/// A handover of generation 7 by a kernel with four CPUs, changed; then sealed as it should be.
fn forged(change: impl FnOnce(&mut Farewell)) -> Vec<u8> {
    let mpidrs: Vec<Mpidr> = (0..CPUS.into()).map(Mpidr::from_register).collect();
    let topology = Topology::new(&mpidrs, mpidrs[0]).expect("the boot CPU is in the list");
    let words: Vec<AtomicU64> = (0..bytes_for(4) / 8).map(|_| AtomicU64::new(0)).collect();
    let area = Area::new(&words, &topology).expect("large enough");
    area.format(&topology);
    let mut said = Farewell {
        generation: 7,
        exec_at: 10,
        bytes_copied: 0,
        verify: None,
        teardown: TeardownMode::Parallel,
        grace: Grace::Once,
        tick_hz: None,
        cpus: 3,
        spans: Spans::default(),
        teardown_total: 5,
        cycle: CycleCount::default(),
        stress: StressCount::default(),
        parked: CpuMask::new(),
        quiesced: true,
        script: "cpu offline 1".into(),
        from: "by hand".into(),
        to: "here".into(),
    };
    change(&mut said);
    area.prepare(&said);
    area.seal(20);
    words.iter().flat_map(|word| word.load(Relaxed).to_le_bytes()).collect()
}

/// A machine with these bytes in memory, and a tree that says they are a handover.
fn with_handover(bytes: &[u8], at: u64, size: u64) -> Result<Setup> {
    let setup = cpus(CPUS)?;
    let path = setup.directory().join("handover");
    std::fs::write(&path, bytes)?;
    let loader = format!("loader,file={},addr={FORGED:#x},force-raw=on", path.display());
    let cells = [0, at, 0, size].map(|cell| format!("{cell:x}"));
    let [a, b, c, d] = cells.each_ref().map(String::as_str);
    let setup = edited(setup, &[&["-tx", "/chosen", "baton,handover", a, b, c, d]])?;
    Ok(setup.qemu(&["-device", &loader]))
}

fn by_hand() -> Result<()> {
    let bytes = forged(|_| ());
    let mut vm = with_handover(&bytes, FORGED, bytes.len() as u64)?.start()?;
    vm.arrival(8)?;
    let offline =
        |r: &Record| matches!(r, Record::Teardown(t) if t.at == baton::report::TeardownAt::Offline);
    vm.guest.wait_record(offline, SOON)?;
    vm.power_off()
}

/// Refused with these words: a clean slate, on which all works.
fn refused(change: impl FnOnce(&mut Farewell), says: &str) -> Result<()> {
    let bytes = forged(change);
    let mut vm = with_handover(&bytes, FORGED, bytes.len() as u64)?.boot()?;
    let said = vm.guest.transcript().join("\n");
    has(&said, &[says, "starting with a clean slate"])?;
    ensure!(!said.contains("by hand"), "what was refused is not told");
    vm.expect_marks(CPUS, &[])?;
    vm.run("kexec load baton.Image")?;
    vm.jump("kexec exec", 1)?;
    vm.power_off()
}

/// Ranges that belong to others, that are no pages, that are too small, and that are all of RAM: left
/// out, and what lies there is not touched.
fn over_others() -> Result<()> {
    let bytes = forged(|_| ());
    let size = bytes.len() as u64;
    let ranges = [
        (0x4800_0000, size),    // the initrd
        (0x4020_0000, size),    // the image
        (FORGED + 8, size),     // no page
        (FORGED, PAGE / 2),     // no whole page
        (0x4000_0000, 1 << 30), // all of RAM
        (0x0900_0000, PAGE),    // the console's registers
    ];
    for (at, size) in ranges {
        let mut vm = with_handover(&bytes, at, size)?.boot()?;
        let said = vm.guest.transcript().join("\n");
        has(&said, &["warning: "])?;
        vm.run("kexec load baton.Image")?;
        vm.jump("kexec exec", 1)?;
        vm.power_off()?;
    }
    Ok(())
}
