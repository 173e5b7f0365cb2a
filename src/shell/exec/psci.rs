//! `psci bench`: what firmware costs on this machine.

mod table;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Outcome;
use crate::cpu::{CpuId, CpuMask};
use crate::floor::{self, Figures, FloorError, Measured};
use crate::kernel::{Cpus, Reporter, Session};
use crate::machine::Affinity;
use crate::report::{Psci, Record};

/// Rounds if none are asked for.
const ROUNDS: u32 = 5;

/// `psci bench`. The other CPUs leave by the way of `cpu offline`, and those that were online come
/// back, whatever was measured.
pub(super) fn bench(
    out: &mut Reporter,
    cpus: &mut Cpus,
    session: &Session,
    rounds: Option<u32>,
) -> Outcome {
    if session.stress_now().is_some() {
        return Err("the stress is on, and would be measured too; `stress off` first".into());
    }
    if cpus.hotplug().topology().len() == 1 {
        return Err("there is no other CPU; boot with more than one".into());
    }
    let online = cpus.hotplug().up();
    let measured = take_down(out, cpus, &online).and_then(|()| measure(out, cpus, rounds));
    let back = bring_back(cpus, &online);
    let (chosen, measured) = join(measured, back)?;
    let records = figures(out, cpus, &chosen, &measured);
    table::show(out, &records);
    records.into_iter().for_each(|record| out.record(&Record::Psci(record)));
    Ok(None)
}

/// Both have to be good; what both say is said.
fn join<T>(measured: Result<T, String>, back: Result<(), String>) -> Result<T, String> {
    match (measured, back) {
        (Err(why), Err(too)) => Err(format!("{why}; {too}")),
        (Err(why), Ok(())) => Err(format!("{why}; the CPUs that were online are online again")),
        (Ok(measured), back) => back.map(|()| measured),
    }
}

/// Takes the other CPUs down that are online.
fn take_down(out: &mut Reporter, cpus: &Cpus, online: &CpuMask) -> Result<(), String> {
    let outcome = cpus.tear_down(online, cpus.way(None, None));
    out.noted(&outcome);
    if outcome.stuck.is_empty() {
        return Ok(());
    }
    let stuck: Vec<String> = outcome.stuck.iter().map(ToString::to_string).collect();
    Err(format!("not measured: {}", stuck.join("; ")))
}

fn bring_back(cpus: &mut Cpus, online: &CpuMask) -> Result<(), String> {
    // Those that have not left, and those that are parked for good, are not asked.
    let back = online.and(&cpus.hotplug().offline());
    let outcome = cpus.bring_up(&back, cpus.policy());
    cpus.took(outcome);
    let missing = online.and_not(&cpus.hotplug().online());
    match missing.is_empty() {
        true => Ok(()),
        false => {
            Err(format!("CPUs {} are not back; `cpus` shows each CPU's mark", missing.ranges()))
        }
    }
}

/// Measures all CPUs that are OFF.
fn measure(
    out: &Reporter,
    cpus: &Cpus,
    rounds: Option<u32>,
) -> Result<(Vec<CpuId>, Measured), String> {
    let chosen = choose(out, cpus)?;
    let limits = (rounds.unwrap_or(ROUNDS), cpus.hotplug().timeout_ms());
    let measured = floor::measure(cpus.bare(), &chosen, limits, &|| !cpus.interrupted());
    let measured = measured.map_err(|why| refused(cpus, &why))?;
    if measured.serial.is_empty() {
        return Err("interrupted before the first round".into());
    }
    Ok((chosen, measured))
}

/// The CPUs that are OFF. Absent, foreign and parked ones are left out, and named.
fn choose(out: &Reporter, cpus: &Cpus) -> Result<Vec<CpuId>, String> {
    let (hotplug, seam) = (cpus.hotplug(), cpus.seam());
    let boot = hotplug.topology().boot();
    let others: Vec<CpuId> = hotplug.topology().cpus().filter(|&cpu| cpu != boot).collect();
    let off = |cpu: &CpuId| seam.affinity_info(*cpu) == Ok(Affinity::Off);
    let free = hotplug.offline().and_not(&hotplug.absent(seam));
    let able = |cpu: &CpuId| free.contains(*cpu) && off(cpu);
    let (chosen, left): (Vec<CpuId>, Vec<CpuId>) = others.into_iter().partition(able);
    let left: CpuMask = left.into_iter().collect();
    if !left.is_empty() {
        out.print(&format!("left out, since firmware does not say OFF: CPUs {}", left.ranges()));
    }
    if chosen.is_empty() { Err("no other CPU is OFF; `cpus` shows why".into()) } else { Ok(chosen) }
}

/// Why nothing was measured. CPUs that firmware does not let go are parked from now on.
fn refused(cpus: &Cpus, why: &FloorError) -> String {
    let park = |cpu| cpus.hotplug().parked_bare(cpus.seam(), cpu);
    why.parked().iter().for_each(park);
    format!("not measured: {why}")
}

fn figures(out: &Reporter, cpus: &Cpus, chosen: &[CpuId], measured: &Measured) -> Vec<Psci> {
    let shared = Figures {
        topology: cpus.hotplug().topology(),
        threads: cpus.bare().has_threads(),
        generation: cpus.hotplug().generation(),
        ns: &|ticks| out.ns(ticks),
    };
    floor::figures(&shared, chosen, measured)
}
