//! Many kexecs in a row: nothing is copied, lost or left behind.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use baton::report::{Cycle, Hello, Record};
use libtest_mimic::Trial;

use crate::check::{jump, phases, same};
use crate::vm::{SOON, Setup, Vm, cpus, patience, test};

/// How long a run of cycles may take.
const PATIENCE: Duration = Duration::from_secs(120);

pub fn tests() -> Vec<Trial> {
    vec![
        test("cycles", "50_parallel_8_cpus", || run(cpus(8)?, 8, &[("parallel", 50)])),
        test("cycles", "50_serial_8_cpus", || run(cpus(8)?, 8, &[("serial", 50)])),
        test("cycles", "80_cpus", || run(cpus(80)?, 80, &[("parallel", 3), ("serial", 3)])),
        test("cycles", "80_cpus_on_one_thread", || {
            run(cpus(80)?.one_thread(), 80, &[("parallel", 3), ("serial", 1)])
        }),
        test("cycles", "el2_gicv3", || run(cpus(4)?.el2(), 4, &[("parallel", 2), ("serial", 2)])),
        test("cycles", "el2_gicv2", || {
            run(cpus(4)?.el2().gic2(), 4, &[("parallel", 2), ("serial", 2)])
        }),
        test("cycles", "gicv2_8_cpus", || {
            run(cpus(8)?.gic2(), 8, &[("parallel", 2), ("serial", 2)])
        }),
        test("cycles", "fanout_8_cpus", || {
            run(cpus(8)?.append("cpuhp.bringup=fanout"), 8, &[("parallel", 5)])
        }),
        test("cycles", "one_cpu", || run(cpus(1)?, 1, &[("parallel", 3), ("serial", 1)])),
        test("cycles", "512_cpus", || run(cpus(512)?.memory("2G"), 512, &[("parallel", 1)])),
        test("cycles", "a_missing_image_ends_them", missing),
    ]
}

/// Runs of cycles by one machine, each `(mode, count)`.
fn run(setup: Setup, count: u32, runs: &[(&str, u32)]) -> Result<()> {
    let mut vm = setup.boot()?;
    let mut hellos = Vec::new();
    for (mode, asked) in runs {
        vm.guest.send(&format!("cycle {asked} --teardown {mode}"))?;
        let deadline = Instant::now() + patience(PATIENCE);
        for done in 1..=*asked {
            let generation = hellos.len() as u32 + 1;
            ensure!(Instant::now() < deadline, "{done} of {asked} cycles took {PATIENCE:?}");
            hellos.push(one(&mut vm, count, generation, mode, (done, *asked))?);
        }
    }
    vm.expect_marks(count, &[])?;
    steady(&hellos)?;
    vm.power_off()
}

/// One cycle: its records in order.
fn one(
    vm: &mut Vm,
    count: u32,
    generation: u32,
    mode: &str,
    (done, asked): (u32, u32),
) -> Result<Hello> {
    let before = vm.guest.records().len();
    let (bringup, hello) = vm.arrival(generation)?;
    ensure!(bringup.failed.is_empty(), "{bringup:?}");
    same("CPUs online", hello.online, count)?;
    let new = &vm.guest.records()[before..];
    let [_, Record::Teardown(down), Record::Kexec(kexec), Record::Cycle(cycle), _] = new else {
        bail!("records of cycle {done}: {new:?}");
    };
    same("teardown", (down.generation, down.cpus), (generation - 1, count - 1))?;
    same("mode and stuck", (down.mode.as_str(), down.stuck.len()), (mode, 0))?;
    phases(down)?;
    jump(kexec, generation, mode)?;
    same("from", kexec.from.as_str(), hello.version.as_str())?;
    same("cycle", cycle, &Cycle { done, asked, teardown: mode.into() })?;
    Ok(hello)
}

/// No generation has less memory than the second, which is the first that kexec has laid out.
pub fn steady(hellos: &[Hello]) -> Result<()> {
    let free: Vec<u64> = hellos.iter().skip(1).map(|hello| hello.free_bytes).collect();
    let first = free.first().copied().unwrap_or_default();
    ensure!(free.iter().all(|&bytes| bytes == first), "free bytes change: {free:?}");
    Ok(())
}

fn missing() -> Result<()> {
    let mut vm = cpus(2)?.append("run=\"cycle 2 --image nothing; poweroff\"").start()?;
    vm.arrival(0)?;
    let record = vm.guest.wait_record(|r| matches!(r, Record::Error(_)), SOON)?;
    let Record::Error(error) = record else { bail!("{record:?}") };
    crate::check::has(&error.what, &["nothing: no such file", "files"])?;
    vm.expect_marks(2, &[])
}
