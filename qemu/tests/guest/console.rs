//! Commands about what lives on CPUs, what records say of a teardown, and the tables of costs.

use anyhow::{Context, Result, bail, ensure};
use baton::hotplug::steps::STEPS;
use baton::report::{Record, Teardown, TeardownMode};
use baton::trace::{Dir, Phase, StepName};
use libtest_mimic::Trial;

use crate::check::{came, has, left, same};
use crate::vm::{Setup, Vm, cpus, test};

pub fn tests() -> Vec<Trial> {
    vec![
        test("console", "hotplug_tells_how_each_step_acts", hotplug),
        test("console", "rcu_states_and_grace_periods", rcu),
        test("console", "pmu_open_read_close", || pmu(cpus(8)?)),
        test("console", "pmu_open_read_close_on_gicv2_at_el2", || pmu(cpus(8)?.gic2().el2())),
        test("console", "pmu_of_a_cluster_that_leaves_keeps_its_totals", stopped),
        test("console", "pmu_of_a_machine_without_clusters", no_clusters),
        test("console", "exclusive_steps_are_named_and_can_be_taken_back", exclusive),
        test("console", "what_was_noted_is_in_the_record", noted),
        test("console", "a_refused_kexec_names_step_cpu_and_reason", refused),
        test("console", "timeline_shows_steps_and_phases", timeline),
        test("console", "serial_timeline_of_80_cpus_is_whole", || whole(TeardownMode::Serial)),
        test("console", "parallel_timeline_of_80_cpus_is_whole", || whole(TeardownMode::Parallel)),
    ]
}

fn hotplug() -> Result<()> {
    let mut vm = cpus(2)?.boot()?;
    let lines = vm.run("hotplug")?;
    for (step, line) in STEPS.iter().zip(&lines[1..]) {
        has(line, &[step.name.name(), step.section.name(), step.what])?;
    }
    let of = |name: &str| lines.iter().find(|line| line.contains(name)).context("no such line");
    has(of("work:prepare")?, &["once  once  boot CPU  yes"])?;
    has(of("gic:starting")?, &["each  each  parallel  -"])?;
    has(of("irq:shared")?, &["once  once  boot CPU  -"])?;
    has(&vm.run("help set")?.join("\n"), &["exclusive STEP", "kick", "fail none"])
}

fn rcu() -> Result<()> {
    let mut vm = cpus(4)?.boot()?;
    has(&vm.run("rcu")?.join("\n"), &["grace periods", "callbacks", "running  CPUs 0"])?;
    for command in ["rcu sync", "rcu sync --expedited"] {
        has(&vm.run(command)?[0], &["grace period over after", " us"])?;
    }
    left(&vm.record("cpu offline 2-3")?, 2, "parallel")?;
    let text = vm.run("rcu")?.join("\n");
    has(&text, &["offline  CPUs 2-3", ", 2 of them expedited", "0 stalls"])?;
    has(&vm.refused("rcu synk")?, &["\"synk\" is one word too many", "help rcu"])
}

fn clusters(setup: Setup) -> Result<Vm> {
    setup.dts("dsu-2.dts").boot()
}

/// Events are counted, read and closed in every cluster, from the boot CPU.
fn pmu(setup: Setup) -> Result<()> {
    let mut vm = clusters(setup)?;
    let table = vm.run("pmu")?;
    same("clusters", table.len(), 5)?;
    ensure!(table[1..].iter().all(|line| line.ends_with("counting, emulated")), "{table:?}");
    vm.run("pmu open 3 cycles")?;
    same("others", vm.run("pmu open all cycles")?, ["3 more clusters count cycles"])?;
    vm.run("pmu open 2 0x19")?;
    for cluster in 0..4 {
        let (first, second) = (total(&mut vm, cluster)?, total(&mut vm, cluster)?);
        ensure!(0 < first && first < second, "cluster {cluster}: {first}, then {second}");
    }
    has(&vm.run("pmu read 2")?.join("\n"), &["0x0019 bus_access"])?;
    has(&vm.refused("pmu open 3 17")?, &["cluster 3 counts event 0x11 already"])?;
    has(&vm.refused("pmu close 1 bus_access")?, &["does not count event 0x19; open it first"])?;
    has(&vm.refused("pmu open 4 cycles")?, &["there is no cluster 4; use one of 0-3"])?;
    has(&vm.refused("pmu open 0 0x1e")?, &["CHAIN"])?;
    has(&vm.run("pmu close 2 bus_access")?[0], &["cluster 2: "])?;
    same("closed", vm.run("pmu close all cycles")?.len(), 4)?;
    same("lines of a table without events", vm.run("pmu read")?.len(), 5)
}

/// The total of the first event of a cluster, read now.
fn total(vm: &mut Vm, cluster: u32) -> Result<u64> {
    let lines = vm.run(&format!("pmu read {cluster}"))?;
    let event = lines.get(2).with_context(|| format!("no event: {lines:?}"))?;
    Ok(event.split_whitespace().last().context("no total")?.parse()?)
}

/// All CPUs of a cluster leave: its total stands still, and goes on when one of them is back.
fn stopped() -> Result<()> {
    let mut vm = clusters(cpus(8)?)?;
    vm.run("pmu open all cycles")?;
    for mode in ["parallel", "serial"] {
        left(&vm.record(&format!("cpu offline 2-3 --teardown {mode}"))?, 2, mode)?;
        let (first, second) = (total(&mut vm, 1)?, total(&mut vm, 1)?);
        same("totals of a stopped cluster", first, second)?;
        has(&vm.run("pmu read 1")?[1], &["nobody", "none of its CPUs is online"])?;
        has(&vm.refused("pmu open 1 bus_access")?, &["bring one of CPUs 2-3 online first"])?;
        came(&vm.record("cpu online 2-3")?, 2)?;
        ensure!(total(&mut vm, 1)? > first, "the total does not go on after {mode}");
    }
    Ok(())
}

fn no_clusters() -> Result<()> {
    let mut vm = cpus(2)?.boot()?;
    has(&vm.run("pmu")?[0], &["no DSU PMU", "arm,dsu-pmu"])?;
    has(&vm.refused("pmu open 0 cycles")?, &["no DSU PMU"])
}

fn teardown(record: Record) -> Result<Teardown> {
    let Record::Teardown(teardown) = record else { bail!("no teardown: {record:?}") };
    Ok(teardown)
}

fn exclusive() -> Result<()> {
    let mut vm = cpus(8)?.boot()?;
    for step in [StepName::GicStarting, StepName::WorkOnline] {
        vm.run(&format!("set exclusive {step}"))?;
        let lines = vm.run("hotplug")?;
        ensure!(lines.iter().any(|l| l.contains(step.name()) && l.contains("alone")), "{lines:?}");
        let record = vm.record("cpu offline all")?;
        left(&record, 7, "parallel")?;
        same("alone", teardown(record)?.exclusive, [step])?;
        came(&vm.record("cpu online all")?, 7)?;
        vm.run("set exclusive none")?;
    }
    same("alone", teardown(vm.record("cpu offline 3")?)?.exclusive.len(), 0)?;
    has(&vm.refused("set exclusive gic")?, &["no such step", "hotplug"])?;
    has(&vm.refused("set exclusive irq:shared")?, &["once for all", "starting or online"])
}

/// Dying steps and work for the dead fail: everybody is gone, and the record says what failed.
fn noted() -> Result<()> {
    let mut vm = cpus(4)?.boot()?;
    for (step, fail) in [("gic:starting", "gic:starting:2:down"), ("rcu:prepare", "rcu:prepare")] {
        vm.run(&format!("set fail {fail}"))?;
        let record = vm.record("cpu offline all")?;
        left(&record, 3, "parallel")?;
        let noted = teardown(record)?.noted;
        let why = format!("step {step} down: injected failure");
        ensure!(noted.iter().any(|f| f.why == why), "{noted:?}");
        came(&vm.record("cpu online all")?, 3)?;
    }
    // A kexec goes on with that, and the kernel that leaves says it.
    vm.run("kexec load baton.Image")?;
    vm.run("set fail timer:starting:3:down")?;
    vm.jump("kexec exec", 1)?;
    let said = "warning: cpu 3 at DEAD: step timer:starting down: injected failure";
    ensure!(vm.guest.transcript().iter().any(|line| line.contains(said)), "nothing is said");
    Ok(())
}

fn refused() -> Result<()> {
    let mut vm = cpus(4)?.boot()?;
    vm.run("kexec load baton.Image")?;
    for (fail, cpu, step) in
        [("work:online:2:down", 2, "work:online"), ("irq:shared::down", 0, "irq:shared")]
    {
        vm.run(&format!("set fail {fail}"))?;
        let what = vm.refused("kexec exec")?;
        let named = format!("cpu {cpu} at ONLINE: step {step} down: injected failure");
        has(&what, &["kexec refused", &named, "all CPUs are online again"])?;
        vm.expect_marks(4, &[])?;
    }
    vm.jump("kexec exec", 1).map(drop)
}

fn timeline() -> Result<()> {
    let mut vm = cpus(4)?.boot()?;
    vm.run("cpu offline all")?;
    vm.run("cpu online all")?;
    let text = vm.run("timeline")?.join("\n");
    has(&text, &["acts", "spans", "boot CPU", "waits for", "sum us"])?;
    for step in STEPS.iter().filter(|step| step.name != StepName::RcuPrepare) {
        has(&text, &[&format!("{:<16}  up ", step.name)])?;
    }
    has(&text, &["irq:shared        down  once      1", "work:prepare      down  once      1"])?;
    has(&text, &["gic:starting      down  each      3", "off          down      1"])?;
    has(&text, &["firmware: a CPU_ON for each CPU"])
}

/// Nothing of a kexec is lost from the rings: every step of every CPU has its span.
fn whole(mode: TeardownMode) -> Result<()> {
    let mut vm = cpus(80)?.one_thread().dts("dsu-2.dts").boot()?;
    vm.jump(&format!("cycle 1 --teardown {mode} --bringup {mode}"), 1)?;
    let (lines, records) = vm.talk("timeline --json")?;
    ensure!(!lines.iter().any(|line| line.contains("overwritten")), "{lines:?}");
    let spans = |step: StepName, dir: Dir, generation: u32| {
        let same = |r: &&Record| matches!(r, Record::Step(s) if s.step == step && s.dir == dir && s.generation == generation);
        records.iter().filter(same).count()
    };
    for step in [
        StepName::RcuStarting,
        StepName::GicStarting,
        StepName::TimerStarting,
        StepName::WorkOnline,
        StepName::PmuOnline,
    ] {
        same(step.name(), (spans(step, Dir::Down, 0), spans(step, Dir::Up, 1)), (79, 80))?;
    }
    let calls = if mode == TeardownMode::Serial { 79 } else { 1 };
    for step in
        [StepName::IrqShared, StepName::RcuPrepare, StepName::TimersPrepare, StepName::WorkPrepare]
    {
        same(step.name(), spans(step, Dir::Down, 0), calls)?;
    }
    let grace =
        |r: &&Record| matches!(r, Record::Phase(p) if p.phase == Phase::Grace && p.generation == 0);
    same("grace periods waited for", records.iter().filter(grace).count(), calls)
}
