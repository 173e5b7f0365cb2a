//! The tables of `baton exits`.

use std::collections::BTreeSet;

use super::account::{Account, Counts};
use crate::table::render;

/// Reasons that a phase names.
const NAMED: usize = 4;

/// Exits by kind: the boot CPU's, each other CPU's, all of them.
pub fn kinds(account: &Account) -> String {
    let head = [
        "exit",
        "boot CPU\nexec -> jump",
        "\njump -> online",
        "leaving CPU\nmedian",
        "\nmax",
        "arriving CPU\nmedian",
        "\nmax",
        "all",
    ];
    let names = names(account);
    let mut rows: Vec<Vec<String>> = names.iter().map(|name| row(account, name)).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row[7].parse::<u32>().unwrap_or(0)));
    rows.push(total(account));
    render(&head, &rows, 1)
}

fn names(account: &Account) -> BTreeSet<String> {
    let all = [&account.boot_down, &account.boot_up].into_iter();
    all.chain(&account.down).chain(&account.up).flat_map(|counts| counts.keys().cloned()).collect()
}

fn row(account: &Account, name: &str) -> Vec<String> {
    let of = |counts: &Counts| counts.get(name).copied().unwrap_or(0);
    line(name, account, of)
}

fn total(account: &Account) -> Vec<String> {
    line("all", account, |counts: &Counts| counts.values().sum())
}

fn line(name: &str, account: &Account, of: impl Fn(&Counts) -> u32) -> Vec<String> {
    let each = |all: &[Counts]| all.iter().map(&of).collect::<Vec<u32>>();
    let (down, up) = (each(&account.down), each(&account.up));
    let (boot_down, boot_up) = (of(&account.boot_down), of(&account.boot_up));
    let sum = boot_down + boot_up + down.iter().sum::<u32>() + up.iter().sum::<u32>();
    let cells = [boot_down, boot_up, median(&down), max(&down), median(&up), max(&up)];
    let shown = cells.map(|count| if count == 0 { "-".into() } else { count.to_string() });
    [name.to_string()].into_iter().chain(shown).chain([sum.to_string()]).collect()
}

/// The middle one, the lower of two.
pub fn median(counts: &[u32]) -> u32 {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

fn max(counts: &[u32]) -> u32 {
    counts.iter().copied().max().unwrap_or(0)
}

/// Exits of the boot CPU by phase, and what most of them are.
pub fn phases(account: &Account) -> String {
    let rows: Vec<Vec<String>> = account
        .phases
        .iter()
        .map(|(phase, dir, counts)| {
            let mut most: Vec<(&String, &u32)> = counts.iter().collect();
            most.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            let named: Vec<String> =
                most.iter().take(NAMED).map(|(name, count)| format!("{count} {name}")).collect();
            let sum: u32 = counts.values().sum();
            vec![phase.to_string(), dir.to_string(), named.join(", "), sum.to_string()]
        })
        .collect();
    render(&["phase", "dir", "most of them", "exits"], &rows, 3)
}

/// The same span of several kernels side by side: from the first CPU_OFF to the last CPU_ON.
pub fn subjects(subjects: &[(String, Counts)]) -> String {
    let names: BTreeSet<&String> = subjects.iter().flat_map(|(_, counts)| counts.keys()).collect();
    let mut head = vec!["exit"];
    head.extend(subjects.iter().map(|(name, _)| name.as_str()));
    let of = |counts: &Counts, name: &String| counts.get(name).copied().unwrap_or(0);
    let most = |name: &String| subjects.iter().map(|(_, c)| of(c, name)).max().unwrap_or(0);
    let mut names: Vec<&String> = names.into_iter().collect();
    names.sort_by_key(|name| std::cmp::Reverse(most(name)));
    let cell = |count: u32| if count == 0 { "-".into() } else { count.to_string() };
    let mut rows: Vec<Vec<String>> = names
        .iter()
        .map(|name| {
            let cells = subjects.iter().map(|(_, counts)| cell(of(counts, name)));
            std::iter::once((*name).clone()).chain(cells).collect()
        })
        .collect();
    let sums = subjects.iter().map(|(_, counts)| counts.values().sum::<u32>().to_string());
    rows.push(std::iter::once("all".to_string()).chain(sums).collect());
    render(&head, &rows, 1)
}

#[cfg(test)]
mod tests {
    use baton::trace::{Dir, Phase};

    use super::*;

    fn counts(name: &str, count: u32) -> Counts {
        Counts::from([(name.to_string(), count)])
    }

    fn words(line: &str) -> Vec<&str> {
        line.split_whitespace().collect()
    }

    #[test]
    fn each_kind_is_a_line_and_all_are_summed() {
        let account = Account {
            boot_down: counts("GICD_CTLR write", 3),
            boot_up: counts("PSCI CPU_ON", 3),
            down: vec![counts("PSCI CPU_OFF", 1); 3],
            up: vec![counts("SCTLR_EL1 write", 2), counts("SCTLR_EL1 write", 3)],
            phases: vec![(Phase::Kick.into(), Dir::Up.into(), counts("PSCI CPU_ON", 3))],
        };
        let table = kinds(&account);
        let line = |name: &str| words(table.lines().find(|l| l.trim().starts_with(name)).unwrap());
        assert_eq!(line("SCTLR_EL1"), ["SCTLR_EL1", "write", "-", "-", "-", "-", "2", "3", "5"]);
        assert_eq!(line("all"), ["all", "3", "3", "1", "1", "2", "3", "14"]);
        assert!(phases(&account).contains("3 PSCI CPU_ON"));
    }

    #[test]
    fn kernels_stand_side_by_side() {
        let table = subjects(&[
            ("baton".into(), counts("PSCI CPU_ON", 3)),
            ("Linux".into(), counts("WFI or WFE", 9)),
        ]);
        let line = |name: &str| words(table.lines().find(|l| l.trim().starts_with(name)).unwrap());
        assert_eq!(line("WFI"), ["WFI", "or", "WFE", "-", "9"]);
        assert_eq!(line("all"), ["all", "3", "9"]);
    }
}
