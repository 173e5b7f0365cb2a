//! `pmu`: the performance monitors of the clusters.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Outcome;
use crate::cpu::{CpuId, CpuMask};
use crate::kernel::{Cpus, Reporter};
use crate::pmu::{ClusterInfo, EventInfo, PmuError, Request, events};

/// How long a cluster may take to answer, milliseconds.
const ANSWER_MS: u64 = 2000;

/// First pause between two looks for the answer; doubles up to [`LONGEST_PAUSE_US`].
const FIRST_PAUSE_US: u64 = 20;
const LONGEST_PAUSE_US: u64 = 1000;

/// `pmu`: the table, of one cluster or of all.
pub(super) fn show(out: &Reporter, cpus: &Cpus, only: Option<usize>) -> Outcome {
    let clusters = cpus.services().pmu.info();
    if clusters.is_empty() {
        out.print(&PmuError::NoCluster { asked: 0, clusters: 0 }.to_string());
        return Ok(None);
    }
    out.print("  #  name             CPUs          owner   intid  counters  overflows  state");
    for cluster in clusters.iter().filter(|c| only.is_none_or(|only| only == c.number)) {
        out.print(&line(cluster));
        cluster.events.iter().for_each(|event| out.print(&total(event)));
    }
    Ok(None)
}

/// `pmu open`, of one cluster or of all.
pub(super) fn open(out: &Reporter, cpus: &Cpus, cluster: Option<usize>, event: u16) -> Outcome {
    let Some(cluster) = cluster else { return open_all(out, cpus, event) };
    ask(cpus, cluster, Request::Open(event))?;
    Ok(None)
}

/// In all clusters that have a CPU online and do not count the event yet, or in none of these.
fn open_all(out: &Reporter, cpus: &Cpus, event: u16) -> Outcome {
    let mut opened = Vec::new();
    for cluster in with_owner(cpus).filter(|c| !counts(c, event)) {
        if let Err(why) = ask(cpus, cluster.number, Request::Open(event)) {
            for &open in &opened {
                ask(cpus, open, Request::Close(event))?;
            }
            return Err(why.into());
        }
        opened.push(cluster.number);
    }
    let name = events::name(event).map_or(format!("{event:#x}"), String::from);
    out.print(&format!("{} more clusters count {name}", opened.len()));
    Ok(None)
}

/// `pmu close`. Closing loses the totals, so this prints them.
pub(super) fn close(out: &Reporter, cpus: &Cpus, cluster: Option<usize>, event: u16) -> Outcome {
    let counting = with_owner(cpus).filter(|c| counts(c, event)).map(|c| c.number);
    let chosen = cluster.map_or_else(|| counting.collect(), |one| Vec::from([one]));
    for cluster in chosen {
        let total = ask(cpus, cluster, Request::Close(event))?;
        out.print(&format!("cluster {cluster}: {total}"));
    }
    Ok(None)
}

/// `pmu read`. A cluster without a CPU online stands still: its last totals are shown.
pub(super) fn read(out: &Reporter, cpus: &Cpus, cluster: Option<usize>) -> Outcome {
    let running = with_owner(cpus).filter(|c| c.counting).map(|c| c.number);
    let chosen = cluster.map_or_else(|| running.collect(), |one| Vec::from([one]));
    for cluster in chosen {
        match ask(cpus, cluster, Request::Read) {
            Err(Failed(PmuError::Stopped { .. })) | Ok(_) => {}
            Err(why) => return Err(why.into()),
        }
    }
    show(out, cpus, cluster)
}

fn with_owner(cpus: &Cpus) -> impl Iterator<Item = ClusterInfo> + use<> {
    cpus.services().pmu.info().into_iter().filter(|c| c.owner.is_some())
}

/// Asks a cluster, and sleeps until its owner has answered.
fn ask(cpus: &Cpus, cluster: usize, request: Request) -> Result<u64, Failed> {
    let seam = cpus.seam();
    let deadline = seam.now() + seam.ticks_from_ms(ANSWER_MS);
    let mut pause_us = FIRST_PAUSE_US;
    let mut pause = |owner: CpuId| {
        let now = seam.now();
        if now >= deadline || cpus.interrupted() {
            return false;
        }
        seam.wake(&CpuMask::from_iter([owner]));
        cpus.rest(deadline.min(now + seam.ticks_from_us(pause_us)));
        pause_us = (pause_us * 2).min(LONGEST_PAUSE_US);
        true
    };
    cpus.services().pmu.ask(seam, cpus.boot(), cluster, request, &mut pause).map_err(Failed)
}

/// What a cluster refused, on its way to the user.
struct Failed(PmuError);

impl From<Failed> for String {
    fn from(failed: Failed) -> Self {
        failed.0.to_string()
    }
}

fn counts(cluster: &ClusterInfo, event: u16) -> bool {
    cluster.events.iter().any(|open| open.event == event)
}

fn line(c: &ClusterInfo) -> String {
    let ClusterInfo { number, name, intid, overflows, .. } = c;
    let cpus = c.cpus.ranges().to_string();
    let owner = c.owner.map_or("nobody".into(), |cpu| format!("CPU {cpu}"));
    let counters = c.counters.map_or("?".into(), |count| count.to_string());
    let state = match (c.owner, c.counting) {
        (None, _) => "stopped: none of its CPUs is online",
        (Some(_), true) => "counting",
        (Some(_), false) => "idle",
    };
    let emulated = if c.emulated { ", emulated" } else { "" };
    format!(
        "{number:>3}  {name:<15}  {cpus:<12}  {owner:<7} {intid:>5}  {counters:>8}  {overflows:>9}  \
         {state}{emulated}"
    )
}

fn total(event: &EventInfo) -> String {
    let EventInfo { event, name, total } = event;
    format!("     {event:#06x} {:<20} {total:>20}", name.unwrap_or(""))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn cluster() -> ClusterInfo {
        ClusterInfo {
            number: 3,
            name: "dsu-pmu-3".into(),
            cpus: CpuMask::from_iter([CpuId(6), CpuId(7)]),
            present: CpuMask::from_iter([CpuId(7)]),
            owner: Some(CpuId(7)),
            intid: 83,
            emulated: true,
            counters: Some(6),
            has: 0,
            counting: true,
            overflows: 12,
            events: Vec::from([EventInfo { event: 0x11, name: Some("cycles"), total: 99 }]),
        }
    }

    #[test]
    fn a_cluster_says_who_answers_for_it_and_whether_it_is_real() {
        let text = line(&cluster());
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(
            words,
            ["3", "dsu-pmu-3", "6-7", "CPU", "7", "83", "6", "12", "counting,", "emulated"]
        );
        let gone = ClusterInfo { owner: None, counting: false, emulated: false, ..cluster() };
        assert!(line(&gone).contains("nobody"));
        assert!(line(&gone).ends_with("stopped: none of its CPUs is online"));
        assert!(counts(&cluster(), 0x11) && !counts(&cluster(), 0x19));
    }

    #[test]
    fn totals_have_number_and_name() {
        let words = total(&cluster().events[0]);
        assert_eq!(words.split_whitespace().collect::<Vec<_>>(), ["0x0011", "cycles", "99"]);
    }
}
