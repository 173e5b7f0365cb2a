//! Exits of one kexec, counted by kind, by which CPU had them, and by what it was doing.
//!
//! The guest's records and the host's trace have different clocks: both count the same hardware
//! counter, and KVM takes a constant from what the guest sees. The constant is found where one act is
//! in both: each CPU_ON, which the guest marks (KICKED) right before it calls.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use baton::report::{Kexec, MarkAt, Name, PhaseSpan, Record};
use baton::trace::{Dir, Mark, Phase};
use serde::Serialize;

use super::trace::Exit;

/// How late a trap may be behind the mark that announces it, and still be that one.
const LATE_NS: i64 = 1_000_000_000;

/// Exits of one vCPU in one half of the jump, by the name of the reason.
pub type Counts = BTreeMap<String, u32>;

/// What one kexec cost.
#[derive(Serialize, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The boot CPU, from the command to the jump.
    pub boot_down: Counts,
    /// The boot CPU, from its first instruction until all CPUs are online.
    pub boot_up: Counts,
    /// Each other CPU until the jump.
    pub down: Vec<Counts>,
    /// Each other CPU from the jump on.
    pub up: Vec<Counts>,
    /// Phases of the boot CPU in order: name, direction, exits.
    pub phases: Vec<(Name<Phase>, Name<Dir>, Counts)>,
}

/// Exits that the guest did not ask for, or only by going to sleep: how many there are is the host's.
const OF_THE_HOST: [&str; 3] = ["interrupt for the host", "WFI or WFE", "stage 2 fault"];

/// Exits that are the same each time: acts of the guest.
pub fn acts(counts: &Counts) -> u32 {
    let own = counts.iter().filter(|(name, _)| !OF_THE_HOST.contains(&name.as_str()));
    own.map(|(_, count)| count).sum()
}

/// A time span of the guest's clock.
struct Span {
    from: u64,
    to: u64,
}

impl Span {
    fn holds(&self, at: u64) -> bool {
        (self.from..self.to).contains(&at)
    }
}

/// What the host's clock is ahead of the guest's, ns.
///
/// # Errors
/// The calls of the host's trace are not those that the guest has marked.
pub fn ahead(exits: &[Exit], records: &[Record]) -> Result<i64> {
    let calls: Vec<u64> =
        exits.iter().filter(|e| e.reason.is_call("CPU_ON")).map(|e| e.at).collect();
    let mut marks: Vec<u64> = records.iter().filter_map(kicked).collect();
    marks.sort_unstable();
    ensure!(
        !marks.is_empty() && calls.len() >= marks.len(),
        "CPU_ON: {} calls in the host's trace, {} marks in the guest's",
        calls.len(),
        marks.len()
    );
    let calls = &calls[calls.len() - marks.len()..];
    let differences: Vec<i64> =
        calls.iter().zip(&marks).map(|(&host, &guest)| host as i64 - guest as i64).collect();
    let least = differences.iter().copied().min().unwrap_or_default();
    let most = differences.iter().copied().max().unwrap_or_default();
    ensure!(
        most - least < LATE_NS,
        "CPU_ON calls of host and guest drift apart by {} ns",
        most - least
    );
    Ok(least)
}

fn kicked(record: &Record) -> Option<u64> {
    match record {
        Record::Mark(MarkAt { mark, at_ns, .. }) if *mark == Mark::Kicked => Some(*at_ns),
        _ => None,
    }
}

/// Counts what belongs to a kexec; `records` is its trace.
///
/// # Errors
/// As for [`ahead`].
pub fn account(exits: &[Exit], kexec: &Kexec, cpus: u32, records: &[Record]) -> Result<Account> {
    let ahead = ahead(exits, records)?;
    let jump = kexec.exec_at_ns + kexec.exec_to_jump_ns;
    let end = kexec.exec_at_ns + kexec.blackout_ns;
    let (down, up) = (Span { from: kexec.exec_at_ns, to: jump }, Span { from: jump, to: end });
    let guest = |exit: &Exit| (exit.at as i64 - ahead).max(0) as u64;
    let boot = boot_cpu(records);
    let of = |cpu: u32, span: &Span| {
        count(exits.iter().filter(|e| e.cpu == cpu && span.holds(guest(e))))
    };
    let others: Vec<u32> = (0..cpus).filter(|&cpu| cpu != boot).collect();
    let phases = records.iter().filter_map(|record| match record {
        Record::Phase(phase) if down.holds(phase.begin_ns) || up.holds(phase.begin_ns) => {
            Some(in_phase(phase, &of))
        }
        _ => None,
    });
    Ok(Account {
        boot_down: of(boot, &down),
        boot_up: of(boot, &up),
        down: others.iter().map(|&cpu| of(cpu, &down)).collect(),
        up: others.iter().map(|&cpu| of(cpu, &up)).collect(),
        phases: phases.collect(),
    })
}

fn in_phase(
    phase: &PhaseSpan,
    of: &impl Fn(u32, &Span) -> Counts,
) -> (Name<Phase>, Name<Dir>, Counts) {
    let span = Span { from: phase.begin_ns, to: phase.end_ns };
    (phase.phase.clone(), phase.dir.clone(), of(phase.cpu, &span))
}

/// The CPU whose phases are recorded.
fn boot_cpu(records: &[Record]) -> u32 {
    let phase = |record: &Record| match record {
        Record::Phase(phase) => Some(phase.cpu),
        _ => None,
    };
    records.iter().find_map(phase).unwrap_or(0)
}

/// By the name of the reason.
pub fn count<'a>(exits: impl Iterator<Item = &'a Exit>) -> Counts {
    let mut counts = Counts::new();
    exits.for_each(|exit| *counts.entry(exit.reason.to_string()).or_default() += 1);
    counts
}

/// The exits between the first CPU_OFF of the last time that CPUs went, and the last CPU_ON after
/// it: what can be told of any kernel, also of one that keeps no records.
pub fn between_calls(exits: &[Exit]) -> &[Exit] {
    let is = |exit: &Exit, name| exit.reason.is_call(name);
    let Some(last) = exits.iter().rposition(|e| is(e, "CPU_ON")) else { return &[] };
    let Some(off) = exits[..last].iter().rposition(|e| is(e, "CPU_OFF")) else { return &[] };
    let before = exits[..off].iter().rposition(|e| is(e, "CPU_ON")).map_or(0, |at| at + 1);
    let first = exits[before..].iter().position(|e| is(e, "CPU_OFF")).unwrap_or(0);
    &exits[before + first..=last]
}

#[cfg(test)]
mod tests {
    use baton::report::TeardownMode;

    use super::super::reason::Reason;
    use super::*;

    const ON: u64 = 0xc400_0003;
    const OFF: u64 = 0x8400_0002;

    fn call(cpu: u32, at: u64, function: u64) -> Exit {
        Exit { cpu, at, reason: Reason::psci(function) }
    }

    fn mark(cpu: u32, at_ns: u64) -> Record {
        let (mark, dir) = (Mark::Kicked.into(), Dir::Up.into());
        Record::Mark(MarkAt { cpu, mark, dir, at_ns, generation: 1 })
    }

    #[test]
    fn the_clocks_are_compared_where_the_trap_was_quickest() {
        let exits = [call(0, 5, ON), call(0, 1110, ON), call(0, 1205, ON)];
        assert_eq!(ahead(&exits, &[mark(1, 100), mark(2, 200)]).unwrap(), 1005);
        assert!(ahead(&exits[..1], &[mark(1, 100), mark(2, 200)]).is_err());
        assert!(ahead(&exits, &[]).is_err());
    }

    #[test]
    fn exits_go_to_their_cpu_and_half() {
        let kexec = Kexec {
            generation: 1,
            from: String::new(),
            to: String::new(),
            teardown: TeardownMode::Parallel.into(),
            bytes_copied: 0,
            copy_ns: 0,
            exec_to_jump_ns: 500,
            verify_ns: None,
            jump_to_entry_ns: 1,
            entry_to_online_ns: 499,
            blackout_ns: 1000,
            exec_at_ns: 1000,
        };
        let exits = [call(1, 1200, OFF), call(0, 1300, 0x8400_0004), call(0, 1700, ON)];
        let phase = PhaseSpan {
            cpu: 0,
            phase: Phase::Kick.into(),
            dir: Dir::Up.into(),
            begin_ns: 1690,
            end_ns: 1750,
            generation: 1,
        };
        let records = [mark(1, 1700), Record::Phase(phase)];
        let account = account(&exits, &kexec, 2, &records).unwrap();
        let one = |name: &str| Counts::from([(name.to_string(), 1)]);
        assert_eq!(account.down, [one("PSCI CPU_OFF")]);
        assert_eq!(account.up, [Counts::new()]);
        assert_eq!(account.boot_down, one("PSCI AFFINITY_INFO"));
        assert_eq!(account.boot_up, one("PSCI CPU_ON"));
        assert_eq!(account.phases, [(Phase::Kick.into(), Dir::Up.into(), one("PSCI CPU_ON"))]);
    }

    #[test]
    fn the_span_of_any_kernel_is_from_the_first_off_to_the_last_on() {
        let exits: Vec<Exit> =
            [(1, OFF), (2, ON), (3, OFF), (4, OFF), (5, 0), (6, ON), (7, ON), (8, 0)]
                .map(|(at, function)| call(0, at, function | 0x8400_0000))
                .into();
        let times: Vec<u64> = between_calls(&exits).iter().map(|e| e.at).collect();
        assert_eq!(times, [3, 4, 5, 6, 7]);
        assert!(between_calls(&exits[..1]).is_empty());
    }
}
