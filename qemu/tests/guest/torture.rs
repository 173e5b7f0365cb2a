//! Everything busy while CPUs come and go, and across kexecs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use baton::report::{Interrupts, Record, Torture};
use libtest_mimic::Trial;

use crate::check::{has, same};
use crate::vm::{SOON, Setup, Vm, cpus, patience, test};

/// How long one of several cycles may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub fn tests() -> Vec<Trial> {
    vec![
        test("torture", "all_8_cpus", || all(cpus(8)?.dts("dsu-2.dts"), 8, 8, &[7])),
        // Several: what hangs at a CPU is seen when it is not routed away again before the end.
        test("torture", "all_gicv2_at_el2", || {
            all(cpus(4)?.dts("dsu-2.dts").gic2().el2(), 4, 1, &[7, 8, 9, 10, 11, 12])
        }),
        test("torture", "stress_survives_hotplug", hotplug),
        test("torture", "stress_over_5_kexecs", || kexecs(cpus(8)?.dts("dsu-2.dts"), 5)),
        test("torture", "wrong_words_are_refused", wrong),
    ]
}

/// Trials of all kinds pass, and leave everything as it was.
pub fn all(setup: Setup, count: u32, seconds: u32, seeds: &[u64]) -> Result<()> {
    let mut vm = setup.boot()?;
    for seed in seeds {
        let command = format!("torture all --seconds {seconds} --seed {seed}");
        let Record::Torture(record) = vm.record(&command)? else { bail!("no torture record") };
        passed(&record, *seed)?;
        ensure!(record.rounds > 10 && record.reads > 0 && record.sent > 100, "{record:?}");
        vm.expect_marks(count, &[])?;
    }
    vm.power_off()
}

pub fn passed(record: &Torture, seed: u64) -> Result<()> {
    same("failures", record.failures.clone(), Vec::<String>::new())?;
    same("verdict", record.verdict.as_str(), "pass")?;
    same("handled", record.handled, record.sent)?;
    same("seed", record.seed, seed)
}

/// What `stress` says was sent and handled by all kernels.
pub fn counts(vm: &mut Vm, command: &str) -> Result<(u64, u64)> {
    let lines = vm.run(command)?;
    let line = lines.last().context("`stress` says nothing")?;
    let mut numbers = line.split(' ').filter_map(|word| word.parse().ok());
    let (sent, handled) = (numbers.next(), numbers.next());
    sent.zip(handled).with_context(|| format!("no counts in {line:?}"))
}

fn hotplug() -> Result<()> {
    let mut vm = cpus(4)?.dts("dsu-2.dts").boot()?;
    has(&vm.run("stress")?.join("\n"), &["stress off"])?;
    has(&vm.run("stress on")?.join("\n"), &["stress on"])?;
    for mode in ["parallel", "serial"] {
        vm.record(&format!("cpu offline all --teardown {mode}"))?;
        vm.record("cpu online all")?;
    }
    let Record::Torture(record) = vm.record("torture hotplug --seconds 2 --seed 7")? else {
        bail!("no torture record");
    };
    passed(&record, 7)?;
    let (sent, handled) = counts(&mut vm, "stress off")?;
    same("handled", handled, sent)?;
    ensure!(sent > 0, "nothing was sent");
    vm.expect_marks(4, &[])
}

/// The stress goes on by itself in the next kernels, and none of its interrupts is lost on the way.
pub fn kexecs(setup: Setup, count: u32) -> Result<()> {
    let mut vm = setup.boot()?;
    vm.run("stress on")?;
    vm.guest.send(&format!("cycle {count}"))?;
    let whole = patience(PATIENCE) * count;
    let deadline = Instant::now() + whole;
    vm.guest.end_by(deadline + whole);
    let (mut last, mut hellos) = (0, Vec::new());
    for generation in 1..=count {
        ensure!(Instant::now() < deadline, "{generation} of {count} cycles took {whole:?}");
        let before = vm.guest.records().len();
        hellos.push(vm.arrival(generation)?.1);
        let wanted = |r: &Record| matches!(r, Record::Interrupts(i) if i.generation == generation);
        let early = vm.guest.records()[before..].iter().find(|r| wanted(r)).cloned();
        let found = early.map_or_else(|| vm.guest.wait_record(wanted, SOON), Ok)?;
        let Record::Interrupts(Interrupts { sent, handled, .. }) = found else {
            bail!("{found:?}")
        };
        same("handled", handled, sent)?;
        ensure!(sent > last, "generation {generation} has sent nothing");
        last = sent;
    }
    vm.guest.wait_prompt(SOON)?;
    let (sent, handled) = counts(&mut vm, "stress off")?;
    same("handled", handled, sent)?;
    crate::cycles::steady(&hellos)?;
    vm.power_off()
}

fn wrong() -> Result<()> {
    let mut vm = cpus(1)?.boot()?;
    has(&vm.refused("torture everything")?, &["everything", "hotplug, rcu, irq, pmu or all"])?;
    has(&vm.refused("torture all --seconds 0")?, &["--seconds", "from 1 on"])?;
    has(&vm.refused("stress maybe")?, &["maybe", "on or off"])?;
    has(&vm.refused("load on")?, &["is called \"stress\" now", "kexec load"])
}
