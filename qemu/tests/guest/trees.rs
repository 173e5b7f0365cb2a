//! Device trees: QEMU's own with something taken away, and the fixtures, given to the next kernel.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;

use crate::check::{has, same};
use crate::vm::{SOON, Setup, cpus, test};

/// Fixtures on which no kernel can run, and what it has to say.
const BROKEN: [(&str, &str); 11] = [
    ("all-memory-overflows", "no memory node has a range that can be used"),
    ("gic-reg", "the GIC cannot be found"),
    ("no-gic", "no interrupt controller"),
    ("no-memory", "no memory node has a range that can be used"),
    ("no-psci", "no PSCI node"),
    ("no-timer", "no generic timer"),
    ("psci-0-1", "only PSCI 0.1"),
    ("psci-method", "neither hvc nor smc"),
    ("reserved-cells", "correct it"),
    ("reserved-no-size", "correct it"),
    ("timer-interrupt", "timer interrupt"),
];

pub fn tests() -> Vec<Trial> {
    let mut tests: Vec<Trial> = BROKEN
        .into_iter()
        .map(|(name, says)| test("trees", name.replace('-', "_"), move || broken(name, says)))
        .collect();
    tests.extend([
        test("trees", "no_gic_from_qemu", || without("/intc@8000000", "no interrupt controller")),
        test("trees", "no_timer_from_qemu", || without("/timer", "no generic timer")),
        test("trees", "two_cpus_with_one_mpidr", twins),
        test("trees", "a_cpu_without_psci_is_left_out", no_method),
        test("trees", "no_console", no_console),
        test("trees", "odd_cpus_after_a_kexec", odd_cpus),
        test("trees", "odd_memory_after_a_kexec", odd_memory),
        test("trees", "a_gicv2_by_another_name", other_name),
        test("trees", "a_uart_behind_a_nexus", nexus),
        test("trees", "only_the_usable_range_is_used_and_by_the_next_kernel_too", usable),
        test("trees", "a_usable_range_that_cannot_be_read", unreadable_range),
        test("trees", "a_handover_that_may_not_be_mapped", closed_handover),
        test("trees", "as_given_memory_over_registers", || {
            as_given(
                "reg = <0x00 0x8000000 0x00 0x58000000>;",
                "the GIC's registers at 0x8000000..0x8010000 lie in RAM at 0x8000000..0x60000000",
            )
        }),
        test("trees", "as_given_memory_over_the_uart", || {
            as_given(
                "reg = <0x00 0x9000000 0x00 0x57000000>;",
                "the console's registers at 0x9000000..0x9001000 lie in RAM",
            )
        }),
        test("trees", "as_given_memory_that_wraps", || {
            as_given(
                "reg = <0x00 0x40000000 0xffffffff 0xffffffff>;",
                "no memory node has a range that can be used",
            )
        }),
        test("trees", "as_given_no_memory", || {
            as_given(
                "reg = <0x00 0x40000000 0x00 0x00>;",
                "no memory node has a range that can be used",
            )
        }),
        test("trees", "as_given_cells_that_fit_nothing", cells),
    ]);
    tests
}

/// Runs a tool of the device tree compiler.
pub fn tool(name: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(name).args(arguments).output();
    let output = output.with_context(|| format!("cannot run {name}; install dtc"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} {arguments:?}: {errors}");
    Ok(())
}

/// The tree that QEMU makes for this machine: the path of its file.
pub fn dumped(setup: &Setup) -> Result<String> {
    let path = setup.directory().join("dumped.dtb").display().to_string();
    let mut arguments = setup.arguments();
    let dump = format!("dumpdtb={path}");
    arguments.extend(["-machine".into(), dump, "-display".into(), "none".into()]);
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    tool("qemu-system-aarch64", &words)?;
    Ok(path)
}

/// The same, edited by `fdtput` commands.
pub fn edited(setup: Setup, edits: &[&[&str]]) -> Result<Setup> {
    let path = dumped(&setup)?;
    for edit in edits {
        let (options, rest) = edit.split_at(edit.iter().take_while(|w| w.starts_with('-')).count());
        tool("fdtput", &[options, &[path.as_str()], rest].concat())?;
    }
    let tree = std::fs::read(&path)?;
    setup.dtb(&tree)
}

/// QEMU's own tree for this machine with its source changed.
pub fn changed(setup: &Setup, change: impl Fn(&str) -> String) -> Result<Vec<u8>> {
    let path = |name: &str| setup.directory().join(name).display().to_string();
    let (source, blob, dump) = (path("changed.dts"), path("changed.dtb"), dumped(setup)?);
    tool("dtc", &["-q", "-I", "dtb", "-O", "dts", "-o", &source, &dump])?;
    let before = std::fs::read_to_string(&source)?;
    let after = change(&before);
    ensure!(before != after, "nothing has changed");
    std::fs::write(&source, after)?;
    tool("dtc", &["-q", "-f", "-I", "dts", "-O", "dtb", "-o", &blob, &source])?;
    Ok(std::fs::read(blob)?)
}

/// A fixture as a blob.
fn fixture(name: &str, directory: &Path) -> Result<Vec<u8>> {
    let out = directory.join("fixture.dtb");
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/../dts/fixtures");
    let source = format!("{sources}/{name}.dts");
    let target = out.display().to_string();
    tool("dtc", &["-q", "-I", "dts", "-O", "dtb", "-i", sources, "-o", &target, &source])?;
    Ok(std::fs::read(out)?)
}

/// A machine as the fixtures describe it, with one of them among its files.
fn holding(name: &str) -> Result<Setup> {
    let setup = cpus(2)?.memory("256M");
    let tree = fixture(name, setup.directory())?;
    setup.file("tree.dtb", &tree)
}

/// No kernel is loaded with the tree. One that is booted with it says what is wrong, and turns the
/// machine off.
fn broken(name: &str, says: &str) -> Result<()> {
    let name = format!("broken-{name}");
    let mut vm = holding(&name)?.boot()?;
    let why = vm.refused("kexec load baton.Image --dtb tree.dtb")?;
    // Reservations are read before the rest, for the next kernel's tree.
    has(&why, &[if why.contains("/reserved-memory has") { "tree.dtb" } else { says }])?;
    vm.expect_marks(2, &[])?;
    drop(vm);
    let setup = cpus(2)?;
    let tree = fixture(&name, setup.directory())?;
    let panic = start_as_given(setup, &tree)?.panic()?;
    has(&panic.what, &["device tree: ", says])?;
    same("it is said once", panic.what.matches("device tree: ").count(), 1)
}

/// QEMU's own tree without a node. Memory and PSCI it would put back by itself.
fn without(node: &str, says: &str) -> Result<()> {
    let mut vm = edited(cpus(2)?, &[&["-r", node]])?.start()?;
    has(&vm.panic()?.what, &["device tree: ", says])
}

fn twins() -> Result<()> {
    let mut vm = edited(cpus(4)?, &[&["-tx", "/cpus/cpu@2", "reg", "1"]])?.start()?;
    smaller(&mut vm, "another CPU has MPIDR 0x1 too")
}

fn no_method() -> Result<()> {
    let edit = ["-ts", "/cpus/cpu@3", "enable-method", "spin-table"];
    let mut vm = edited(cpus(4)?, &[&edit])?.start()?;
    smaller(&mut vm, "enable-method is spin-table, not psci")
}

/// One CPU of four is left out with a warning; the others work.
fn smaller(vm: &mut crate::vm::Vm, warning: &str) -> Result<()> {
    let warning = vm.guest.wait_text(warning, SOON)?;
    has(&warning, &["warning: ", "/cpus/cpu@", "left out"])?;
    let (bringup, hello) = vm.arrival(0)?;
    ensure!(bringup.failed.is_empty(), "{bringup:?}");
    same("CPUs and those online", (hello.cpus, hello.online), (3, 3))?;
    vm.run("soak 5")?;
    vm.run("kexec load baton.Image")?;
    let (_, hello) = vm.jump("kexec exec", 1)?;
    same("CPUs and those online", (hello.cpus, hello.online), (3, 3))
}

/// Without a console nothing can be said; what was asked for is done all the same.
fn no_console() -> Result<()> {
    let bootargs = "run=\"cycle 2; poweroff\"";
    let edits: [&[&str]; 2] = [&["-d", "/chosen", "stdout-path"], &["-r", "/pl011@9000000"]];
    let setup = edited(cpus(2)?.append(bootargs), &edits)?;
    let log = setup.directory().join("exceptions.log");
    let name = log.display().to_string();
    let mut vm = setup.qemu(&["-d", "int", "-D", &name]).start()?;
    let status = vm.guest.wait_end(SOON)?;
    ensure!(status.success(), "QEMU ended with {status}");
    same("lines", vm.guest.transcript().len(), 0)?;
    // CPU_ON in three kernels, CPU_OFF in two, SYSTEM_OFF in one.
    let calls = std::fs::read_to_string(log)?.matches("handled as PSCI call").count();
    ensure!(calls >= 6, "{calls} PSCI calls: it ended before its work was done");
    Ok(())
}

fn odd_cpus() -> Result<()> {
    let mut vm = holding("odd-cpus")?.boot()?;
    vm.run("kexec load baton.Image --dtb tree.dtb")?;
    let (_, hello) = vm.jump("kexec exec", 1)?;
    ensure!(hello.online == 2, "{hello:?}");
    let heard = vm.guest.transcript().join("\n");
    has(&heard, &["another CPU has MPIDR 0x1 too", "enable-method is spin-table"])?;
    has(&heard, &["enable-method is missing"])
}

fn odd_memory() -> Result<()> {
    let mut vm = holding("odd-memory")?.memory("384M").boot()?;
    vm.run("kexec load baton.Image --dtb tree.dtb")?;
    let (_, hello) = vm.jump("kexec exec", 1)?;
    same("CPUs online", hello.online, 2)?;
    has(&vm.run("mem")?.join("\n"), &["0x40000000", "free"])?;
    ensure!(hello.free_bytes < 384 << 20, "{hello:?}");
    vm.run("soak 5").map(drop)
}

fn other_name() -> Result<()> {
    let edit = ["-ts", "/intc@8000000", "compatible", "qcom,msm-qgic2"];
    let mut vm = edited(cpus(2)?.gic2(), &[&edit])?.boot()?;
    let (_, hello) = vm.jump("cycle 1", 1)?;
    same("GIC", hello.gic, 2)
}

/// QEMU's UART on a bus with an interrupt of the bus, which its nexus turns into that of the GIC.
fn nexus() -> Result<()> {
    let setup = cpus(2)?;
    let tree = changed(&setup, |source| {
        let Some((before, rest)) = source.split_once("\tpl011@9000000 {") else {
            return source.into();
        };
        let Some((uart, after)) = rest.split_once("};") else { return source.into() };
        let controller = source.split("interrupt-parent = <").nth(1).unwrap_or_default();
        let gic = controller.split('>').next().unwrap_or_default();
        let uart = uart.replace("interrupts = <0x00 0x01 0x04>", "interrupts = <5>");
        let map =
            format!("interrupt-map-mask = <0 0 63>; interrupt-map = <0 0 5 {gic} 0 0 0 1 4>;");
        let bus = format!(
            "\tbus {{ compatible = \"simple-bus\"; #address-cells = <2>; #size-cells = <2>; ranges; \
             #interrupt-cells = <1>; {map} pl011@9000000 {{{uart}}}; }};"
        );
        let path = after.replace("\"/pl011@9000000\"", "\"/bus/pl011@9000000\"");
        format!("{before}{bus}{path}")
    })?;
    let mut vm = setup.dtb(&tree)?.boot()?;
    let polled = vm.guest.transcript().iter().any(|line| line.contains("polled"));
    ensure!(!polled, "the console is polled");
    let irqs = vm.run("irqs")?.join("\n");
    has(&irqs, &["33"])?;
    vm.jump("cycle 1", 1)?;
    same("after a kexec", vm.run("irqs")?.join("\n").contains("33"), true)
}

/// 128 MiB of 1 GiB: each kernel sees these and nothing else.
fn usable() -> Result<()> {
    const USABLE: u64 = 128 << 20;
    let range = ["-tx", "/chosen", "linux,usable-memory-range", "0", "40000000", "0", "8000000"];
    let setup = edited(cpus(2)?, &[&range])?;
    // QEMU puts its initrd behind that range: none of it may be read.
    let mut vm = setup.start()?;
    vm.guest.wait_text("that RAM may not be used", SOON)?;
    vm.arrival(0)?;
    let lines = vm.run("mem")?.join("\n");
    has(&lines, &[&format!(" of {USABLE} bytes")])?;
    vm.power_off()?;
    let range = ["-tx", "/chosen", "linux,usable-memory-range", "0", "48000000", "0", "8000000"];
    let low = ["-tx", "/chosen", "linux,usable-memory-range", "0", "40000000", "0", "400000"];
    let both = [&range[..], &low[3..]].concat();
    let mut vm = edited(cpus(2)?, &[&both[..]])?.boot()?;
    for generation in 1..=2 {
        has(&vm.run("mem")?.join("\n"), &[&format!(" of {} bytes", USABLE + (4 << 20))])?;
        vm.run("kexec load baton.Image")?;
        vm.jump("kexec exec", generation)?;
    }
    has(&vm.run("mem")?.join("\n"), &[&format!(" of {} bytes", USABLE + (4 << 20))])
}

fn unreadable_range() -> Result<()> {
    let range = ["-tx", "/chosen", "linux,usable-memory-range", "0", "40000000", "0"];
    let mut vm = edited(cpus(2)?, &[&range])?.start()?;
    has(&vm.panic()?.what, &["device tree: /chosen: linux,usable-memory-range", "correct it"])
}

/// It lies in memory that may not be mapped: it is left alone, and the kernel starts anew.
fn closed_handover() -> Result<()> {
    let setup = cpus(2)?;
    let tree = changed(&setup, |source| {
        let closed = "reserved-memory { #address-cells = <2>; #size-cells = <2>; ranges; \
                      secure@50000000 { reg = <0 0x50000000 0 0x400000>; no-map; }; };\n\tpsci {";
        let chosen = "chosen {\n\t\tbaton,handover = <0 0x50000000 0 0x400000>;";
        source.replacen("psci {", closed, 1).replacen("chosen {", chosen, 1)
    })?;
    let mut vm = setup.dtb(&tree)?.start()?;
    let line = vm.guest.wait_text("what an earlier kernel left", SOON)?;
    has(&line, &["warning: ", "secure@50000000", "may not be mapped", "clean slate"])?;
    vm.arrival(0)?;
    has(&vm.run("mem")?.join("\n"), &["0x50000000..0x50400000", "firmware"])?;
    vm.jump("cycle 1", 1).map(drop)
}

/// Where the image and the tree are put for a start without QEMU's own loader.
const IMAGE_AT: u64 = 0x4020_0000;
const TREE_AT: u64 = 0x4f00_0000;

/// Starts the image with a tree as it is: QEMU would write memory nodes of its own into one that it
/// is given. What QEMU takes for a kernel is a few instructions that go on to the image.
fn start_as_given(setup: Setup, tree: &[u8]) -> Result<crate::vm::Vm> {
    // ldr x0, tree; ldr x4, image; mov x1 to x3, #0; br x4
    let code: [u32; 8] = [
        0x5800_0100,
        0x5800_0124,
        0xd280_0001,
        0xd280_0002,
        0xd280_0003,
        0xd61f_0080,
        0xd503_201f,
        0xd503_201f,
    ];
    let mut bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend([TREE_AT, IMAGE_AT].iter().flat_map(|at| at.to_le_bytes()));
    bytes.resize(4096, 0);
    let (start, blob) = (setup.directory().join("start.bin"), setup.directory().join("given.dtb"));
    std::fs::write(&start, bytes)?;
    std::fs::write(&blob, tree)?;
    let loader =
        |path: &Path, at: u64| format!("loader,file={},addr={at:#x},force-raw=on", path.display());
    let (image, tree) = (loader(&crate::vm::image_path(), IMAGE_AT), loader(&blob, TREE_AT));
    setup.image(&start).qemu(&["-device", &image, "-device", &tree]).start()
}

/// A memory node with another `reg`: the kernel says what is wrong with that, whatever is wrong.
fn as_given(reg: &str, says: &str) -> Result<()> {
    let setup = cpus(2)?.memory("512M");
    let own = "reg = <0x00 0x40000000 0x00 0x20000000>;";
    let tree = changed(&setup, |source| source.replace(own, reg))?;
    has(&start_as_given(setup, &tree)?.panic()?.what, &[says])
}

/// Nothing below the root can be read, not even where the console is, but by its name.
fn cells() -> Result<()> {
    let setup = cpus(2)?.memory("512M");
    let own = "#address-cells = <0x02>;";
    let tree = changed(&setup, |source| {
        let mut lines: Vec<String> = source.lines().map(String::from).collect();
        let roots = |line: &&mut String| line.starts_with("\t#") && line.trim() == own;
        lines.iter_mut().filter(roots).for_each(|line| *line = line.replace("0x02", "0x07"));
        lines.join("\n")
    })?;
    has(
        &start_as_given(setup, &tree)?.panic()?.what,
        &["device tree: #address-cells of the root is not 1 or 2"],
    )
}
