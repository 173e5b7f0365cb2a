//! Every hotplug step is made to fail, up and down, alone and among others: the CPU is named, the
//! others do not notice, and the next try works.

use anyhow::{Result, bail, ensure};
use baton::report::{CpuFailure, Record};
use libtest_mimic::Trial;

use crate::check::{came, has, left, same};
use crate::vm::{Vm, cpus, test};

/// The CPU that has the trouble.
const VICTIM: u32 = 2;
const CPUS: u32 = 4;

/// The steps that do something for each CPU on its way up, by section.
const PREPARE: [&str; 1] = ["percpu:prepare"];
const STARTING: [&str; 5] =
    ["cpu:check", "rcu:starting", "gic:starting", "timer:starting", "ipi:starting"];
const ONLINE: [&str; 2] = ["work:online", "pmu:online"];

/// Those of the starting section that do something on its way down.
const DYING: [&str; 3] = ["rcu:starting", "gic:starting", "timer:starting"];

/// What acts once for all: in the prepare section up and down, or down only, and in the shared one.
const PREPARE_ALL: [&str; 2] = ["timers:prepare", "work:prepare"];
const TOGETHER: [&str; 2] = ["rcu:prepare", "irq:shared"];

pub fn tests() -> Vec<Trial> {
    vec![
        test("steps", "the_table_is_the_one_tested", table),
        test("steps", "prepare_fails_up", || up(&PREPARE, "OFFLINE")),
        test("steps", "prepare_for_all_fails_up", prepare_for_all),
        test("steps", "starting_fails_up", || up(&STARTING, "AP_IDLE_DEAD")),
        test("steps", "online_fails_up", || up(&ONLINE, "AP_IDLE_DEAD")),
        test("steps", "online_fails_down_and_is_refused", down_refused),
        test("steps", "starting_fails_down_and_the_cpu_goes", || down_goes(&DYING)),
        test("steps", "prepare_fails_down_and_the_cpu_goes", prepare_down),
        test("steps", "online_fails_down_and_kexec_is_refused", kexec_refused),
        test("steps", "failing_on_all_cpus_is_named_for_each", everybody),
        test("steps", "wrong_words_are_refused", words),
        test("steps", "a_cpu_that_never_comes_is_named", never_comes),
    ]
}

fn table() -> Result<()> {
    let mut vm = cpus(1)?.boot()?;
    let lines = vm.run("hotplug")?;
    let [dead, shared] = TOGETHER;
    let prepare = PREPARE.into_iter().chain(PREPARE_ALL).chain([dead]);
    let each = prepare.chain(STARTING).chain(ONLINE);
    let wanted: Vec<&str> = each.chain([shared]).collect();
    let names: Vec<&str> = lines.iter().filter_map(|line| line.split_whitespace().nth(2)).collect();
    same("steps", &names[1..=wanted.len()], &wanted[..])
}

fn up(steps: &[&str], mark: &str) -> Result<()> {
    let mut vm = cpus(CPUS)?.boot()?;
    for step in steps {
        for list in ["2", "all"] {
            let others = if list == "all" { CPUS - 2 } else { 0 };
            let count = others + 1;
            left(&vm.record(&format!("cpu offline {list}"))?, count, "parallel")?;
            vm.run(&format!("set fail {step}:{VICTIM}:up"))?;
            let (what, records) = vm.refused_with(&format!("cpu online {list}"))?;
            let why = format!("step {step} up: injected failure");
            has(&what, &["cpu 2", mark, &why])?;
            let [Record::Bringup(bringup)] = records.as_slice() else { bail!("{records:?}") };
            same("asked and online", (bringup.cpus, bringup.online), (count, others))?;
            named(&bringup.failed, mark, &why)?;
            vm.expect_marks(CPUS, &[(VICTIM, "OFFLINE")])?;
            has(&vm.run("cpus")?[VICTIM as usize + 1], &[&why])?;
            came(&vm.record("cpu online 2")?, 1)?;
            vm.expect_marks(CPUS, &[])?;
        }
    }
    vm.run("soak 20").map(drop)
}

fn named(failures: &[CpuFailure], mark: &str, why: &str) -> Result<()> {
    let [one] = failures else { bail!("failures: {failures:?}") };
    same("CPU", (one.cpu, one.mpidr), (VICTIM, u64::from(VICTIM)))?;
    same("mark and why", (one.mark.as_str(), one.why.as_str()), (mark, why))
}

fn down_refused() -> Result<()> {
    let mut vm = cpus(CPUS)?.boot()?;
    for step in ONLINE {
        for (list, mode) in [("2", "parallel"), ("all", "parallel"), ("2-3", "serial")] {
            vm.run(&format!("set fail {step}:{VICTIM}:down"))?;
            let command = format!("cpu offline {list} --teardown {mode}");
            let (what, records) = vm.refused_with(&command)?;
            let why = format!("step {step} down: injected failure");
            has(&what, &["cpu 2", &why])?;
            let [Record::Teardown(teardown)] = records.as_slice() else { bail!("{records:?}") };
            named(&teardown.stuck, "ONLINE", &why)?;
            same("mode", teardown.mode.as_str(), mode)?;
            vm.expect_marks(CPUS, &[])?;
        }
        left(&vm.record("cpu offline all")?, CPUS - 1, "parallel")?;
        came(&vm.record("cpu online all")?, CPUS - 1)?;
    }
    Ok(())
}

/// Past the point where it could be refused: the CPU goes, and comes back when it is asked to.
fn down_goes(steps: &[&str]) -> Result<()> {
    let mut vm = cpus(CPUS)?.boot()?;
    for step in steps {
        for mode in ["parallel", "serial"] {
            vm.run(&format!("set fail {step}:{VICTIM}:down"))?;
            let record = vm.record(&format!("cpu offline all --teardown {mode}"))?;
            left(&record, CPUS - 1, mode)?;
            vm.expect_marks(CPUS, &[1, 2, 3].map(|cpu| (cpu, "OFFLINE")))?;
            let why = format!("step {step} down: injected failure");
            has(&vm.run("cpus")?[VICTIM as usize + 1], &[&why])?;
            came(&vm.record("cpu online all")?, CPUS - 1)?;
            // Used up: what is injected next would find it otherwise.
            same("the failure was met", vm.run("soak 1")?.len(), 1)?;
        }
    }
    Ok(())
}

/// Its clean-up fails once: the CPU stays DEAD until the next operation has cleaned up.
fn prepare_down() -> Result<()> {
    let mut vm = cpus(CPUS)?.boot()?;
    for (mode, mark) in [("parallel", "DEAD"), ("serial", "DEAD")] {
        vm.run(&format!("set fail {}:{VICTIM}:down", PREPARE[0]))?;
        left(&vm.record(&format!("cpu offline all --teardown {mode}"))?, CPUS - 1, mode)?;
        vm.expect_marks(CPUS, &[(1, "OFFLINE"), (VICTIM, mark), (3, "OFFLINE")])?;
        came(&vm.record("cpu online all")?, CPUS - 1)?;
        vm.expect_marks(CPUS, &[])?;
    }
    free_of_trouble(&mut vm)
}

fn kexec_refused() -> Result<()> {
    let mut vm = cpus(CPUS)?.boot()?;
    vm.run("kexec load baton.Image")?;
    let loaded = vm.run("kexec status")?;
    let mut generation = 0;
    for mode in ["parallel", "serial"] {
        vm.run(&format!("set fail work:online:{VICTIM}:down"))?;
        let what = vm.refused(&format!("kexec exec --teardown {mode}"))?;
        has(&what, &["kexec refused", "cpu 2", "work:online", "all CPUs are online again"])?;
        vm.expect_marks(CPUS, &[])?;
        if generation == 0 {
            same("what is loaded", vm.run("kexec status")?, &loaded[..])?;
        }
        generation += 1;
        vm.jump(&format!("kexec exec --teardown {mode}"), generation)?;
        vm.expect_marks(CPUS, &[])?;
        vm.run("kexec load baton.Image")?;
    }
    Ok(())
}

/// A prepare step that acts once for all fails: no CPU is started, each is named, and the steps before
/// are undone, so that the next try works.
fn prepare_for_all() -> Result<()> {
    let mut vm = cpus(CPUS)?.boot()?;
    for step in PREPARE_ALL {
        left(&vm.record("cpu offline all")?, CPUS - 1, "parallel")?;
        vm.run(&format!("set fail {step}::up"))?;
        let (what, records) = vm.refused_with("cpu online all")?;
        let why = format!("step {step} up: injected failure");
        same("CPUs named", what.matches(&why).count(), 3)?;
        let [Record::Bringup(bringup)] = records.as_slice() else { bail!("{records:?}") };
        same("asked and online", (bringup.cpus, bringup.online), (CPUS - 1, 0))?;
        vm.expect_marks(CPUS, &[(1, "OFFLINE"), (2, "OFFLINE"), (3, "OFFLINE")])?;
        came(&vm.record("cpu online all")?, CPUS - 1)?;
    }
    free_of_trouble(&mut vm)
}

fn everybody() -> Result<()> {
    let mut vm = cpus(8)?.boot()?;
    for policy in ["serial", "parallel", "fanout"] {
        left(&vm.record("cpu offline all")?, 7, "parallel")?;
        vm.run("set fail timer:starting::up:7")?;
        let command = format!("cpu online all --policy {policy}");
        let (what, records) = vm.refused_with(&command)?;
        same("CPUs named", what.matches("step timer:starting up").count(), 7)?;
        let [Record::Bringup(bringup)] = records.as_slice() else { bail!("{records:?}") };
        let mut failed: Vec<u32> = bringup.failed.iter().map(|f| f.cpu).collect();
        failed.sort_unstable();
        same("CPUs in the record", failed, [1, 2, 3, 4, 5, 6, 7])?;
        came(&vm.record(&command)?, 7)?;
    }
    vm.expect_marks(8, &[])
}

fn words() -> Result<()> {
    let mut vm = cpus(2)?.boot()?;
    has(&vm.refused("set fail gic:stating:1:up")?, &["no such step", "hotplug"])?;
    has(&vm.refused("set fail :1:up")?, &["no step is named"])?;
    has(&vm.refused("set fail gic:starting:1:sideways")?, &["sideways", "STEP"])?;
    has(&vm.refused("set fail gic:starting:1:up:0")?, &["does not belong there"])?;
    has(&vm.refused("set timeout 0")?, &["not a number of milliseconds"])?;
    has(&vm.refused("set loglevel 8")?, &["0 to 7"])?;
    has(&vm.refused("set speed 3")?, &["speed", "loglevel"])?;
    for _ in 0..8 {
        vm.run("set fail work:online:1:down")?;
    }
    has(&vm.refused("set fail work:online:1:down")?, &["too many", "set fail none"])?;
    vm.run("set fail none")?;
    left(&vm.record("cpu offline 1")?, 1, "parallel")
}

/// Its CPU_ON is kept back: the deadline names it, all others are there, and it can come later.
fn never_comes() -> Result<()> {
    let mut vm = cpus(CPUS)?.boot()?;
    vm.run("set timeout 500")?;
    for policy in ["serial", "parallel", "fanout"] {
        left(&vm.record("cpu offline all")?, CPUS - 1, "parallel")?;
        vm.run("set fail kick:2")?;
        let command = format!("cpu online all --policy {policy}");
        let (what, records) = vm.refused_with(&command)?;
        has(&what, &["cpu 2 at KICKED", "deadline", "AFFINITY_INFO: OFF"])?;
        let [Record::Bringup(bringup)] = records.as_slice() else { bail!("{records:?}") };
        ensure!(bringup.online == CPUS - 2, "{bringup:?}");
        vm.expect_marks(CPUS, &[(VICTIM, "SHOULD_DIE")])?;
        came(&vm.record("cpu online 2")?, 1)?;
        vm.expect_marks(CPUS, &[])?;
    }
    free_of_trouble(&mut vm)
}

fn free_of_trouble(vm: &mut Vm) -> Result<()> {
    vm.run("soak 20")?;
    vm.expect_marks(CPUS, &[])
}
