//! What firmware costs, measured by the kernel itself; and the results of a run, over kexecs, on the
//! console, and in the tree of a Linux.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use base64ct::{Base64, Encoding as _};
use baton::report::{Psci, PsciScope, Record};
use baton::results::{Document, Kind, Line};
use baton_qemu::linux::initramfs;
use baton_qemu::results::Received;
use libtest_mimic::Trial;

use crate::check::{has, same};
use crate::vm::{Setup, Vm, cpus, test};

pub fn tests() -> Vec<Trial> {
    vec![
        test("results", "psci_bench_gicv3", || bench(cpus(4)?, 4)),
        test("results", "psci_bench_gicv3_el2", || bench(cpus(4)?.el2(), 4)),
        test("results", "psci_bench_gicv2", || bench(cpus(4)?.gic2(), 4)),
        test("results", "psci_bench_gicv2_el2", || bench(cpus(4)?.gic2().el2(), 4)),
        test("results", "psci_bench_80_cpus", || bench(cpus(80)?, 80)),
        test("results", "psci_bench_80_cpus_el2", || bench(cpus(80)?.el2(), 80)),
        test("results", "psci_bench_is_refused_and_leaves_cpus_as_they_were", refused),
        test("results", "report_has_all_kexecs", report),
        test("results", "brief_is_one_record_for_each_kexec", brief),
        test("results", "attach_over_a_line_that_loses_bytes", attach),
        test("results", "linux_has_the_results_in_its_tree", || in_linux(cpus(4)?)),
        test("results", "linux_has_the_results_in_its_tree_el2", || in_linux(cpus(2)?.el2())),
    ]
}

/// The records of `psci bench`.
fn figures(vm: &mut Vm, command: &str) -> Result<Vec<Psci>> {
    let (lines, records) = vm.talk(command)?;
    let error = records.iter().find(|r| matches!(r, Record::Error(_)));
    ensure!(error.is_none(), "`{command}` was refused: {error:?}");
    has(&lines.join("\n"), &["CPU_ON call", "all at once", "PSCI_VERSION"])?;
    let psci = records.into_iter().filter_map(|record| match record {
        Record::Psci(psci) => Some(psci),
        _ => None,
    });
    Ok(psci.collect())
}

fn bench(setup: Setup, all: u32) -> Result<()> {
    let mut vm = setup.boot()?;
    let records = figures(&mut vm, "psci bench --rounds 2")?;
    let psci = records.first().context("no record")?;
    same("CPUs", (psci.cpus, psci.rounds), (all - 1, 2))?;
    ensure!(psci.scope == PsciScope::All && psci.version_ns.is_some(), "{psci:?}");
    for mode in [&psci.serial, &psci.parallel] {
        for (what, of) in mode.parts() {
            let [min, p50, p90, p99, max] = of.all();
            ensure!(
                min > 0 && min <= p50 && p50 <= p90 && p90 <= p99 && p99 <= max,
                "{what}: {of:?}"
            );
        }
        // The call is over before the CPU is seen, or soon after: both begin at one read.
        ensure!(mode.first_ns.max < 60_000_000_000, "{mode:?}");
    }
    let clusters: u32 =
        records.iter().filter(|r| r.scope == PsciScope::Cluster).map(|r| r.cpus).sum();
    same("CPUs in clusters", clusters, if all > 16 { all - 1 } else { 0 })?;
    // As before: all are online, and go and come by the normal way.
    vm.expect_marks(all, &[])?;
    let hotplug = vm.run("hotplug")?;
    has(hotplug.last().context("no marks")?, &["ONLINE", &format!("0-{}", all - 1)])?;
    vm.run("soak 2")?;
    vm.power_off()
}

/// CPUs that were offline are measured and stay offline; what would be measured too is refused.
fn refused() -> Result<()> {
    let mut vm = cpus(4)?.boot()?;
    vm.record("cpu offline 2")?;
    same("CPUs", figures(&mut vm, "psci bench --rounds 1")?[0].cpus, 3)?;
    vm.expect_marks(4, &[(2, "OFFLINE")])?;
    vm.run("stress on")?;
    has(&vm.refused("psci bench")?, &["stress off"])?;
    vm.run("stress off")?;
    has(&vm.refused("psci bench --rounds 33")?, &["1 to 32"])?;
    // A CPU that can't leave: nothing is measured, and the others are back.
    vm.run("set fail work:online:3:down")?;
    has(&vm.refused("psci bench")?, &["not measured", "injected failure", "online again"])?;
    vm.expect_marks(4, &[(2, "OFFLINE")])?;
    // Not one CPU waits for ever.
    let mut alone = cpus(1)?.boot()?;
    has(&alone.refused("psci bench")?, &["no other CPU"])?;
    alone.power_off()?;
    vm.power_off()
}

/// Types `report` and takes its lines.
fn received(vm: &mut Vm) -> Result<(Received, Vec<String>)> {
    let lines = vm.run("report")?;
    let mut received = Received::default();
    let rest = lines.into_iter().filter(|line| !received.take(line)).collect();
    Ok((received, rest))
}

fn kinds(document: &Document) -> (usize, usize) {
    let of = |kind| document.entries().filter(|entry| entry.kind == kind).count();
    (of(Kind::Records), of(Kind::Trace))
}

fn text(document: &Document) -> Result<String> {
    let texts: Result<Vec<String>, _> = document.entries().map(|entry| entry.text()).collect();
    texts.map(|texts| texts.concat()).map_err(|why| anyhow::anyhow!("{why}"))
}

/// Two kexecs serially, two in parallel, one with `warm off`, a bench; the document has all of it.
fn report() -> Result<()> {
    let run = "cycle 2 --teardown serial; cycle 2 --teardown parallel; psci bench --rounds 1; \
               set warm off; cycle 1";
    let mut vm = cpus(4)?.append(&format!("run=\"{run}\"")).start()?;
    (0..6).try_for_each(|generation| vm.arrival(generation).map(drop))?;
    let (lines, rest) = received(&mut vm)?;
    has(&rest.join("\n"), &["results in", "lines"])?;
    let document = lines.document()?;
    // One for each kernel, and one for the bench; the traces are of serial, parallel, warm off.
    same("entries", kinds(&document), (7, 3))?;
    let all = text(&document)?;
    for (record, count) in [("kexec", 5), ("hello", 6), ("teardown", 5), ("psci", 1)] {
        let found = all.matches(&format!("\"record\":\"{record}\"")).count();
        same(record, found, count)?;
    }
    // A line again, by its number; past the end it is refused.
    let again = vm.run("report 3")?;
    let line = again.iter().find_map(|line| Line::read(line)).context("no line")?;
    same("number", line.number, 3)?;
    has(&vm.refused("report 9999")?, &["no line 9999"])?;
    has(&vm.refused("report x")?, &["a number from 1 on"])?;
    let out = tempfile::tempdir()?;
    baton_qemu::results::write(&document, out.path())?;
    let json: baton_qemu::report::Report =
        serde_json::from_str(&std::fs::read_to_string(out.path().join("report.json"))?)?;
    same("kexecs", (json.jumps.len(), json.traces.len()), (5, 3))?;
    ensure!(json.outages.iter().all(|outages| outages.lengths.len() == 3), "{:?}", json.outages);
    vm.power_off()
}

fn brief() -> Result<()> {
    let mut vm = cpus(4)?.append("report=brief run=\"cycle 3\"").start()?;
    for generation in 1..=3 {
        let record = vm.guest.wait_record(|r| matches!(r, Record::Brief(_)), crate::vm::SOON)?;
        let Record::Brief(brief) = record else { bail!("{record:?}") };
        same(
            "generation",
            (brief.generation, brief.done, brief.asked),
            (generation, generation, 3),
        )?;
        same("CPUs", (brief.cpus, brief.online), (4, 4))?;
        let away = brief.outage_ns.context("no outages")?;
        ensure!(away.min > 0 && away.max <= brief.blackout_ns, "{brief:?}");
    }
    let document = received(&mut vm)?.0.document()?;
    has(&text(&document)?, &["\"record\":\"kexec\"", "\"record\":\"teardown\""])?;
    let long = vm.guest.records().iter().filter(|r| matches!(r, Record::Kexec(_))).count();
    same("kexec records on the console", long, 0)?;
    vm.power_off()
}

/// The host tool and a machine, with a line between them that drops every 499th byte.
fn attach() -> Result<()> {
    let out = tempfile::tempdir()?;
    let lossy = "perl -e '$|=1; while (sysread STDIN, $b, 1) { print $b if ++$n % 499 }'";
    let machine = "timeout --foreground 150 qemu-system-aarch64 -M virt,gic-version=3 -cpu neoverse-n1 -smp 3 -m 1G \
                   -nographic -nic none -kernel";
    let line = format!("{machine} '{}' | {lossy}", crate::vm::image_path().display());
    let mut baton = Command::new(env!("CARGO_BIN_EXE_baton"));
    baton.args(["attach", "--timeout", "60", "--run", "psci bench --rounds 1", "--run", "cpus"]);
    baton.arg("--exec").arg(line).arg("--out").arg(out.path());
    let output = baton.output().context("cannot run the host tool")?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}\n{said}", output.status);
    has(&said, &["asked for again", "CPU_OFF to OFF", "all (2)"])?;
    ensure!(!said.contains("damaged on the way: 0;"), "nothing was lost:\n{said}");
    ensure!(out.path().join("report.json").is_file(), "no report.json:\n{said}");
    Ok(())
}

/// What Linux gets on its command line.
const LINUX: &str = "console=ttyAMA0 earlycon=pl011,0x9000000 baton.do=fdt,off";

/// Kexecs and a bench, then Linux; the tree that Linux shows makes the report.
fn in_linux(setup: Setup) -> Result<()> {
    let root = crate::linux::root()?;
    let image = std::fs::read(initramfs::kernel(&root)?)?;
    let archive = initramfs::build(&root, &crate::vm::image_path())?;
    let setup = setup.memory("2G").file("linux", &image)?.file("linux.cpio", &archive)?;
    let mut vm = setup.boot()?;
    for (generation, mode) in [(1, "serial"), (2, "parallel")] {
        vm.jump(&format!("cycle 1 --teardown {mode}"), generation)?;
    }
    figures(&mut vm, "psci bench --rounds 1")?;
    vm.run(&format!("kexec load linux --initrd linux.cpio --append \"{LINUX}\""))?;
    vm.guest.send("kexec exec")?;
    let tree = tree_of(&mut vm)?;
    vm.guest.wait_text("@linux off", LONG)?;
    vm.guest.wait_end(LONG)?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("fdt");
    std::fs::write(&path, &tree)?;
    ensure!(tree.len() <= 2 << 20, "{} bytes", tree.len());
    let said = host_report("--fdt", &path)?;
    has(&said, &["blackout", "CPU_OFF to OFF", "figures of the machine itself"])?;
    let document = baton_qemu::results::in_tree(&tree)?;
    same("entries", kinds(&document), (4, 2))
}

/// How long Linux may take to come up.
const LONG: std::time::Duration = std::time::Duration::from_secs(180);

/// The tree that Linux prints in base64.
fn tree_of(vm: &mut Vm) -> Result<Vec<u8>> {
    vm.guest.wait_text("@linux fdt begin", LONG)?;
    let first = vm.guest.transcript().len();
    vm.guest.wait_text("@linux fdt end", LONG)?;
    let lines = &vm.guest.transcript()[first..];
    let text: String = lines.iter().take_while(|line| !line.contains("@linux")).cloned().collect();
    Base64::decode_vec(&text).map_err(|why| anyhow::anyhow!("base64 of the tree: {why}"))
}

/// What the host tool says of a file.
pub fn host_report(flag: &str, file: &std::path::Path) -> Result<String> {
    let out = tempfile::tempdir()?;
    let mut baton = Command::new(env!("CARGO_BIN_EXE_baton"));
    baton.args(["report", flag]).arg(file).arg("--out").arg(out.path());
    let output = baton.output().context("cannot run the host tool")?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}\n{said}", output.status);
    for name in ["report.json", "index.html", "trace.json"] {
        ensure!(out.path().join(name).is_file(), "no {name}:\n{said}");
    }
    Ok(said.into_owned())
}
