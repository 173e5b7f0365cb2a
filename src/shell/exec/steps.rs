//! `hotplug`: the table of steps, and where each CPU stands.

use alloc::format;
use alloc::string::String;

use super::Outcome;
use crate::cpu::CpuMask;
use crate::hotplug::steps::{self, Act, CpuhpStep, STEPS, Section};
use crate::kernel::{Cpus, Reporter};
use crate::trace::Mark;

const HEAD: &str = "   #  section   step              up    down  CPUs      asked  what";

/// `hotplug`.
pub(super) fn list(out: &Reporter, cpus: &Cpus) -> Outcome {
    let hotplug = cpus.hotplug();
    out.print(HEAD);
    for (id, step) in steps::ids().zip(&STEPS) {
        let alone = hotplug.is_exclusive(id, step);
        out.print(&format!("{:>4}  {}", id.0, line(step, alone)));
    }
    for &mark in Mark::ALL {
        let at: CpuMask = hotplug.topology().cpus().filter(|&c| hotplug.mark(c) == mark).collect();
        if !at.is_empty() {
            out.print(&format!("{mark:<12} {}", at.ranges()));
        }
    }
    Ok(None)
}

/// `alone`: the step runs on one CPU at a time.
fn line(step: &CpuhpStep, alone: bool) -> String {
    let (section, name, what) = (step.section.name(), step.name.name(), step.what);
    let (up, down) = (times(step.up), times(step.down));
    let cpus = match step.section {
        Section::Prepare | Section::Shared => "boot CPU",
        Section::Starting | Section::Online if alone => "alone",
        Section::Starting | Section::Online => "parallel",
    };
    let asked = if step.check.is_some() { "yes" } else { "-" };
    format!("{section:<8}  {name:<16}  {up:<4}  {down:<4}  {cpus:<8}  {asked:<5}  {what}")
}

/// How often a step acts in an operation on several CPUs.
fn times(act: Act) -> &'static str {
    match act {
        Act::Nothing => "-",
        Act::Sure(_) | Act::Each(_) => "each",
        Act::All(_) => "once",
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    fn words(name: &str, alone: bool) -> Vec<String> {
        let step = steps::by_name(name).and_then(steps::get).unwrap();
        line(step, alone).split_whitespace().take(6).map(String::from).collect()
    }

    #[test]
    fn a_step_says_where_how_often_and_whether_it_is_asked() {
        let wanted = ["prepare", "work:prepare", "once", "once", "boot", "CPU"];
        assert_eq!(words("work:prepare", false), wanted);
        let wanted = ["starting", "cpu:check", "each", "-", "parallel", "-"];
        assert_eq!(words("cpu:check", false), wanted);
        let wanted = ["starting", "gic:starting", "each", "each", "alone", "-"];
        assert_eq!(words("gic:starting", true), wanted);
        assert_eq!(words("irq:shared", false)[2..4], ["once", "once"]);
    }

    #[test]
    fn columns_stand_under_their_heads() {
        for step in &STEPS {
            let line = std::format!("   0  {}", line(step, false));
            for column in ["section", "step", "up", "down", "CPUs", "asked", "what"] {
                let at = HEAD.find(column).unwrap();
                assert!(line.as_bytes()[at] != b' ' && line.as_bytes()[at - 1] == b' ', "{line}");
            }
        }
    }
}
