//! Is the machine that Linux finds after baton the one it finds after a cold boot?

use anyhow::{Result, ensure};
use serde::Serialize;

use super::Said;

/// What the lines have in them by which Linux says what machine it has found.
const TOPICS: [&str; 18] = [
    "Booting Linux",
    "Machine model",
    "psci:",
    "GIC",
    "ITS",
    "SMP:",
    "smp:",
    "CPU features:",
    "CPU: All",
    "arch_timer:",
    "Memory:",
    "node   0:",
    "Zone ranges",
    "DMA",
    "OF: ",
    "KASLR",
    "percpu:",
    "kvm [",
];

/// Lines that may differ, and why.
const KNOWN: [(&str, &str); 4] = [
    ("EFI stub:", "said by what UEFI starts, before the kernel"),
    ("Memory:", "initrd and device tree have other sizes, so other amounts are reserved"),
    ("LPI pending table", "those that a Linux before left on are kept, and reserved for this one"),
    ("preallocated redistributor tables", "the same"),
];

/// A line that only one of two boots has said.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// True if it was said after baton, and not after the cold boot.
    pub(super) after: bool,
    /// The line, without its time.
    pub(super) line: String,
}

/// The lines that say what machine it is, without their times.
pub(super) fn words<'a>(lines: impl Iterator<Item = &'a String>) -> Vec<String> {
    let plain = lines.map(|line| without_time(line).trim_end());
    let about = |line: &&str| {
        TOPICS.iter().any(|topic| line.contains(topic))
            && !KNOWN.iter().any(|(topic, _)| line.contains(topic))
    };
    plain.filter(about).map(without_addresses).collect()
}

/// What differs, each line as often as it is missing or too many.
pub(super) fn differences(cold: &[String], after: &[String]) -> Vec<Difference> {
    let only = |these: &[String], those: &[String], after| {
        let mut left = those.to_vec();
        let mut only = Vec::new();
        for line in these {
            match left.iter().position(|other| other == line) {
                Some(at) => drop(left.remove(at)),
                None => only.push(Difference { after, line: line.clone() }),
            }
        }
        only
    };
    [only(cold, after, false), only(after, cold, true)].concat()
}

/// With every address in memory that the kernel has chosen itself as dots.
fn without_addresses(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once(" @") {
        let digits =
            after.find(|c: char| !c.is_ascii_hexdigit() && c != 'x').unwrap_or(after.len());
        out.extend([before, " @..."]);
        rest = &after[digits..];
    }
    out + rest
}

/// `[    0.123456] text` without the bracket.
fn without_time(line: &str) -> &str {
    match line.split_once("] ") {
        Some((time, text)) if time.starts_with('[') => text,
        _ => line,
    }
}

/// Every Linux had all CPUs, at the level it was given, and could take each offline and online.
///
/// # Errors
/// The first that is not so.
pub(super) fn all(linux: &[Said], cpus: u32, el2: bool) -> Result<()> {
    let online = if cpus == 1 { "0".to_string() } else { format!("0-{}", cpus - 1) };
    let level = if el2 { "EL2" } else { "EL1" };
    for (i, said) in linux.iter().enumerate() {
        let number = i + 1;
        ensure!(
            said.online == online,
            "Linux {number} has CPUs {} online, not {online}",
            said.online
        );
        ensure!(said.level == level, "Linux {number} runs at {}, not {level}", said.level);
        ensure!(
            said.hyp == el2,
            "Linux {number}: KVM is {}",
            if el2 { "missing" } else { "there" }
        );
        ensure!(
            said.refused.unwrap_or(0) == 0,
            "Linux {number}: {} CPUs could not be taken offline and online",
            said.refused.unwrap_or(0)
        );
        let other: Vec<String> = said.differences.iter().map(Difference::show).collect();
        ensure!(
            other.is_empty(),
            "Linux {number} finds another machine than after a cold boot:\n{}",
            other.join("\n")
        );
    }
    Ok(())
}

impl Difference {
    fn show(&self) -> String {
        let when = if self.after { "only after baton" } else { "only after a cold boot" };
        format!("  {when}: {}", self.line)
    }
}
