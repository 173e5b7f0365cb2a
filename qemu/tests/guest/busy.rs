//! A busy baton hands over to Linux: counters open, every CPU under stress, reads in flight, an alarm
//! armed. Linux must find the machine that it finds after a cold boot.

use anyhow::Result;
use libtest_mimic::Trial;

use crate::vm::test;

pub fn tests() -> Vec<Trial> {
    vec![test("busy", "into_linux_gicv3", || into_linux(&["-n", "8"]))]
}

fn into_linux(machine: &[&str]) -> Result<()> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../dts/dsu-2.dts");
    let busy = "pmu open all cycles;pmu open all bus_access;stress on;disk 16 --nowait;alarm 60";
    let busy = ["--dts", source, "--disk-latency", "200000", "--before", busy, "--cycles", "1"];
    let arguments: Vec<&str> = busy.iter().chain(machine).copied().collect();
    crate::linux::hands_over(&arguments).map(drop)
}
