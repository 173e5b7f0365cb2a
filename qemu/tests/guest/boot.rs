//! Machines of all sizes come up with all their CPUs.

use anyhow::Result;
use libtest_mimic::Trial;

use crate::check::{all_online, came, left, same};
use crate::vm::{Setup, cpus, test};

pub fn tests() -> Vec<Trial> {
    let mut tests = Vec::new();
    for count in [1, 2, 8] {
        let of = |gic| format!("gicv{gic}_{count}_cpus");
        tests.push(test("boot", of(3), move || small(cpus(count)?, count, (3, 1))));
        tests.push(test("boot", of(2), move || small(cpus(count)?.gic2(), count, (2, 1))));
    }
    tests.extend([
        test("boot", "el2_gicv3", || small(cpus(4)?.el2(), 4, (3, 2))),
        test("boot", "el2_gicv2", || small(cpus(4)?.el2().gic2(), 4, (2, 2))),
        test("boot", "80_cpus_on_one_thread", || many(cpus(80)?.one_thread(), 80)),
        test("boot", "512_cpus", || many(cpus(512)?.memory("2G"), 512)),
    ]);
    for policy in ["serial", "parallel", "fanout"] {
        for count in [8, 80] {
            let name = format!("{policy}_{count}_cpus");
            tests.push(test("boot", name, move || by_policy(policy, count)));
        }
    }
    tests
}

/// A whole short life: what the machine is, each CPU's mark, all off and on again, power off.
fn small(setup: Setup, count: u32, (gic, level): (u32, u32)) -> Result<()> {
    let mut vm = setup.start()?;
    let (bringup, hello) = vm.arrival(0)?;
    all_online(&bringup, &hello, count)?;
    same("GIC and level", (hello.gic, hello.el), (gic, level))?;
    vm.expect_marks(count, &[])?;
    left(&vm.record("cpu offline all")?, count - 1, "parallel")?;
    came(&vm.record("cpu online all")?, count - 1)?;
    vm.power_off()
}

fn many(setup: Setup, count: u32) -> Result<()> {
    let mut vm = setup.boot()?;
    vm.expect_marks(count, &[])?;
    left(&vm.record("cpu offline all --teardown parallel")?, count - 1, "parallel")?;
    came(&vm.record("cpu online all --policy fanout")?, count - 1)?;
    vm.expect_marks(count, &[])?;
    vm.power_off()
}

fn by_policy(policy: &str, count: u32) -> Result<()> {
    let mut vm = cpus(count)?.append(&format!("cpuhp.bringup={policy}")).start()?;
    let (bringup, hello) = vm.arrival(0)?;
    all_online(&bringup, &hello, count)?;
    same("policy", bringup.policy.as_str(), policy)?;
    for other in ["serial", "parallel", "fanout"] {
        left(&vm.record("cpu offline all")?, count - 1, "parallel")?;
        came(&vm.record(&format!("cpu online all --policy {other}"))?, count - 1)?;
    }
    vm.power_off()
}
