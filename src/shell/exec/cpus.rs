//! Commands about CPUs: `cpus`, `cpu`, `soak`, `crash`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Outcome;
use crate::cpu::{CpuId, CpuMask};
use crate::hotplug::{Failure, Way};
use crate::kernel::{Cpus, Level, Loader, NOTHING_LOADED, Reporter};
use crate::machine::CrashKind;
use crate::report::{BringupAt, BringupPolicy, TeardownAt};
use crate::shell::command::CpuChoice;
use crate::trace::Mark;

/// `cpus`.
pub(super) fn list(out: &Reporter, cpus: &Cpus) -> Outcome {
    out.print("  cpu  mpidr         mark          last failure");
    let hotplug = cpus.hotplug();
    let topology = hotplug.topology();
    for cpu in topology.cpus() {
        let mpidr = topology.mpidr(cpu).map(|m| m.to_string()).unwrap_or_default();
        let note = match hotplug.failure(cpu) {
            Some(failure) => failure.to_string(),
            None if cpu == topology.boot() => "boot CPU".into(),
            None if hotplug.is_absent(cpus.seam(), cpu) => {
                "absent: firmware does not know it".into()
            }
            None => String::new(),
        };
        let mark = hotplug.mark(cpu);
        let line = format!("{:>5}  {mpidr:<12}  {mark:<12}  {note}", cpu.0);
        out.print(line.trim_end());
    }
    Ok(None)
}

/// `cpu online`. CPUs that do not come are an error; the others are online.
pub(super) fn online(
    out: &Reporter,
    cpus: &mut Cpus,
    which: CpuChoice,
    policy: Option<BringupPolicy>,
) -> Outcome {
    let hotplug = cpus.hotplug();
    let policy = policy.unwrap_or(cpus.policy());
    let chosen = choose(cpus, which, &hotplug.offline(), "offline")?;
    // All that are offline: those that can come. An absent one is tried only if it is named.
    let chosen = match which {
        CpuChoice::Listed(_) => chosen,
        _ => chosen.and_not(&hotplug.absent(cpus.seam())),
    };
    let outcome = cpus.bring_up(&chosen, policy);
    out.bringup(hotplug, BringupAt::Online, policy, &outcome);
    cpus.took(outcome);
    let failed = &cpus.last_bringup().failed;
    if failed.is_empty() { Ok(None) } else { Err(named(failed.iter())) }
}

/// `cpu offline`. CPUs that do not leave are an error; the others are offline.
pub(super) fn offline(out: &mut Reporter, cpus: &Cpus, which: CpuChoice, way: Way) -> Outcome {
    let chosen = choose(cpus, which, &can_leave(cpus), "online, or is the boot CPU")?;
    let outcome = cpus.tear_down(&chosen, way);
    out.teardown(cpus.hotplug(), TeardownAt::Offline, way, &outcome);
    out.noted(&outcome);
    if outcome.stuck.is_empty() { Ok(None) } else { Err(named(outcome.stuck.iter())) }
}

fn can_leave(cpus: &Cpus) -> CpuMask {
    let hotplug = cpus.hotplug();
    let mut online = hotplug.online();
    online.remove(hotplug.topology().boot());
    online
}

/// The CPUs that a command names, all of which have to be in `able`.
fn choose(cpus: &Cpus, which: CpuChoice, able: &CpuMask, state: &str) -> Result<CpuMask, String> {
    let CpuChoice::Listed(mask) = which else { return Ok(*able) };
    let count = cpus.hotplug().topology().len();
    if let Some(stranger) = mask.iter().find(|c| c.index() >= count) {
        return Err(format!("there is no CPU {stranger}; this machine has 0-{}", count - 1));
    }
    let unable = mask.and_not(able);
    if unable.is_empty() {
        return Ok(mask);
    }
    Err(format!("CPU {} is not {state}; `cpus` shows each CPU's mark", unable.ranges()))
}

/// `soak`: ends at the first round that fails, and after the round in which Ctrl-C is typed.
pub(super) fn soak(out: &Reporter, cpus: &Cpus, times: u32, which: Option<CpuChoice>) -> Outcome {
    let which = which.unwrap_or(CpuChoice::All);
    let chosen = choose(cpus, which, &can_leave(cpus), "online")?;
    let clock = cpus.seam();
    let begin = clock.now();
    let mut next_word = begin + 2 * clock.hz();
    let mut done = 0;
    while done < times && !cpus.interrupted() {
        soak_once(cpus, &chosen).map_err(|why| format!("round {} of {times}: {why}", done + 1))?;
        done += 1;
        if clock.now() > next_word {
            next_word += 2 * clock.hz();
            out.print(&format!("round {done} of {times}"));
        }
    }
    let per_round = out.ns(clock.now() - begin) / u64::from(done.max(1)) / 1000;
    let asked = if done < times { format!(" of {times}") } else { String::new() };
    out.print(&format!("{done}{asked} rounds of {} CPUs, {per_round} us each", chosen.len()));
    Ok(None)
}

fn soak_once(cpus: &Cpus, chosen: &CpuMask) -> Result<(), String> {
    let down = cpus.tear_down(chosen, cpus.way(None, None));
    let up = cpus.bring_up(chosen, cpus.policy());
    if down.off == *chosen && up.online == *chosen {
        return Ok(());
    }
    Err(named(down.stuck.iter().chain(&up.failed)))
}

/// `crash`, here or on another CPU; `loader` knows what a write to the loaded kernel would hit.
pub(super) fn crash(
    out: &mut Reporter,
    cpus: &Cpus,
    loader: &Loader,
    kind: CrashKind,
    cpu: Option<CpuId>,
) -> Outcome {
    let kernel = loader.loaded().and_then(|l| l.plan.segments.first());
    let loaded = match (kind, kernel) {
        (CrashKind::WriteLoaded, None) => return Err(NOTHING_LOADED.into()),
        (_, kernel) => kernel.map_or(0, |segment| segment.dest.start),
    };
    match cpu {
        Some(cpu) if cpu != cpus.boot() => {
            crash_on(cpus, cpu, kind, loaded)?;
            let text = "the CPU was told to crash, and its report should have come";
            out.say(Level::Warning, text);
        }
        _ => cpus.crash(kind, loaded),
    }
    Ok(None)
}

/// Makes another CPU crash, and waits a second for its report.
fn crash_on(cpus: &Cpus, cpu: CpuId, kind: CrashKind, loaded: u64) -> Result<(), String> {
    if cpus.hotplug().mark(cpu) != Mark::Online {
        return Err(format!("CPU {cpu} is not online; `cpus` shows each CPU's mark"));
    }
    cpus.crash_on(cpu, kind, loaded);
    let clock = cpus.seam();
    let end = clock.now() + clock.hz();
    while clock.now() < end && !cpus.interrupted() {
        cpus.rest(end);
    }
    Ok(())
}

fn named<'f>(failures: impl Iterator<Item = &'f Failure>) -> String {
    let named: Vec<String> = failures.map(ToString::to_string).collect();
    named.join("; ")
}
