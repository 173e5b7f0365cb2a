//! Linux beside the corners: its own teardown on the same machine, counting instructions.

use std::path::Path;

use anyhow::Result;

use super::BenchArgs;
use crate::linux::teardown::{self, Teardown};
use crate::progress::Progress;
use crate::table;
use crate::units::time;

/// What the table shows.
const TITLE: &str = "Linux's own teardown of all CPUs but one on the same machine, by its own clock. Virtual \
                     time, as above: what it waits for ticks is in it";

fn counts(args: &BenchArgs) -> &[u32] {
    if teardown::is_there(&args.linux) { &args.corners } else { &[] }
}

/// Steps of progress.
pub(super) fn steps(args: &BenchArgs) -> u64 {
    counts(args).len() as u64
}

/// Linux at each number of CPUs of the corners; nothing if no Linux is there.
///
/// # Errors
/// A file that is missing, or Ctrl-C. A Linux that fails has a row that says so.
pub(super) fn measure(args: &BenchArgs, progress: &Progress) -> Result<Vec<Teardown>> {
    let one = |&cpus: &u32| {
        progress.step(format!("Linux takes {cpus} CPUs down"));
        let machine = crate::Options { cpus, ..args.machine.clone() };
        teardown::measure(&machine, &args.linux, &args.out, args.limits)
    };
    counts(args).iter().map(one).collect()
}

/// The table, or how to get a Linux.
pub(super) fn show(all: &[Teardown], root: &Path) -> String {
    if all.is_empty() {
        let root = root.display();
        return format!(
            "Linux's own teardown is not shown: no Linux in {root}. `make linux` fetches one, and so \
             does `qemu/linux/fetch target/linux`"
        );
    }
    let head = ["CPUs", "Linux", "way", "CONFIG_HZ", "total", "each CPU"];
    let row = |one: &Teardown| {
        let hz = one.hz.map_or("not known".to_string(), |hz| hz.to_string());
        let each = |ns: u64| time(ns / u64::from(one.cpus.saturating_sub(1).max(1)));
        let times = one.total_ns.map_or(["-".into(), "-".into()], |ns| [time(ns), each(ns)]);
        let names = [one.cpus.to_string(), one.kernel.clone(), one.way.to_string(), hz];
        names.into_iter().chain(times).collect()
    };
    let table = table::render(&head, &all.iter().map(row).collect::<Vec<_>>(), 3);
    let why = |one: &Teardown| Some(format!("\n{} CPUs: {}", one.cpus, one.why.as_ref()?));
    format!("{TITLE}\n{table}{}", all.iter().filter_map(why).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_linux_has_its_row_and_one_that_failed_says_why() {
        let good = Teardown {
            cpus: 81,
            way: "sysfs",
            kernel: "vmlinuz-6.1".into(),
            hz: Some(250),
            total_ns: Some(2_080_000_000),
            why: None,
        };
        let bad = Teardown {
            cpus: 8,
            hz: None,
            total_ns: None,
            why: Some("TIMEOUT: waited".into()),
            ..good.clone()
        };
        let text = show(&[good, bad], Path::new("x"));
        let words = |name: &str| {
            let line = text.lines().find(|line| line.trim().starts_with(name)).unwrap();
            line.split_whitespace().map(String::from).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words("81"), "81 vmlinuz-6.1 sysfs 250 2.08 s 26.0 ms", "{text}");
        assert_eq!(words("8 "), "8 vmlinuz-6.1 sysfs not known - -", "{text}");
        assert_eq!(words("8 CPUs:"), "8 CPUs: TIMEOUT: waited", "{text}");
        assert!(!text.contains("fetch"));
    }

    #[test]
    fn without_a_linux_one_line_says_how_to_get_one() {
        let text = show(&[], Path::new("target/linux/root"));
        assert_eq!(text.lines().count(), 1);
        assert!(text.contains("target/linux/root") && text.contains("`make linux`"), "{text}");
    }
}
