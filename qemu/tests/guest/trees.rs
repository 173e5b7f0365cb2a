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

/// The next kernel gets the tree, says what is wrong with it and turns the machine off.
fn broken(name: &str, says: &str) -> Result<()> {
    let mut vm = holding(&format!("broken-{name}"))?.boot()?;
    let (lines, _) = vm.talk("kexec load baton.Image --dtb tree.dtb")?;
    if lines.iter().any(|line| line.starts_with("error: ")) {
        has(&lines.join("\n"), &["/reserved-memory has"])?;
        return vm.expect_marks(2, &[]);
    }
    vm.guest.send("kexec exec")?;
    let panic = vm.panic()?;
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
