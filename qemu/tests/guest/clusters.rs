//! Clusters: a source from dts/ merged into QEMU's own tree, seen by this kernel and the next.

use anyhow::{Result, ensure};
use libtest_mimic::Trial;

use crate::check::{has, same};
use crate::vm::{Setup, Vm, cpus, test};

pub fn tests() -> Vec<Trial> {
    vec![
        test("clusters", "of_two", || across(cpus(8)?, "dsu-2", 4)),
        test("clusters", "of_four_at_el2", || across(cpus(7)?.el2(), "dsu-4", 2)),
        test("clusters", "of_eight_on_gicv2", || across(cpus(8)?.gic2(), "dsu-8", 1)),
        test("clusters", "uneven_with_gicv2_at_el2", || {
            across(cpus(8)?.gic2().el2(), "dsu-uneven", 4)
        }),
        test("clusters", "forty_of_two", || across(cpus(80)?.one_thread(), "dsu-2", 40)),
        test("clusters", "sixty_four_of_eight", || {
            across(cpus(512)?.memory("2G").one_thread(), "dsu-8", 64)
        }),
        test("clusters", "none", none),
        test("clusters", "emulation_is_asked_for", unasked),
    ]
}

/// This kernel and the next one have as many clusters, and nothing to complain about.
fn across(setup: Setup, source: &str, clusters: usize) -> Result<()> {
    let mut vm = setup.dts(&format!("{source}.dts")).boot()?;
    for generation in 0..2 {
        introduced(&mut vm, &format!(" CPUs in {clusters} clusters, EL"))?;
        if generation == 0 {
            vm.run("kexec load baton.Image")?;
            vm.jump("kexec exec", 1)?;
        }
    }
    Ok(())
}

fn none() -> Result<()> {
    introduced(&mut cpus(2)?.boot()?, "2 of 2 CPUs, EL")
}

/// Where the tree does not ask for it, nothing answers for registers that the cores lack.
fn unasked() -> Result<()> {
    let mut vm = cpus(2)?.dts_without("dsu-2.dts", "baton,emulate;")?.start()?;
    let panic = vm.panic()?;
    has(&panic.what, &["undefined instruction"])
}

/// The kernel introduces itself with these words, and has no warning.
fn introduced(vm: &mut Vm, words: &str) -> Result<()> {
    let log = vm.run("dmesg")?;
    ensure!(log.first().is_some_and(|line| line.contains(words)), "{words:?} not in {log:?}");
    same("warnings", log.iter().filter(|line| line.starts_with("warning: ")).count(), 0)
}
